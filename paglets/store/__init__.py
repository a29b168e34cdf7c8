"""The host's durable memory: one SQLite file and a spool of large bodies."""
