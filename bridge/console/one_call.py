"""One call: its page, made of the database, with its sound and its tape."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import trio
from markupsafe import Markup
from quart import Response, request

from bridge.console.app import HOME, Pages, Paths
from bridge.console.growing import is_live, live_url
from bridge.console.operator.acts import choices_of
from bridge.console.queries import one_call
from bridge.console.ready.prepared import LINES, SOUND
from bridge.console.ready.shelf import Prepared, Shelf
from bridge.errors import ObjectError
from bridge.objects.bucket import read
from bridge.objects.names import as_path, is_object
from bridge.page.html import FOR_CHARTS, SCRIPTS, STYLES
from bridge.store.messages import Failed, PageWanted, Rows
from bridge.tapes.names import DONE_SUFFIX
from bridge.uploads.stub import lying

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
            await _prepared(shelf, answer)  # meanwhile: whoever looks at a call wants to hear it
            return await _shown(pages, call_id, answer)
        if is_live(pages, call_id):
            return await _growing(pages, call_id)
        return await pages.page("absent.html", NOT_FOUND, call_id=call_id)

    @console.get("/calls/<call_id>/sound.wav")
    async def sound(call_id: str) -> Response:
        prepared = await _prepared(shelf, await pages.indexer.read(one_call(call_id)))
        return _absent() if prepared is None else await _part_of(prepared)

    @console.get("/calls/<call_id>/lines.json")
    async def lines(call_id: str) -> Response:
        prepared = await _prepared(shelf, await pages.indexer.read(one_call(call_id)))
        if prepared is None or not await prepared.has_lines():
            return _absent()
        return Response(
            await trio.Path(prepared.folder / LINES).read_bytes(), content_type="application/json"
        )

    @console.get("/calls/<call_id>/tape")
    async def tape(call_id: str) -> Response:
        path = _tape_of(shelf, await pages.indexer.read(one_call(call_id)))
        data = await trio.to_thread.run_sync(_bytes_of, path, abandon_on_cancel=True)
        if data is None:
            return _absent()
        response = Response(data, content_type="application/gzip")
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
    texts = {"title": page["title"], "body": Markup(page["body"]), "facts": Markup(page["data"])}
    scripts = {"scripts": [name for name in SCRIPTS if name != FOR_CHARTS], "for_charts": FOR_CHARTS}
    return {**texts, **scripts, "styles": STYLES, "is_live": 'data-live="/' in page["body"]}


async def _unavailable(pages: Pages, call_id: str, failed: Failed) -> Response:
    return await pages.page("absent.html", UNAVAILABLE, call_id=call_id, fault=failed.text)


def _tape_of(shelf: Shelf, answer: Rows | Failed) -> Path | None:
    """Return where the database says that a call's tape is."""
    rows = answer.tables["call"] if isinstance(answer, Rows) else []
    named = rows[0]["tape"] if rows else ""
    if not named:
        return None
    return as_path(named) if is_object(named) else shelf.data / named


def _bytes_of(tape: Path | None) -> bytes | None:
    """Return a tape as it lies here or in storage; None where it can't be had."""
    if tape is None:
        return None
    with suppress(OSError, ObjectError):
        found = lying(tape)
        return read(found) if is_object(found) else found.read_bytes()
    return None


async def _prepared(shelf: Shelf, answer: Rows | Failed) -> Prepared | None:
    """Return what is prepared of a call, or is from now on."""
    tape = _tape_of(shelf, answer)
    if tape is None or not isinstance(answer, Rows):
        return None
    call = answer.tables["call"][0]
    return await shelf.of(call["call_id"], tape, call["duration_ms"] or 0)


# ---------------------------------------------------------------- sound, by range


async def _part_of(prepared: Prepared) -> Response:
    """Return a call's sound, or as much of the part that was asked for as is there and one answer may have."""
    if request.range is None:
        data, size = await prepared.sound(0, 0)
        return Response(data, content_type=WAVE) if size else _absent()
    first, behind = request.range.ranges[0]
    if first < 0:  # from its end
        first = max((await prepared.sound(0, 1))[1] + first, 0)
    most = MOST_BYTES if behind is None else min(behind - first, MOST_BYTES)
    data, size = await prepared.sound(first, most)
    if not size:
        return _absent()
    if first >= size:
        return Response("", NO_SUCH_PART, headers={"Content-Range": f"bytes */{size}"})
    told = {"Content-Range": f"bytes {first}-{first + len(data) - 1}/{size}"}
    return Response(data, PART, headers=told, content_type=WAVE)


def _absent() -> Response:
    return Response("", NOT_FOUND)
