"""A mesh of local processes on the embedded defaults, and the supervisor that keeps it."""
