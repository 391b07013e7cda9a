"""Other people's systems: folders of files, the metrics and the log."""
