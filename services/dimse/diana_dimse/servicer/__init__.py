"""DimseService, for those who use DICOM peers through us."""
