"""Which environment variables a Paglet Process sees: an allow-list, never the host's secrets.

A host's environment holds what its owner put there for the host: keys, tokens of the shell it was
started from, credentials of CI. A paglet's class may come from anyone whom the owner allowed, so it
gets what Python and the C library need, and what the owner named.
"""

from collections.abc import Iterable, Mapping

from paglets.model.errors import InvalidRequestError

ALLOWED_NAMES = frozenset(
    {
        "HOME",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "LOGNAME",
        "PAGLETS_BENCHMARK_LOCK",
        "PATH",
        "SHELL",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
    }
)
"""Variables that children see without being asked for."""

ALLOWED_PREFIXES = ("LC_", "PYTHON")
"""Variables starting so are seen too."""

SECRET_NAMES = frozenset({"PAGLETS_KEY", "PAGLETS_KEY_FILE", "PAGLETS_TOKEN"})
"""Variables that no child ever sees, whoever asks."""


def child_environment(
    source: Mapping[str, str],
    *,
    owner_names: Iterable[str] = (),
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment for the forkserver and so for every Paglet Process.

    Args:
        source: The host's own environment.
        owner_names: Further variables that the host's owner lists, passed on where they are set.
        extra: Variables made by the host, such as `PYTHONPATH` with the agents folders. They win.

    Raises:
        InvalidRequestError: `owner_names` or `extra` name one of `SECRET_NAMES`.
    """
    listed = frozenset(owner_names)
    added = dict(extra or {})
    secrets = sorted((listed | added.keys()) & SECRET_NAMES)
    if secrets:
        raise InvalidRequestError(
            f"{', '.join(secrets)} cannot be passed to paglets: it is the host's own secret"
        )
    chosen = {
        name: value
        for name, value in source.items()
        if (name in ALLOWED_NAMES or name in listed or name.startswith(ALLOWED_PREFIXES))
        and name not in SECRET_NAMES
    }
    return chosen | added
