"""The mesh benchmark: what movement and messages cost between each two hosts.

A traveller (agents.py) goes every way from host to host; stations at its two ends take the times.
walk.py says in which order and sums up; running.py starts it from outside any paglet.
"""
