"""Other people's systems: files of a worklist, peers on the DICOM network."""
