"""The client side of another host's API: signing, sessions, typed calls."""
