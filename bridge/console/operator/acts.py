"""What is done about a call that goes on: asked of its heart in the operator's name, and answered to their page."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from quart import Response, g, request

from bridge.calls.host import AnyCall
from bridge.console.app import HOME, Pages, Paths
from bridge.heart.wishes import InstructionWhispered, TransferAsked, Wish

SEE_OTHER, WRONG, NOT_FOUND, REFUSED = 303, 400, 404, 409
OPERATOR: Final = "operator"
MOST_WHISPERED: Final = 1000
"""Characters: what is said to an agent in a call is a sentence or two; a longer text belongs into its instructions."""

MOST_SUMMARY: Final = 500
PLAIN: Final = "text/plain; charset=utf-8"
"""What a page's own script asks for, and is answered with."""

log = structlog.get_logger(__name__)


def add_acts(console: Paths, pages: Pages) -> None:
    """Add what may be done about a call that goes on, but for hearing it."""

    @console.post("/calls/<call_id>/hang-up")
    async def hang_up(call_id: str) -> Response:
        call = call_of(pages, call_id)
        if call is None:
            return await absent(pages, call_id)
        log.info("call is ended from the console", call_id=call_id, who=g.visitor.who)
        call.stop(OPERATOR, f"hung up in the console by {g.visitor.who}")
        return await _answer(pages, call_id, "")

    @console.post("/calls/<call_id>/whisper")
    async def whisper(call_id: str) -> Response:
        form = await request.form
        text = " ".join(form.get("text", "").split())
        if not 0 < len(text) <= MOST_WHISPERED:
            return Response(f"text: use 1 to {MOST_WHISPERED} characters.\n", WRONG, content_type=PLAIN)
        return await _wish(pages, call_id, InstructionWhispered(g.visitor.who, text, bool(form.get("now"))))

    @console.post("/calls/<call_id>/transfer")
    async def transfer(call_id: str) -> Response:
        form = await request.form
        summary = " ".join(form.get("summary", "").split())[:MOST_SUMMARY]
        return await _wish(pages, call_id, TransferAsked(g.visitor.who, form.get("place", ""), summary))


async def _wish(pages: Pages, call_id: str, wish: Wish) -> Response:
    """Ask the heart of a call, and answer what it has said."""
    call = call_of(pages, call_id)
    if call is None:
        return await absent(pages, call_id)
    refusal = await call.wish(wish)
    log.info("asked of a call", call_id=call_id, who=wish.who, wish=type(wish).__name__, refusal=refusal)
    return await _answer(pages, call_id, refusal)


async def _answer(pages: Pages, call_id: str, refusal: str) -> Response:
    """Answer a page's script with a sentence, and a form without one with the page from which it came."""
    if _is_script():
        return Response(refusal or "Done.", REFUSED if refusal else 200, content_type=PLAIN)
    if refusal:
        return await pages.page("absent.html", REFUSED, call_id=call_id, fault=f"Not done: {refusal}.")
    return Response("", SEE_OTHER, headers={"Location": _where_from(call_id)})


async def absent(pages: Pages, call_id: str) -> Response:
    """Answer that no such call goes on."""
    if _is_script():
        return Response("No such call goes on.", NOT_FOUND, content_type=PLAIN)
    return await pages.page("absent.html", NOT_FOUND, call_id=call_id)


def _is_script() -> bool:
    return request.headers.get("Accept", "") == "text/plain"


def call_of(pages: Pages, call_id: str) -> AnyCall | None:
    """Return the call that goes on under this id."""
    calls = pages.snapshot.switchboard.calls
    return next((call for call in calls if call.call_id == call_id and call.end is None), None)


def choices_of(pages: Pages, call_id: str) -> Mapping[str, Any]:
    """Return what a page offers to do about a call: where its caller may be put, and whether it may be heard."""
    call = call_of(pages, call_id)
    if call is None:
        return {"places": [], "may_listen": False}
    places = [(name, place.description) for name, place in call.agent.transfer.items()]
    return {"places": places, "may_listen": call.agent.listen_in, "agent": call.agent.name}


def _where_from(call_id: str) -> str:
    """Return the page on which somebody did it: the call's own, or the list."""
    own = f"{HOME}/{call_id}"
    return own if urlsplit(request.referrer or "").path == own else HOME
