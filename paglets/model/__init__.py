"""Words of the system: names, enums, errors, messages, records.

Pure values: no I/O, no loop, no network. Every other part imports these; this part imports none
of the others.
"""
