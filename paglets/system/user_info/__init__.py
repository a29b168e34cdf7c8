"""`user-info`: notifications and streams for people, kept on their host until they are read."""
