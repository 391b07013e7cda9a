"""The archive and the index, reached through their clients."""
