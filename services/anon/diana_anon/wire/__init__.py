"""Between protobuf and anon's own words: one module a service."""
