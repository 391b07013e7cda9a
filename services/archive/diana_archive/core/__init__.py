"""The archive's rules: what is stored, what is the same, what is told. No gRPC, no SQL, no paths."""
