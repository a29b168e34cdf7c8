"""`context.storage`: a paglet's files, those that travel with it and those that stay."""

from pathlib import Path

from paglets.agent.port import PagletCore
from paglets.model.enums import FileMode, require_enum


class Storage:
    """Folders of one paglet on its present host."""

    def __init__(self, core: PagletCore) -> None:
        self._core = core

    def work_dir(self) -> Path:
        """Return the paglet's own folder on this host.

        Files that travelled are in it before `on_arrival`. It is removed here once the paglet
        lives elsewhere.
        """
        return self._core.work_dir()

    def persistent(self) -> Path:
        """Return the folder that stays with this host when the paglet leaves.

        When it comes back it finds it again.

        Raises:
            StorageFullError: It holds more than the host's quota; remove something first.
        """
        return self._core.persistent_dir()

    def register_file(self, path: Path | str, mode: FileMode = FileMode.COPY) -> None:
        """Let a file travel with the next move; it arrives in `work_dir()` under its name.

        The registration is for one move, and ends with the process: register the file again at
        the target to take it further, and in `on_activation` after a sleep.

        Args:
            path: An existing file; a relative path is in `work_dir()`.
            mode: `MOVE` deletes the original once the target has accepted.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: Another registered file has the same name.
        """
        self._core.register_file(Path(path), require_enum(mode, FileMode, "mode"))
