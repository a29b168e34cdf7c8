"""The HTTP API of a host, one file a resource."""
