"""An instance that comes, on its way to the archive (PS3.4 Annex B)."""
