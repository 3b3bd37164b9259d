"""The record of a comparison's calls, `runs.json`: written after every call, so that a run can be taken up again.

It keeps what was in force for each variant and who called; a call is only kept while neither has changed.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from attrs import define, field

from bridge import __version__
from bridge.errors import BridgeError
from replay.compare.types import Run

NAME: Final = "runs.json"
FORMAT: Final = 1
Key: TypeAlias = tuple[str, str, int]


class ManifestError(BridgeError):
    """A folder of runs can't be used."""


class Row(msgspec.Struct, kw_only=True):
    """One call as it stands in the file; `tape` is relative to the folder, `report` the phone's view of it."""

    variant: str
    caller: str
    repeat: int
    call_sid: str
    tape: str
    error: str | None = None
    report: dict[str, Any] = {}

    @property
    def key(self) -> Key:
        """Return which call this is."""
        return self.variant, self.caller, self.repeat


class Content(msgspec.Struct, kw_only=True):
    """Everything in the file."""

    runs_format: int = FORMAT
    bridge: str = __version__
    variants: dict[str, Any] = {}
    callers: dict[str, Any] = {}
    lateness: dict[str, Any] = {}
    runs: list[Row] = []


@define
class Manifest:
    """The calls under a folder, made and kept."""

    folder: Path
    _content: Content
    _rows: dict[Key, Row] = field(factory=dict)

    def has(self, key: Key) -> bool:
        """Say whether this call was made before, and can be judged."""
        return key in self._rows

    def add(self, row: Row) -> Run:
        """Take in a call that was made."""
        self._rows[row.key] = row
        return _run(self.folder, row)

    def note_lateness(self, lateness: Mapping[str, Any]) -> None:
        """Keep how late this machine was itself while it made the calls."""
        self._content.lateness = dict(lateness)

    @property
    def runs(self) -> list[Run]:
        """Return all calls, by variant, caller and repeat."""
        return [_run(self.folder, self._rows[key]) for key in sorted(self._rows)]

    def save(self) -> None:
        """Write the file, at no moment half. Raises `ManifestError`."""
        self._content.runs = [self._rows[key] for key in sorted(self._rows)]
        data = msgspec.json.format(msgspec.json.encode(self._content), indent=1)
        path = self.folder / NAME
        try:
            part = path.with_suffix(".part")
            part.write_bytes(data)
            os.replace(part, path)
        except OSError as error:
            raise ManifestError(f"{path}: can't be written: {error.strerror or error}") from None


def open_manifest(folder: Path, variants: Mapping[str, Any], callers: Mapping[str, Any]) -> Manifest:
    """Return the record of a folder that is taken up again, or begun. Raises `ManifestError`.

    Calls of other settings, of another caller or another version of the bridge are forgotten, and so are those that
    failed or whose tape is gone; their tapes stay where they are.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ManifestError(f"{folder}: can't be made: {error.strerror or error}") from None
    now = Content(variants=_as_json(variants), callers=_as_json(callers))
    manifest = Manifest(folder, now)
    if (folder / NAME).exists():
        before = _read(folder)
        for row in before.runs:
            if _is_still_good(row, before, now, folder):
                manifest.add(row)
    return manifest


def read_runs(folder: Path) -> list[Run]:
    """Return the calls that a folder records. Raises `ManifestError`."""
    return [_run(folder, row) for row in sorted(_read(folder).runs, key=lambda row: row.key)]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return everything a folder records, as plain JSON values. Raises `ManifestError`."""
    plain: dict[str, Any] = msgspec.to_builtins(_read(folder))
    return plain


def _is_still_good(row: Row, before: Content, now: Content, folder: Path) -> bool:
    return (
        row.error is None
        and before.bridge == now.bridge
        and row.variant in now.variants
        and row.caller in now.callers
        and before.variants.get(row.variant) == now.variants[row.variant]
        and before.callers.get(row.caller) == now.callers[row.caller]
        and (folder / row.tape).is_file()
    )


def _read(folder: Path) -> Content:
    path = folder / NAME
    try:
        content = msgspec.json.decode(path.read_bytes(), type=Content)
    except OSError as error:
        raise ManifestError(f"{path}: can't be read: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ManifestError(f"{path}: no record of runs ({error}); use another folder") from None
    if content.runs_format != FORMAT:
        raise ManifestError(f"{path}: of format {content.runs_format}; this version reads format {FORMAT}")
    return content


def _run(folder: Path, row: Row) -> Run:
    return Run(row.variant, row.caller, row.repeat, folder / row.tape, row.error)


def _as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as it comes back from a file, so that two can be compared."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return plain
