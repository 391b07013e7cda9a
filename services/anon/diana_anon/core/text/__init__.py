"""Free text without identifiers: what is sought (`identifiers`), what has their form (`patterns`), the `cleaner`."""
