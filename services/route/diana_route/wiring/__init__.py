"""What `__main__` puts together."""
