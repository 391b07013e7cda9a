"""The rules: whom to tell, what to say, and how often to try."""
