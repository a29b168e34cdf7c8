"""Paglets that show what mobility is for."""
