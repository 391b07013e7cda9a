"""DICOM's Upper Layer (PS3.8) and its messages (PS3.7), on blocking sockets: a thread an association, no polling."""
