"""Measurements beside peers: `python -m bench`, and one-off studies that settled a choice of design."""
