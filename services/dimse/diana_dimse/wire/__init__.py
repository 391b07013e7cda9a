"""Messages and data sets to the core's objects and back."""
