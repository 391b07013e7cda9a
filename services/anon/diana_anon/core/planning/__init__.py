"""A profile compiled into rules: the standard's tables, options, overrides, private attributes."""
