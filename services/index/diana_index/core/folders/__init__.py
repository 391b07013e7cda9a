"""The folder registry: DICOM files where they lie, by accession number, study and patient."""
