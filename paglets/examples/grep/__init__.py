"""Search the files of many hosts where they are: the pattern travels, only what matches comes back.

agent.py clones searchers over the mesh; globs.py says which files, searching.py looks into them,
within what the host's owner lets be read; running.py streams what is found to who asked.
"""
