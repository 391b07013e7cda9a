"""Ways to reach recipients, and metrics and logs of what became of it."""
