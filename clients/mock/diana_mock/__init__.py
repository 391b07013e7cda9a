"""A mock hospital: synthetic patients, studies, reports and doses, made lazily and the same for the same seed."""
