"""Mints pseudo-identities: the same subject gets the same new identity, always."""
