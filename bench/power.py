"""A disk that forgets what was not synced when the power is cut: the worst that a file system may do.

Of a file only what it held at its last sync is left, of a folder only the names it had at its last sync.
"""

import os
import shutil
import threading
from pathlib import Path

from attrs import define, field

from bridge.tapes import files


@define(eq=False)
class Power:
    """Stands in for syncing, and knows what is safe of the tapes in a data folder. Its files are what was written."""

    data: Path
    _names: dict[Path, dict[str, int]] = field(factory=dict)
    """What is in each folder, by inode."""
    _contents: dict[int, bytes] = field(factory=dict)
    _held: dict[int, int] = field(factory=dict)
    """An open file for each inode, or else it could become another file's."""
    _lock: threading.Lock = field(factory=threading.Lock)

    def sync(self, path: Path) -> None:
        """Sync, and take note of what is safe now."""
        is_folder = path.is_dir()
        number = os.open(path, os.O_RDONLY)
        inode = os.fstat(number).st_ino
        names = {entry.name: entry.inode() for entry in os.scandir(path)} if is_folder else {}
        content = b"" if is_folder else path.read_bytes()
        files.sync(path)
        with self._lock:
            if inode in self._held:
                os.close(number)
            self._held.setdefault(inode, number)
            if is_folder:
                self._names[path] = names
            else:
                self._contents[inode] = content

    def cut(self, into: Path) -> None:
        """Put what a power cut would leave at this moment into another folder; a database looks after itself."""
        shutil.copytree(self.data, into, ignore=shutil.ignore_patterns("tapes"))
        with self._lock:
            if "tapes" in self._names.get(self.data, {}):
                self._leave(self.data / "tapes", into / "tapes")

    def _leave(self, folder: Path, into: Path) -> None:
        into.mkdir()
        for name, inode in self._names.get(folder, {}).items():
            if (folder / name).is_dir():
                self._leave(folder / name, into / name)
            else:
                (into / name).write_bytes(self._contents.get(inode, b""))

    def close(self) -> None:
        """Let go of the files."""
        while self._held:
            os.close(self._held.popitem()[1])
