"""Between the contract's messages and the core's values: one module a subject."""
