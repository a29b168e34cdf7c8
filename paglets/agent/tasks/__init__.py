"""Tasks: work that takes longer than a message, with progress, a typed result, and an end."""
