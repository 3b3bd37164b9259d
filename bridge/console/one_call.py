"""One call: what was said in it, as the database has it; whoever comes for one that goes on is told so."""

from quart import Blueprint, Response

from bridge.console.app import Pages
from bridge.console.queries import one_call
from bridge.store.messages import Failed

NOT_FOUND, UNAVAILABLE = 404, 503


def add_one_call(console: Blueprint, pages: Pages) -> None:
    """Add the page of a call."""

    @console.get("/calls/<call_id>")
    async def call(call_id: str) -> Response:
        answer = await pages.indexer.read(one_call(call_id))
        if isinstance(answer, Failed):
            return await pages.page("absent.html", UNAVAILABLE, call_id=call_id, fault=answer.text)
        if answer.tables["call"]:
            return await pages.page(
                "call.html",
                call=answer.tables["call"][0],
                transcript=answer.tables["transcript"],
                tool_calls=answer.tables["tool_calls"],
            )
        is_live = any(live.call_id == call_id for live in pages.snapshot.switchboard.calls)
        return await pages.page(
            "absent.html", 200 if is_live else NOT_FOUND, call_id=call_id, is_live=is_live
        )
