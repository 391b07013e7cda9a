"""Other people's systems: metrics and logs, and the folders, zip files and DICOMDIRs that imports read."""
