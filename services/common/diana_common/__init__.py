"""Pure vocabulary every service shares: DICOM primitives and the error catalogue. Knows no gRPC."""
