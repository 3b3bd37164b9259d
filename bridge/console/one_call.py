"""One call: its page, made of the database, with its sound and its tape."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from markupsafe import Markup
from quart import Response, request

from bridge.console.app import HOME, Pages, Paths
from bridge.console.growing import is_live, live_url
from bridge.console.operator.acts import call_of, choices_of
from bridge.console.queries import one_call
from bridge.errors import ObjectError
from bridge.objects.bucket import read
from bridge.objects.names import is_object
from bridge.page.hearing import written_ns
from bridge.page.html import FOR_CHARTS, SCRIPTS, STYLES
from bridge.store.messages import Failed, LinesWanted, PageWanted, Rows, SoundWanted
from bridge.tapes.lines import MOST_MS
from bridge.tapes.names import DONE_SUFFIX
from bridge.tapes.reader import path_on_disk
from bridge.uploads.stub import located

NOT_FOUND, UNAVAILABLE, PART, NO_SUCH_PART, NOT_YET = 404, 503, 206, 416, 202
WAVE: Final = "audio/wav"
FRESH_NS: Final = 60 * 10**9
"""So long after its last line a call that is not in the database is still expected there."""

SOUND, LINES = "sound.wav", "lines.json"
MOST_BYTES: Final = 2**18
"""Of sound in one answer: sixteen seconds, which are read in 30 ms; players ask for the next ones."""


def add_one_call(console: Paths, pages: Pages, data: Path) -> None:
    """Add the page of a call, its sound and its tape."""

    @console.get("/calls/<call_id>")
    async def call(call_id: str) -> Response:
        answer = await pages.indexer.read(one_call(call_id))
        if isinstance(answer, Failed):
            return await _unavailable(pages, call_id, answer)
        if answer.tables["call"]:
            return await _shown(pages, call_id, answer)
        if call_of(pages, call_id) is not None:
            return await _growing(pages, call_id)
        if is_live(pages, call_id) or await trio.to_thread.run_sync(_is_fresh, data / "tapes", call_id):
            return await pages.page("absent.html", NOT_YET, call_id=call_id, is_ending=True)
        return await pages.page("absent.html", NOT_FOUND, call_id=call_id)

    @console.get("/calls/<call_id>/sound.wav")
    async def sound(call_id: str) -> Response:
        if request.range is None:
            return await _whole(pages, call_id)
        return await _part(pages, call_id, *request.range.ranges[0])

    @console.get("/calls/<call_id>/lines.json")
    async def lines(call_id: str) -> Response:
        at = request.args.get("at", 0, type=int)
        answer = await pages.indexer.read(LinesWanted(call_id, min(max(0, at), MOST_MS)))
        if isinstance(answer, Failed) or not answer.tables["lines"]:
            return _absent(answer)
        return Response(msgspec.json.encode(answer.tables["lines"][0]), content_type="application/json")

    @console.get("/calls/<call_id>/tape")
    async def tape(call_id: str) -> Response:
        answer = await pages.indexer.read(one_call(call_id))
        path = _tape_of(data, answer)
        content = await trio.to_thread.run_sync(_bytes_of, path, abandon_on_cancel=True)
        if content is None:
            return _absent(answer)
        response = Response(content, content_type="application/gzip")
        response.headers["Content-Disposition"] = f'attachment; filename="{call_id}{DONE_SUFFIX}"'
        return response


async def _shown(pages: Pages, call_id: str, answer: Rows) -> Response:
    """Return the page of a call that is in the database."""
    urls = {name: f"{HOME}/{call_id}/{name}" for name in (SOUND, LINES)}
    made = await pages.indexer.read(PageWanted(call_id, urls[SOUND], urls[LINES]))
    if isinstance(made, Failed):
        return await _unavailable(pages, call_id, made)
    (page,) = made.tables["page"]
    told: dict[str, Any] = {**answer.tables, "call": answer.tables["call"][0]}
    return await pages.page("whole_call.html", **told, **parts_of(page))


async def _growing(pages: Pages, call_id: str) -> Response:
    """Return the page of a call that goes on; until its tape is begun there is little to say."""
    made = await pages.indexer.read(PageWanted(call_id, live_url=live_url(call_id)))
    if isinstance(made, Failed):
        return await _unavailable(pages, call_id, made)
    if not made.tables["page"]:
        return await pages.page("absent.html", call_id=call_id, is_live=True)
    told: dict[str, Any] = {"call": {"call_id": call_id}, "choices": choices_of(pages, call_id)}
    return await pages.page("whole_call.html", **told, **parts_of(made.tables["page"][0]))


def _is_fresh(tapes: Path, call_id: str) -> bool:
    """Say whether there is a tape of a call that was written just now: its rows come in a moment."""
    path = path_on_disk(tapes, call_id)
    written = None if path is None else written_ns(path)
    return written is not None and time.time_ns() - written < FRESH_NS


def parts_of(page: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of a call's page is given of one."""
    texts = {"title": page["title"], "body": Markup(page["body"]), "facts": Markup(page["data"])}
    scripts = {"scripts": [name for name in SCRIPTS if name != FOR_CHARTS], "for_charts": FOR_CHARTS}
    return {**texts, **scripts, "styles": STYLES, "is_live": 'data-live="/' in page["body"]}


async def _unavailable(pages: Pages, call_id: str, failed: Failed) -> Response:
    return await pages.page("absent.html", UNAVAILABLE, call_id=call_id, fault=failed.text)


def _tape_of(data: Path, answer: Rows | Failed) -> Path | None:
    """Return where the database says that a call's tape is."""
    rows = answer.tables["call"] if isinstance(answer, Rows) else []
    return located(data, rows[0]["tape"]) if rows and rows[0]["tape"] else None


def _bytes_of(tape: Path | None) -> bytes | None:
    """Return a tape as it lies here or in storage; None where it can't be had."""
    with suppress(OSError, ObjectError):
        if tape is not None:
            return read(tape) if is_object(tape) else tape.read_bytes()
    return None


def _absent(answer: Rows | Failed) -> Response:
    return Response("", NOT_FOUND if isinstance(answer, Rows) else UNAVAILABLE)


# ---------------------------------------------------------------- sound, by range


async def _part(pages: Pages, call_id: str, first: int, behind: int | None) -> Response:
    """Return the part of a call's sound that was asked for, or as much of it as one answer may have."""
    if first < 0:  # from its end
        found = await pages.indexer.read(SoundWanted(call_id, 0, 0))
        first = max(_size_in(found) + first, 0)
    most = MOST_BYTES if behind is None else min(behind - first, MOST_BYTES)
    answer = await pages.indexer.read(SoundWanted(call_id, first, most))
    size = _size_in(answer)
    if isinstance(answer, Failed) or not size:
        return _absent(answer)
    if first >= size:
        return Response("", NO_SUCH_PART, headers={"Content-Range": f"bytes */{size}"})
    data = answer.tables["sound"][0]["data"]
    told = {"Content-Range": f"bytes {first}-{first + len(data) - 1}/{size}"}
    return Response(data, PART, headers=told, content_type=WAVE)


async def _whole(pages: Pages, call_id: str) -> Response:
    """Return all of a call's sound, read while it is sent."""
    answer = await pages.indexer.read(SoundWanted(call_id, 0, 0))
    size = _size_in(answer)
    if not size:
        return _absent(answer)
    response = Response(_parts(pages, call_id, size), content_type=WAVE)
    response.content_length, response.timeout = size, None  # as long as it takes
    return response


async def _parts(pages: Pages, call_id: str, size: int) -> AsyncGenerator[bytes, None]:
    """Yield the file of a call's sound, as far as it can be had."""
    for first in range(0, size, MOST_BYTES):
        answer = await pages.indexer.read(SoundWanted(call_id, first, MOST_BYTES))
        if isinstance(answer, Failed) or _size_in(answer) != size:
            return  # its tape is gone; what was told of the length says that it ends too soon
        yield answer.tables["sound"][0]["data"]


def _size_in(answer: Rows | Failed) -> int:
    """Return how many bytes the file of a call's sound has; 0 where there is none."""
    found = answer.tables["sound"] if isinstance(answer, Rows) else []
    return found[0]["size"] if found else 0
