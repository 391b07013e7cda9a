"""Finds patients, studies, series and instances: answers derived from the archive's change feed."""
