"""The program inside a Paglet Process."""
