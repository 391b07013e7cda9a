"""Endpoints: one small protocol over everything the CLI can get from, put to or find in."""
