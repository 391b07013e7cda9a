"""The demonstration: `python -m diana_cli.demo`. A mesh of its own, real DICOM files, each step told with its time.

The files are those that pydicom brings along. State is temporary, ports are free ones, and nothing runs on
after it. Ends with status 1 if a step fails.
"""
