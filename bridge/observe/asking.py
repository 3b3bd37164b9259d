"""`POST /calls` and `GET /calls/ID` of the admin address: have a call made, and see what came of it.

Whoever may look at the daemon may not yet have it call people: for that the token is needed, from this machine too.
"""

from http import HTTPStatus
from typing import Any, Final

from attrs import asdict
from quart import Response, request
from quart_trio import QuartTrio

from bridge.errors import OutboundError
from bridge.outbound.dialer import Dialer
from bridge.outbound.permission import Wish

MOST_BODY_BYTES: Final = 256 * 2**10
STATUSES: Final = {
    "request": HTTPStatus.BAD_REQUEST, "agent": HTTPStatus.NOT_FOUND, "draining": HTTPStatus.SERVICE_UNAVAILABLE,
    "no_room": HTTPStatus.SERVICE_UNAVAILABLE, "calls_at_once": HTTPStatus.TOO_MANY_REQUESTS,
    "calls_per_hour": HTTPStatus.TOO_MANY_REQUESTS, "same_number": HTTPStatus.CONFLICT,
}  # fmt: skip
"""What is refused otherwise is forbidden: by a list, a limit or the hour."""

Json = tuple[dict[str, Any], int]


def is_asking(method: str, path: bytes) -> bool:
    """Say whether a request is about making calls."""
    is_post = method == "POST" and path == b"/calls"
    return is_post or (method == "GET" and path.startswith(b"/calls/out-") and path[11:].isalnum())


def add_asking(app: QuartTrio, dialer: Dialer) -> None:
    """Let whoever was let in ask for calls."""
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES

    @app.post("/calls")
    async def make_call() -> Json:
        body = bytes(await request.get_data(cache=False, as_text=False))  # type: ignore[arg-type]  # bytes, so asked
        try:
            state = await dialer.ask(Wish.read(body))
        except OutboundError as error:
            return refused(error.reason, str(error)), STATUSES.get(error.reason, HTTPStatus.FORBIDDEN)
        return asdict(state), HTTPStatus.CREATED

    @app.get("/calls/<call_id>")
    async def see_call(call_id: str) -> Json | Response:
        state = dialer.state(call_id)
        return (asdict(state), 200) if state is not None else Response("", status=404)


def refused(reason: str, why: str) -> dict[str, str]:
    """Return a refusal for machines."""
    return {"refused": reason, "why": why}
