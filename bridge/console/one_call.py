"""One call: its page, made of the database, with its sound and its tape."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import trio
from markupsafe import Markup
from quart import Response, request

from bridge.console.app import HOME, Pages, Paths
from bridge.console.growing import is_live, live_url
from bridge.console.operator.acts import choices_of
from bridge.console.prepared import LINES, SOUND
from bridge.console.queries import one_call
from bridge.console.shelf import Shelf
from bridge.page.html import FOR_CHARTS, SCRIPTS, STYLES
from bridge.store.messages import Failed, PageWanted, Rows
from bridge.tapes.names import DONE_SUFFIX

NOT_FOUND, UNAVAILABLE, PART, NO_SUCH_PART = 404, 503, 206, 416
WAVE: Final = "audio/wav"
MOST_BYTES: Final = 2**20
"""Of sound in one answer: a minute; players ask for the next ones."""


def add_one_call(console: Paths, pages: Pages, shelf: Shelf) -> None:
    """Add the page of a call, its sound and its tape."""

    @console.get("/calls/<call_id>")
    async def call(call_id: str) -> Response:
        answer = await pages.indexer.read(one_call(call_id))
        if isinstance(answer, Failed):
            return await _unavailable(pages, call_id, answer)
        if answer.tables["call"]:
            return await _shown(pages, call_id, answer)
        if is_live(pages, call_id):
            return await _growing(pages, call_id)
        return await pages.page("absent.html", NOT_FOUND, call_id=call_id)

    @console.get("/calls/<call_id>/sound.wav")
    async def sound(call_id: str) -> Response:
        folder = await _ready(pages, shelf, call_id)
        return _absent() if folder is None else await _part_of(folder / SOUND)

    @console.get("/calls/<call_id>/lines.json")
    async def lines(call_id: str) -> Response:
        folder = await _ready(pages, shelf, call_id)
        if folder is None:
            return _absent()
        return Response(await trio.Path(folder / LINES).read_bytes(), content_type="application/json")

    @console.get("/calls/<call_id>/tape")
    async def tape(call_id: str) -> Response:
        path = await _tape_of(pages, shelf, call_id)
        if path is None or not await trio.Path(path).is_file():
            return _absent()
        response = Response(await trio.Path(path).read_bytes(), content_type="application/gzip")
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


def parts_of(page: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of a call's page is given of one."""
    scripts = [name for name in SCRIPTS if "waits-chart" in page["body"] or name != FOR_CHARTS]
    texts = {"title": page["title"], "body": Markup(page["body"]), "facts": Markup(page["data"])}
    return {**texts, "styles": STYLES, "scripts": scripts, "is_live": 'data-live="/' in page["body"]}


async def _unavailable(pages: Pages, call_id: str, failed: Failed) -> Response:
    return await pages.page("absent.html", UNAVAILABLE, call_id=call_id, fault=failed.text)


async def _tape_of(pages: Pages, shelf: Shelf, call_id: str) -> Path | None:
    """Return where the database says that a call's tape is."""
    answer = await pages.indexer.read(one_call(call_id))
    rows = answer.tables["call"] if isinstance(answer, Rows) else []
    return shelf.data / rows[0]["tape"] if rows and rows[0]["tape"] else None


async def _ready(pages: Pages, shelf: Shelf, call_id: str) -> Path | None:
    tape = await _tape_of(pages, shelf, call_id)
    return None if tape is None else await shelf.of(call_id, tape)


# ---------------------------------------------------------------- sound, by range


async def _part_of(path: Path) -> Response:
    """Return a file, or as much of the part that was asked for as one answer may have."""
    try:
        size = (await trio.Path(path).stat()).st_size
    except OSError:
        return _absent()
    asked = request.range
    if asked is None:
        return Response(await trio.Path(path).read_bytes(), content_type=WAVE)
    first, behind = asked.ranges[0]
    first = max(size + first, 0) if first < 0 else first
    if first >= size:
        return Response("", NO_SUCH_PART, headers={"Content-Range": f"bytes */{size}"})
    last = min(size if behind is None else behind, first + MOST_BYTES, size) - 1
    data = await trio.to_thread.run_sync(_read, path, first, last + 1 - first)
    return Response(data, PART, headers={"Content-Range": f"bytes {first}-{last}/{size}"}, content_type=WAVE)


def _read(path: Path, first: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(first)
        return file.read(count)


def _absent() -> Response:
    return Response("", NOT_FOUND)
