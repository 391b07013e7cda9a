"""Studies from store to store, alone or as a cohort, and the dry run."""
