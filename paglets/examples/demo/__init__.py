"""`paglets demo`: a story on three local hosts in which every claim is checked.

explorer.py is the paglet, narrator.py prints, story.py tells it chapter by chapter on the hosts of
`paglets.testing.LocalMesh`. `make demo` is the same from a bare checkout.
"""
