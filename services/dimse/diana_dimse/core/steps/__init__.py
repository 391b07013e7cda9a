"""Modality Performed Procedure Step (PS3.4 Annex F)."""
