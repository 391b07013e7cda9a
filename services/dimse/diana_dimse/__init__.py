"""The DICOM network door: associations in, calls to the archive and the index out, and the same as user of a PACS."""
