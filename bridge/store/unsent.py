"""Which calls of a data folder the lake does not have as they are here: an empty file each, made before their rows.

A call is `new` (the lake can't have it), on its `way` (it may), or neither: it may have an older one. Blocks.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

NEW: Final = ".new"
WAY: Final = ".way"
FOLDER: Final = "unsent"


@frozen
class Taken:
    """A call that is being sent; what `is_new` need not be looked for in the lake."""

    call_id: str
    is_new: bool


@frozen
class Unsent:
    """The folder `unsent` in a data folder: no more files than calls, and no bytes in them."""

    folder: Path

    @classmethod
    def in_folder(cls, data: Path) -> "Unsent":
        """Return the one of a data folder; it need not be there."""
        return cls(data / FOLDER)

    def mark(self, call_ids: Iterable[str], *, are_new: bool) -> None:
        """Remember that these calls have to be sent. Raises `OSError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for call_id in call_ids:
            (self.folder / f"{call_id}{NEW if are_new else ''}").touch()
        self._sync()

    def count(self) -> int:
        """Return how many files wait."""
        return len(list(self._entries()))

    def oldest(self) -> float | None:
        """Return since when the first of them waits, as the system's clock had it; `None`: none does."""
        return min((entry.stat().st_mtime for entry in self._entries()), default=None)

    def take(self, most: int) -> list[Taken]:
        """Put the calls that wait longest on their way; what was there already comes first. Raises `OSError`."""
        waiting = sorted(self._entries(), key=lambda entry: (not entry.name.endswith(WAY), _since(entry)))
        taken = dict[str, bool]()
        for entry in waiting:
            call_id = entry.name.removesuffix(NEW).removesuffix(WAY)
            if call_id not in taken and len(taken) == most:
                continue
            is_new = entry.name.endswith(NEW)
            taken[call_id] = is_new and taken.get(call_id, True)
            with suppress(FileNotFoundError):  # erased in this moment
                os.replace(entry.path, self.folder / f"{call_id}{WAY}")
        if taken:
            self._sync()
        return [Taken(call_id, is_new) for call_id, is_new in taken.items()]

    def give_back(self, taken: Iterable[Taken]) -> None:
        """Have these wait again: nothing of them can have reached the lake."""
        for one in taken:
            with suppress(FileNotFoundError):
                os.replace(
                    self.folder / f"{one.call_id}{WAY}",
                    self.folder / f"{one.call_id}{NEW if one.is_new else ''}",
                )

    def done(self, taken: Iterable[Taken]) -> None:
        """Forget those that the lake has now; a call that was marked again meanwhile waits on."""
        for one in taken:
            (self.folder / f"{one.call_id}{WAY}").unlink(missing_ok=True)

    def drop(self, call_ids: Iterable[str]) -> None:
        """Forget these calls, whatever is the matter with them."""
        for call_id in call_ids:
            for suffix in ("", NEW, WAY):
                (self.folder / f"{call_id}{suffix}").unlink(missing_ok=True)

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            yield from entries

    def _sync(self) -> None:
        """Have the names outlive the power: DuckDB does the same with the rows."""
        if os.name == "nt":  # a folder can't be opened there
            return
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _since(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return 0.0
