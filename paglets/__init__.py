"""Mobile Python objects for a mesh of machines."""

from paglets._version import __version__

__all__ = ["__version__"]
