"""What Twilio asks and tells about calls that we make: `/voice/NAME/out/ID`, `…/status`, `…/amd`; all of it signed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from quart import Response
from quart_trio import QuartTrio

from bridge.wire.requests import ANSWERED, OUTGOING, Request

if TYPE_CHECKING:
    from bridge.outbound.dialer import Dialer

PATHS: Final = rb"/voice/[a-z0-9][a-z0-9_-]{0,62}/out/out-[0-9a-f]{32}(/status|/amd)?"
"""As they are sent."""


class Signed(Protocol):
    """What a request that Twilio signed says beyond doubt."""

    @property
    def url(self) -> str:
        """Return the address that was signed."""

    @property
    def form(self) -> Mapping[str, str]:
        """Return the form."""

    @property
    def query(self) -> Mapping[str, str]:
        """Return what of the query is ours."""


ReadSigned: TypeAlias = Callable[[], Awaitable[Signed | int]]
"""Reads the request that came, or gives a status to refuse it with."""


def add_outbound_routes(app: QuartTrio, dialer: "Dialer", read_signed: ReadSigned) -> None:
    """Let Twilio ask and tell about the calls of this dialer."""

    @app.post("/voice/<name>/out/<call_id>", defaults={"kind": ANSWERED})
    @app.post("/voice/<name>/out/<call_id>/<kind>")
    async def outgoing(name: str, call_id: str, kind: str) -> Response:
        signed = await read_signed()
        if isinstance(signed, int) or kind not in OUTGOING:
            return _plain(signed if isinstance(signed, int) else 404)
        asked = Request(kind, 0, signed.url, signed.form, signed.query.get("n", ""))
        answer = await dialer.answer(name, call_id, asked)
        return Response(answer, content_type="text/xml; charset=utf-8") if answer else _plain(204)


def _plain(status: int) -> Response:
    return Response("", status=status, content_type="text/plain")
