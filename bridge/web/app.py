"""The HTTP routes Twilio needs, as a Quart-Trio app. Every request is checked against our addresses and our tokens."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import structlog
import trio
from attrs import field, frozen
from quart import Response, request, websocket
from quart_trio import QuartTrio
from websockets.http11 import Request as UpgradeRequest
from werkzeug.exceptions import HTTPException

from bridge.calls.admission import Seldom
from bridge.calls.intake import Webhook
from bridge.calls.setup import CurrentSetup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.links.link import PhoneSocket
from bridge.web.fallback import PatientConnection, QuartLink
from bridge.web.outbound_routes import PATHS as OUTBOUND_PATHS
from bridge.web.outbound_routes import add_outbound_routes
from bridge.wire import signatures, twilio
from bridge.wire.requests import AWAY, NEXT, Request
from bridge.wire.signatures import SETTINGS, SIGNATURE, Proof, Signers, proof_of, signers_of
from bridge.wire.signed_form import CALL_SID, marks_of, query_of, read_form

if (
    TYPE_CHECKING
):  # what speaks HTTP to Twilio is loaded by the process that makes calls, not by those that carry them
    from bridge.outbound.dialer import Dialer

MOST_BODY_BYTES: Final = 64 * 2**10
"""A webhook is about one kilobyte; a CallToken makes it a few."""

MOST_FIELDS: Final = 200
ROUTES: Final = re.compile(
    rb"/healthz|/voice/[a-z0-9][a-z0-9_-]{0,62}(/next|/away/[0-9]{1,4}/[a-z]{1,9}|/failure/[a-z]{1,11}/[0-9]{1,2})?/?"
    rb"|/voice/ws/[a-z0-9][a-z0-9_-]{0,62}/?|" + OUTBOUND_PATHS
)
"""Every path there is, as it is sent: nothing that has to be decoded, joined or redirected first gets any further."""
MEDIA_PATH: Final = "/voice/ws/"
ServeLink = Callable[[PhoneSocket, str], Awaitable[None]]
log = structlog.get_logger(__name__)


@frozen
class Gate:
    """Who may come in: requests signed by Twilio with one of our tokens or shared keys, over an address of ours.

    Which of them was called, the signature says: what a request says of that itself is never read.

    `way` is what the paths of media sockets for this process end with.
    """

    current: CurrentSetup
    switchboard: Switchboard
    way: str = ""
    _seldom: Seldom = field(factory=Seldom)

    @property
    def settings(self) -> Settings:
        """Return what holds at this moment."""
        return self.current.setup.settings

    @property
    def secrets(self) -> Secrets:
        """Return what holds at this moment."""
        return self.current.setup.secrets

    @property
    def _is_open(self) -> bool:
        return not self.secrets.signing and self.settings.twilio.accept_unsigned_requests_from_anybody

    def address_called(self, target: str, form: list[tuple[str, str]], proof: Proof) -> str | None:
        """Return at which of our addresses Twilio made a request for this raw target; None when it is not Twilio's."""
        ours, signers = self.settings.server.addresses, signers_of(self.settings, self.secrets)
        called = [url for url in ours if signatures.request_is_signed(signers, url + target, form, proof)]
        return ours[0] if self._is_open else next(iter(called), None)

    def is_of_our_account(self, form: list[tuple[str, str]]) -> bool:
        """Say whether a request is of the account that the configuration names, if it names one."""
        ours = self.settings.twilio.account_sid
        return not ours or [value for name, value in form if name == "AccountSid"] == [ours]

    def complain(self, what: str, path: str) -> None:
        """Log that somebody was refused, once a second at most: whoever can knock could fill the log."""
        held = self._seldom.lets(trio.current_time())
        if held is not None:
            log.warning(what, path=path[:80], not_logged=held)

    def admits_upgrade(self, path: str, proof: Proof) -> bool:
        """Say whether a WebSocket upgrade for this raw path is Twilio's."""
        signers = signers_of(self.settings, self.secrets, upgrade=True)
        urls = [twilio.websocket_url(url) + path for url in self.settings.server.addresses]
        return self._is_open or any([signatures.upgrade_is_signed(signers, url, proof) for url in urls])  # noqa: C419

    def complain_of_proof(self, what: str, proof: Proof, path: str) -> None:
        """Log that something was refused for its signature; a key that nobody told us of is an operator's to mend."""
        keys = Signers((), self.secrets.shared_keys)
        unknown = proof.settings and not keys.know(proof)
        why = "signed with a shared key that is not configured" if unknown else "with a wrong signature"
        self.complain(f"{what} {why} refused", path)

    def agent_of(self, path: str) -> str | None:
        """Return the name of the agent whose media socket has this path."""
        name = path.removeprefix(MEDIA_PATH).rstrip("/")
        if not name.endswith(self.way):
            return None
        name = name.removesuffix(self.way)
        return name if self.switchboard.has_agent(name) else None

    def refuse_upgrade(self, upgrade: UpgradeRequest) -> int | None:
        """Return the status to refuse a media socket with, or None; the signature is checked before all else."""
        proof = proof_of(upgrade.headers.get_all(SIGNATURE), upgrade.headers.get_all(SETTINGS))
        if not self.admits_upgrade(upgrade.path, proof):
            self.complain_of_proof("media socket", proof, upgrade.path)
            return 403
        return None if self.agent_of(upgrade.path) else 404


def make_app(
    gate: Gate,
    switchboard: Switchboard,
    serve_link: ServeLink | None = None,
    dialer: "Dialer | None" = None,
) -> QuartTrio:
    """Return the app: a route for each thing that Twilio asks or tells, `/healthz`, and media sockets if they can be
    served here.
    """
    app = QuartTrio("bridge", static_folder=None)
    app.asgi_websocket_class = PatientConnection
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    _say_little(app)
    _add_webhooks(app, gate, switchboard)
    _add_excursions(app, gate, switchboard)
    if dialer is not None:
        add_outbound_routes(app, dialer, lambda: _signed(gate))
    _add_media_sockets(app, gate, switchboard, serve_link)
    _add_health(app, switchboard)
    return app


def _add_media_sockets(
    app: QuartTrio, gate: Gate, switchboard: Switchboard, serve_link: ServeLink | None
) -> None:
    """Take media sockets on connections that a proxy used before; without `serve_link` there are none here."""

    @app.websocket("/voice/ws/<name>")
    async def media(name: str) -> Response | None:
        proof = _proof_in(websocket)
        if not gate.admits_upgrade(_raw_target(websocket), proof):
            gate.complain_of_proof("media socket", proof, websocket.path)
            return _plain(403)
        if serve_link is None or not switchboard.has_agent(name):
            return _plain(404)
        await websocket.accept()
        socket = websocket._get_current_object()  # type: ignore[attr-defined]  # of werkzeug's LocalProxy
        await serve_link(QuartLink(socket), name)
        return None


def _add_health(app: QuartTrio, switchboard: Switchboard) -> None:
    """Answer a load balancer."""

    @app.get("/healthz")
    async def health() -> tuple[dict[str, str], int]:
        status, code = ("draining", 503) if switchboard.is_closing else ("ok", 200)
        return {"status": status}, code


def _add_webhooks(app: QuartTrio, gate: Gate, switchboard: Switchboard) -> None:
    """Let Twilio ask what shall be done with a call: now that it rings, and once its stream has ended."""

    @app.post("/voice/<name>", strict_slashes=False)
    async def webhook(name: str) -> Response:
        signed = await _signed(gate)
        if isinstance(signed, int):
            return _plain(signed)
        setup = gate.current.setup
        agent = setup.settings.agents.get(name)
        if agent is None:
            return _plain(404)
        url = f"{signed.address}/voice/{name}"
        hops = int(signed.query.get("hop", 0))
        asked = Webhook(setup, agent, signed.form, url, signed.marks, hops=hops)
        return _twiml(await switchboard.answer(asked))

    @app.post("/voice/<name>/next", strict_slashes=False)
    async def next_step(name: str) -> Response:
        signed = await _signed(gate)
        if isinstance(signed, int):
            return _plain(signed)
        leg, turn = int(signed.query.get("leg", 1)), int(signed.query.get("turn", 1))
        asked = Request(NEXT, leg, signed.url, signed.form, turn=turn)
        return _twiml(await switchboard.next_step(name, asked))


def _add_excursions(app: QuartTrio, gate: Gate, switchboard: Switchboard) -> None:
    """Let Twilio ask and tell about callers who are off the stream, and about those of whom no call of ours is left."""

    @app.post("/voice/<name>/away/<int:number>/<kind>", strict_slashes=False)
    async def away(name: str, number: int, kind: str) -> Response:
        signed = await _signed(gate)
        if isinstance(signed, int):
            return _plain(signed)
        if kind not in AWAY:
            return _plain(404)
        asked = Request(kind, number, signed.url, signed.form, signed.query.get("n", ""))
        answer = await switchboard.next_step(name, asked)
        return _twiml(answer) if answer else _plain(204)

    @app.post("/voice/<name>/failure/<cause>/<int:step>", strict_slashes=False)
    async def failure_step(name: str, cause: str, step: int) -> Response:
        signed = await _signed(gate)
        if isinstance(signed, int):
            return _plain(signed)
        return _twiml(switchboard.afterwards.failure_step(name, cause, step, signed.url, signed.form))


def _say_little(app: QuartTrio) -> None:
    """Refuse what is none of our paths before anything is made of it, and let every refusal be a bare status."""

    @app.before_request
    async def refuse_other_paths() -> Response | None:
        return _refusal_of(request)

    @app.before_websocket
    async def refuse_other_sockets() -> Response | None:
        return _refusal_of(websocket)

    @app.errorhandler(HTTPException)
    async def without_detail(error: HTTPException) -> Response:
        return _plain(error.code or 500)


@frozen
class Signed:
    """What a request that Twilio signed says beyond doubt, and what it would be known by if it came again."""

    address: str
    """Which of ours was called."""
    target: str
    form: dict[str, str]
    query: dict[str, str]
    marks: tuple[str, ...]

    @property
    def url(self) -> str:
        """Return the address that was signed."""
        return self.address + self.target


async def _signed(gate: Gate) -> Signed | int:
    """Return what a request says that Twilio signed, or a status to refuse it with."""
    body = bytes(await request.get_data(cache=False, as_text=False))  # type: ignore[arg-type]  # bytes, so asked
    form, target = _form_of(body), _raw_target(request)
    proof = _proof_in(request)
    address = None if form is None else gate.address_called(target, form, proof)
    if form is None or address is None:
        gate.complain_of_proof("request", proof, request.path)
        return 403
    if not gate.is_of_our_account(form):
        gate.complain("request of another account refused", request.path)
        return 403
    reading = read_form(target, form)
    if reading is None or not CALL_SID.fullmatch(reading.call_sid):
        gate.complain("request that names no call, or maybe another one, refused", request.path)
        return 400
    return Signed(
        address=address,
        target=target,
        form={**dict(form), "From": reading.caller, "To": reading.called},
        query=query_of(target, form),
        marks=marks_of(gate.secrets.signing, target, form),
    )


def _proof_in(asked: Any) -> Proof:
    return proof_of(asked.headers.getlist(SIGNATURE), asked.headers.getlist(SETTINGS))


def _refusal_of(asked: Any) -> Response | None:
    """Return the answer for what is none of our paths."""
    return None if ROUTES.fullmatch(asked.scope["raw_path"]) else _plain(404)


def _form_of(body: bytes) -> list[tuple[str, str]] | None:
    """Return a form's pairs, blank values kept; None when there are more than any webhook has."""
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return None


def _raw_target(of: Any) -> str:
    """Return the request target as it was sent: decoding and encoding again would break the signature."""
    query = of.query_string.decode("latin-1")
    path: str = of.scope["raw_path"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _twiml(text: str) -> Response:
    return Response(text, content_type="text/xml; charset=utf-8")


def _plain(status: int) -> Response:
    return Response("", status=status, content_type="text/plain")
