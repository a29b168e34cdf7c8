"""Tools for tests of paglets and meshes."""
