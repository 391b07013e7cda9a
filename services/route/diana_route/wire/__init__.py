"""Between protobuf and route's own words."""
