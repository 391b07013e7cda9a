"""DIMSE requests: decode, call the core, answer. What `servicer` is for gRPC."""
