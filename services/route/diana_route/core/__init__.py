"""The rules of moving: what a source yields, whether it is wanted, and what is done with it."""
