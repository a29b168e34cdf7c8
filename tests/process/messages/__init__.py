"""Messages on real hosts: order, bounds, promises, and what is refused."""
