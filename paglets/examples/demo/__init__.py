"""`paglets demo`: a story on three local hosts in which every claim is checked.

explorer.py is the paglet, localhosts.py starts and kills hosts, narrator.py prints, story.py tells
it chapter by chapter. `make demo` is the same from a bare checkout.
"""
