"""The author's API from a user's view, on real hosts."""
