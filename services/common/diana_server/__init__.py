"""The server bootstrap of every service: configuration, errors, health, metrics, operations, graceful stop."""
