"""The index's rules: what a record is, what matches, how the archive's feed is followed."""
