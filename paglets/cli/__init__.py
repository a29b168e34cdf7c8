"""The `paglets` command, one file a noun."""
