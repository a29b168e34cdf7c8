"""What is timed: pure functions of the standard library, and the program that runs them.

Each kernel does a small batch of work and returns how much it did, in the unit its docstring
names; `rates.py` turns batches into rates. They know nothing of paglets.
"""
