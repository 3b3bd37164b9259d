"""What people think of a call: a mark, a label, a note. It stands behind the end of the call's tape."""

from datetime import UTC, datetime
from typing import Final

from quart import Response, g, request

from bridge.console.app import HOME, Pages, Paths
from bridge.store.messages import Failed, KeepMark, Told
from bridge.tapes.late import Mark

GIVEN: Final = ("", "good", "bad")
SEE_OTHER, WRONG, UNAVAILABLE = 303, 400, 503
TAPELESS: Final = "Its tape is gone, or not complete yet: nothing can be kept with it."


def add_marks(console: Paths, pages: Pages) -> None:
    """Let people mark calls."""

    @console.post("/calls/<call_id>/mark")
    async def mark(call_id: str) -> Response:
        form = await request.form
        given = Mark(
            call_id, g.visitor.who, datetime.now(UTC), form.get("mark", ""), form.get("label", "").strip(),
            form.get("note", "").strip(),
        )  # fmt: skip
        if given.mark not in GIVEN:
            return Response("A mark is good, bad, or none.\n", WRONG)
        reply = await pages.indexer.ask(KeepMark(given))
        if isinstance(reply, Told) and reply.path is not None:
            return Response("", SEE_OTHER, headers={"Location": f"{HOME}/{call_id}"})
        fault = reply.text if isinstance(reply, Failed) else TAPELESS
        return await pages.page("absent.html", UNAVAILABLE, call_id=call_id, fault=fault)
