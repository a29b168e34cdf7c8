"""One host: its composition, start order and HTTP API."""
