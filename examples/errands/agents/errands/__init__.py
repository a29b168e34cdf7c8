"""Paglets that run errands."""
