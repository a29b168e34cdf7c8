"""The same work on other actor systems, for comparison: `python -m benchmarks.peers`."""
