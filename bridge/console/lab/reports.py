"""What the lab wrote: the pages of `replay compare`, `replay vad` and others in a folder, listed and shown.

Each was written by somebody with a shell on some machine, and is shown in a sandbox: it runs its own scripts, loads
nothing, and has no part in the console's session.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen
from quart import Response

from bridge.console.app import Paths

MOST_REPORTS: Final = 500
MOST_BYTES: Final = 64 * 2**20
NOT_FOUND: Final = 404
SANDBOX: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@frozen
class Report:
    """A page in the folder; its id is all that an address says of it, so that no address is a path."""

    report_id: str
    name: str
    written: datetime
    path: Path


def add_reports(console: Paths, folder: Callable[[], Path | None]) -> None:
    """Add each report of the folder that the configuration names at that moment."""

    @console.get("/lab/<report_id>")
    async def report(report_id: str) -> Response:
        found = await trio.to_thread.run_sync(reports_in, folder())
        path = next((one.path for one in found if one.report_id == report_id), None)
        data: Any = None if path is None else await trio.to_thread.run_sync(_read, path)
        if data is None:
            return Response("", NOT_FOUND)
        headers = {"Content-Security-Policy": SANDBOX}
        return Response(data, content_type="text/html; charset=utf-8", headers=headers)


def reports_in(folder: Path | None) -> list[Report]:
    """Return the pages in a folder and those below it, the latest first. Blocks."""
    if folder is None or not folder.is_dir():
        return []
    found = [path for path in folder.rglob("*.html") if path.is_file() and not path.is_symlink()]
    return sorted((_report(path, folder) for path in found), key=lambda one: one.written, reverse=True)[
        :MOST_REPORTS
    ]


def _report(path: Path, folder: Path) -> Report:
    name = path.relative_to(folder).as_posix()
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Report(id_of(name), name, written, path)


def id_of(name: str) -> str:
    """Return what stands for a file in addresses and forms."""
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
    except OSError:
        return None
