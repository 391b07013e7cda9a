"""The reference pages, a module each."""
