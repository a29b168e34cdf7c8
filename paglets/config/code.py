"""The code version of a host: what its paglets run on, as one short text that can be compared.

`paglets-0.1.0;my_agents=91ab03cd;tour=4f2c9e11`: the distribution's version and a digest for each
allowed package or module. Two hosts with different text never exchange paglets.
"""

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from paglets._version import __version__

_DIGITS = 8
_MOST_PARTS = 8
"""More allowed packages than this are folded into one digest, to keep the text short."""


def code_version(agents: Iterable[Path], allow: Iterable[str]) -> str:
    """Return the code version of a host with these agents folders and allowed packages.

    Reads files and imports nothing but the parents of dotted names' specs.
    """
    parts: dict[str, str] = {}
    for folder in agents:
        for name in top_level_modules(folder):
            parts[name] = _digest(_files_of(folder, name))
    for prefix in allow:
        root = prefix.partition(".")[0]
        parts.setdefault(root, _digest(_installed_files(root)))
    listed = [f"{name}={digest}" for name, digest in sorted(parts.items())]
    if len(listed) > _MOST_PARTS:
        whole = hashlib.sha256(";".join(listed).encode()).hexdigest()[:_DIGITS]
        listed = [f"{len(listed)}-packages={whole}"]
    return ";".join([f"paglets-{__version__}", *listed])


def top_level_modules(folder: Path) -> list[str]:
    """Return the names of modules and packages directly in an agents folder, sorted.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"agents folder {folder} does not exist")
    found = {path.stem for path in folder.glob("*.py") if path.stem.isidentifier()}
    found |= {
        path.name
        for path in folder.iterdir()
        if path.is_dir() and path.name.isidentifier() and any(path.glob("*.py"))
    }
    return sorted(found)


def explain_difference(here: str, there: str, *, host: str) -> str:
    """Return a sentence that names how two code versions differ.

    Args:
        here: This host's.
        there: The other's.
        host: The other's name.
    """
    if not (_is_listed(here) and _is_listed(there)):
        return f"{host} has other code: {here or 'none'} here, {there or 'none'} there"
    mine, other = _parts(here), _parts(there)
    differences = []
    for name in sorted(mine.keys() | other.keys()):
        left, right = mine.get(name), other.get(name)
        if left != right:
            differences.append(f"{name} ({left or 'absent'} here, {right or 'absent'} there)")
    return f"{host} has other code: {', '.join(differences) or 'no difference'}"


def _is_listed(version: str) -> bool:
    """Return whether a version lists its parts; one given by `--mesh-version` does not."""
    return version.startswith("paglets-")


def _parts(version: str) -> dict[str, str]:
    parts = {}
    for entry in version.split(";"):
        name, _, digest = entry.partition("=")
        if not digest:
            name, _, digest = entry.partition("-")
        parts[name] = digest
    return parts


def _files_of(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    module = folder / f"{name}.py"
    if module.is_file():
        yield module.name, module
    package = folder / name
    if package.is_dir():
        for path in sorted(package.rglob("*.py")):
            yield str(path.relative_to(folder)), path


def _installed_files(root: str) -> Iterator[tuple[str, Path]]:
    spec = importlib.util.find_spec(root)
    if spec is None:
        return
    for location in spec.submodule_search_locations or ():
        base = Path(location)
        for path in sorted(base.rglob("*.py")):
            yield str(path.relative_to(base.parent)), path
    if not spec.submodule_search_locations and spec.origin:
        path = Path(spec.origin)
        if path.is_file():
            yield path.name, path


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(name.encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_DIGITS]
