"""Benchmarks: the figures of DESIGN.md §12, measured. Never run by the tests."""
