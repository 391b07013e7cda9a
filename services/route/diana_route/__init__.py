"""The service that moves things by rules: from folders, stores and queries, each step durable."""
