"""The paglets of one host: life cycle, mailboxes, delivery, moves."""
