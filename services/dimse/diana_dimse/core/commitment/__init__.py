"""Storage commitment (PS3.4 Annex J)."""
