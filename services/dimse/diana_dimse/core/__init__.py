"""The door's rules: who may do what, and what DICOM's questions mean in the mesh's words."""
