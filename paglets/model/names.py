"""Identifiers and the rules they follow: who may be called what.

Names come from people and from the network, and end up in file names, process titles, URLs and
logs; so every one is checked here, once, before it is used anywhere.
"""

import re
import secrets
import uuid

from paglets.model.errors import InvalidNameError

NAME_LIMIT = 64
"""Longest name or id, in characters."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CLASS_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_RANDOM_ID = re.compile(r"[0-9a-f]{32}")
CLASS_NAME_LIMIT = 256
"""Longest `module:QualName`, in characters."""


def new_id() -> str:
    """Return 32 random hex digits."""
    return uuid.uuid4().hex


def new_host_id() -> str:
    """Return 16 random hex digits: few hosts, and their ids stand in all that a mesh exchanges."""
    return secrets.token_hex(8)


def is_fixed_id(agent_id: str) -> bool:
    """Return whether an author chose this id, so that several hosts may have a paglet of it."""
    return _RANDOM_ID.fullmatch(agent_id) is None


def parse_name(text: str, *, what: str) -> str:
    """Return `text` if it is a valid name or id.

    Args:
        text: The candidate, from a person or the network.
        what: What it names, for the message: "host name", "agent id".

    Raises:
        InvalidNameError: It is empty, longer than 64 characters or has others than `A-Za-z0-9._-`.
    """
    if not _NAME.fullmatch(text):
        raise InvalidNameError(what, text)
    return text


def parse_class_name(text: str) -> str:
    """Return `text` if it reads `module:QualName`; nothing is imported.

    Raises:
        InvalidNameError: It has another shape, such as a dunder path or a file name.
    """
    if len(text) > CLASS_NAME_LIMIT or not _CLASS_NAME.fullmatch(text) or "__" in text:
        raise InvalidNameError("class name (module:QualName)", text)
    return text
