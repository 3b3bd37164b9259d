"""The list of calls as a file, narrowed as it is on the page: CSV for sheets, Parquet for whoever computes."""

import os
import shutil
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Final

import trio
from quart import Response, request

from bridge.console.app import Pages, Paths
from bridge.console.filters import read_filters
from bridge.console.queries import exported
from bridge.store.messages import Failed, Question
from bridge.tapes.names import READY

SECONDS: Final = 8.0
BLOCK: Final = 2**18
KINDS: Final = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
NOT_FOUND, UNAVAILABLE = 404, 503


def add_exports(console: Paths, pages: Pages, data: Path) -> None:
    """Add the files."""

    @console.get("/calls.csv")
    async def as_csv() -> Response:
        return await _file(pages, data, "csv")

    @console.get("/calls.parquet")
    async def as_parquet() -> Response:
        return await _file(pages, data, "parquet")


async def clear_ready(data: Path) -> None:
    """Remove what an earlier run has left: an export, or sound that an older version had made of tapes."""
    await trio.to_thread.run_sync(partial(shutil.rmtree, data / READY, ignore_errors=True))


async def _file(pages: Pages, data: Path, kind: str) -> Response:
    filters, _ = read_filters(request.args)
    path = trio.Path(data) / READY / f"export-{token_hex(8)}.{kind}"
    await path.parent.mkdir(parents=True, exist_ok=True)
    question = Question({"calls": exported(filters, is_for_sheets=kind == "csv")}, SECONDS, str(path))
    answer = await pages.indexer.read(question)
    if isinstance(answer, Failed):
        await path.unlink(missing_ok=True)
        return Response(f"{answer.text}\n", UNAVAILABLE)
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return Response("No call yet.\n", NOT_FOUND)
    finally:
        await path.unlink(missing_ok=True)
    response = Response(_blocks(file), content_type=KINDS[kind])
    response.timeout = None  # as long as it takes
    response.headers["Content-Disposition"] = f'attachment; filename="calls.{kind}"'
    return response


async def _blocks(file: int) -> AsyncGenerator[bytes, None]:
    """Yield an open file, which has no name any more, and close it."""
    try:
        while block := await trio.to_thread.run_sync(os.read, file, BLOCK):
            yield block
    finally:
        os.close(file)
