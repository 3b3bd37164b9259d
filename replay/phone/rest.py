"""Twilio's REST API as far as calls need it: `POST …/Calls.json` has one made, `POST …/Calls/{CA}.json` redirects or
ends one, GET lists them, and fetches what was recorded.

The calls of `ring(..., rest=rest)` are known here while they last, and those that were made here."""

import base64
import hmac
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import attrs
import h11
import trio

from replay.phone.exchange.outbound import Outbound, Pace
from replay.phone.exchange.placing import UNANSWERED, Form, form_of, order_of, placed
from replay.phone.exchange.town import Town
from replay.phone.instructions.orders import (
    BAD_REQUEST,
    NO_SUCH_METHOD,
    NOT_FOUND,
    NOT_IN_PROGRESS,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    Order,
    Orders,
    Redirection,
    RestError,
)
from replay.phone.report import CallReport, OnEvent
from replay.phone.script import Account
from replay.phone.web import Route
from replay.sound.sound_files import wav_of

__all__ = ["Order", "Orders", "Redirection", "Rest", "RestError", "open_rest"]

MAX_CALLS = 1_000
MAX_CONNECTIONS = 100  # more wait to be accepted
MAX_BODY_BYTES = 65_536  # Twiml has 4 000 characters at most
REQUEST_TIMEOUT_S = 10
RECEIVE_BYTES = 65_536
TOTAL_MS = 120_000  # of a call that is made here
PAGE_SIZE = 50


class LostError(Exception):
    """What was asked is done, and whoever asked is not told."""


@attrs.frozen
class Answer:
    """What a request is answered when there is nothing wrong with it."""

    content: bytes
    kind: str = "application/json"
    status: int = 200


@attrs.define
class Rest:
    """The endpoint of one account: `url` is what stands for https://api.twilio.com."""

    url: str
    account: Account
    town: Town = attrs.field(factory=Town)
    via: str | None = None
    also_hosts: frozenset[str] | None = None
    on_event: OnEvent | None = None
    total_ms: int = TOTAL_MS
    public_url: str | None = None
    outbound: dict[str, Outbound] = attrs.field(factory=dict)
    _nursery: trio.Nursery | None = None
    _calls: dict[str, Orders] = attrs.field(factory=dict)
    _ended: deque[str] = attrs.field(factory=lambda: deque(maxlen=MAX_CALLS))
    _reports: deque[CallReport] = attrs.field(factory=lambda: deque(maxlen=MAX_CALLS))
    _refused: int = 0
    _asked: trio.Event = attrs.field(factory=trio.Event)
    _pace: Pace = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._pace = Pace(self.town.behaviour.calls_per_second)

    @property
    def reports(self) -> list[CallReport]:
        """Every call that was made here, in the order in which they were asked for."""
        return [call.report for call in self.outbound.values()]

    async def wait_asked(self, calls: int) -> None:
        """Return when so many calls were asked for."""
        while len(self.outbound) < calls:
            await self._asked.wait()

    async def wait_over(self) -> None:
        """Return when no call made here is under way."""
        for call in [*self.outbound.values()]:
            await call.over.wait()

    @contextmanager
    def knows(self, call_sid: str) -> Iterator[Orders]:
        """A call that can be told something while the block lasts."""
        if call_sid in self._calls or len(self._calls) >= MAX_CALLS:
            raise ValueError(f"{call_sid} is a second call of this SID, or one more than {MAX_CALLS} calls")
        orders = self._calls[call_sid] = Orders()
        try:
            yield orders
        finally:
            del self._calls[call_sid]
            self._ended.append(call_sid)

    @property
    def reports_kept(self) -> list[CallReport]:
        """Every call whose recordings can be fetched here."""
        return [*self._reports]

    def keeps(self, report: CallReport) -> None:
        """Have what a call records to be fetched here."""
        self._reports.append(report)

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> Answer:
        """Do what one request asks; RestError when it cannot be done."""
        self._check(authorization)
        parts = urlsplit(target)
        top = f"/2010-04-01/Accounts/{self.account.account_sid}/"
        kind, _, name = parts.path.removeprefix(top).partition("/")
        if not parts.path.startswith(top):
            raise _not_found(parts.path)
        match method, kind:
            case "POST", "Calls.json":
                return self._create(form_of(body))
            case "GET", "Calls.json":
                return self._list(parts.path, form_of(parts.query.encode()))
            case "GET", "Recordings":
                return self._recording(parts.path, name)
            case "POST", "Calls":
                return self._update(parts.path, name, form_of(body))
            case "GET", "Calls":
                return _json(self._fetch(parts.path, name))
            case _, "Calls.json" | "Recordings" | "Calls":
                raise RestError(405, NO_SUCH_METHOD, "Method not allowed")
        raise _not_found(parts.path)

    def _check(self, authorization: str) -> None:
        words = f"{self.account.account_sid}:{self.account.auth_token}".encode()
        expected = f"Basic {base64.b64encode(words).decode()}"
        if not hmac.compare_digest(authorization.encode(), expected.encode()):
            raise RestError(401, UNAUTHORIZED, "Authenticate")

    # ---------------------------------------------------------------- calls that are asked for

    def _create(self, form: Form) -> Answer:
        behaviour = self.town.behaviour
        if self._refused < behaviour.refuse_calls:
            self._refused += 1
            raise RestError(429, TOO_MANY_REQUESTS, "Too many requests")
        if behaviour.call_error:
            raise RestError(400, behaviour.call_error, f"error {behaviour.call_error}, as it was scripted")
        asked = placed(form, self.account)
        if self._nursery is None or len(self.outbound) >= MAX_CALLS:
            raise RestError(429, TOO_MANY_REQUESTS, f"more than {MAX_CALLS} calls")
        public = urlsplit(self.public_url or asked.url or asked.status_callback or "https://nobody.invalid")
        call = Outbound(
            placed=asked,
            report=CallReport(call_sid="CA" + secrets.token_hex(16), on_event=self.on_event),
            account=self.account,
            route=Route(public, urlsplit(self.via) if self.via else None, self.also_hosts),
            town=self.town,
            knows=self.knows,
            api_url=self.url,
            total_ms=self.total_ms,
            queued_ms=self._pace.delay_ms(),
        )
        call_sid = call.report.call_sid
        self.outbound[call_sid] = call
        self.keeps(call.report)
        self._asked.set()
        self._asked = trio.Event()
        self._nursery.start_soon(self._make, call, name=f"phone: call {call_sid}")
        if len(self.outbound) <= behaviour.lost_answers:
            raise LostError
        path = f"/2010-04-01/Accounts/{self.account.account_sid}/Calls/{call_sid}.json"
        return _json(self._resource(call_sid, path, "queued"), 201)

    async def _make(self, call: Outbound) -> None:
        with self.knows(call.report.call_sid) as orders:
            orders.status = "queued"
            with orders.abandonable():
                await self._pace.wait_turn()
            await call.run(orders)

    def _list(self, path: str, wanted: Form) -> Answer:
        """The calls that were made here, the last first."""
        fits = {"To": "to", "From": "from", "Status": "status"}
        found = [
            resource
            for call_sid in reversed(self.outbound)
            if (resource := self._resource(call_sid, path.removesuffix(".json") + f"/{call_sid}.json"))
            and all(resource[field] == wanted[name][-1] for name, field in fits.items() if name in wanted)
        ]
        page = {"calls": found[:PAGE_SIZE], "page": 0, "page_size": PAGE_SIZE, "start": 0, "end": len(found)}
        uris = {"uri": path, "first_page_uri": path, "next_page_uri": None, "previous_page_uri": None}
        return _json({**page, **uris})

    # ---------------------------------------------------------------- calls there are

    def _find(self, path: str, name: str) -> str:
        call_sid = name.removesuffix(".json")
        is_known = call_sid in self._calls or call_sid in self.outbound
        is_remembered = call_sid in self._ended and not self.town.behaviour.forgets_ended_calls
        if call_sid == name or not (is_known or is_remembered):
            raise _not_found(path)
        return call_sid

    def _fetch(self, path: str, name: str) -> dict[str, Any]:
        return self._resource(self._find(path, name), path)

    def _update(self, path: str, name: str, form: Form) -> Answer:
        call_sid = self._find(path, name)
        orders = self._calls.get(call_sid)
        if orders is None or orders.is_over:
            if self.town.behaviour.forgets_ended_calls:
                raise _not_found(path)
            raise RestError(400, NOT_IN_PROGRESS, "Call is not in-progress. Cannot redirect.")
        order = order_of(form, orders)
        status = "completed" if order == () else "in-progress"
        if order == () and orders.status in UNANSWERED:
            status = "canceled"
        orders.give(order)
        return _json(self._resource(call_sid, path, status))

    def _resource(self, call_sid: str, path: str, status: str | None = None) -> dict[str, Any]:
        account, call = self.account, self.outbound.get(call_sid)
        common = {
            "sid": call_sid,
            "account_sid": account.account_sid,
            "api_version": "2010-04-01",
            "uri": path,
        }
        if call is None:
            is_live = call_sid in self._calls
            words = {"direction": "inbound", "from": account.caller, "to": account.number}
            return {**common, **words, "status": status or ("in-progress" if is_live else "completed")}
        return {
            **common,
            "direction": "outbound-api",
            "from": call.placed.from_number,
            "to": call.placed.to_number,
            "status": status or call.status,
            "duration": str(call.seconds) if call.ended_at is not None else None,
            "answered_by": call.answered_by or None,
            "queue_time": str(call.queued_ms),
            "date_created": format_datetime(call.created_at),
        }

    def _recording(self, path: str, name: str) -> Answer:
        """A recording as a WAV file, once it is there."""
        behaviour, sid = self.town.behaviour, name.partition(".")[0]
        late_s = behaviour.recording_late_ms / 1000 if behaviour.recording == "late" else 0
        for report in self._reports:
            for one in report.recordings:
                is_there = one.status == "completed" and trio.current_time() >= one.made_at + late_s
                if one.sid == sid and is_there:
                    return Answer(wav_of(one.audio), "audio/x-wav")
        raise _not_found(path)


@asynccontextmanager
async def open_rest(
    account: Account,
    *,
    town: Town | None = None,
    via: str | None = None,
    also_hosts: Iterable[str] | None = None,
    on_event: OnEvent | None = None,
    port: int = 0,
    total_ms: int = TOTAL_MS,
    public_url: str | None = None,
) -> AsyncIterator[Rest]:
    """A REST endpoint on loopback, for as long as the block lasts, and with it the calls that are made there.

    Whoever is called is in the `town`. `via` and `also_hosts` are those of `ring`; without `public_url` whatever host
    a call's `Url` names may be asked."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
        rest = Rest(
            f"http://127.0.0.1:{listener.socket.getsockname()[1]}",
            account,
            town or Town(),
            via,
            None if also_hosts is None else frozenset(also_hosts),
            on_event,
            total_ms,
            public_url,
            nursery=nursery,
        )
        seats = trio.Semaphore(MAX_CONNECTIONS)

        async def serve(stream: trio.SocketStream) -> None:
            async with seats, stream:
                await _serve(rest, stream)

        nursery.start_soon(trio.serve_listeners, serve, [listener], name="phone: REST")
        yield rest
        nursery.cancel_scope.cancel(reason="the REST endpoint is closed")


async def _serve(rest: Rest, stream: trio.SocketStream) -> None:
    """Answer one request; each has a connection of its own."""
    heart = h11.Connection(h11.SERVER)
    with trio.move_on_after(REQUEST_TIMEOUT_S):
        try:
            request, body = await _request(heart, stream)
            method, target = request.method.decode(), request.target.decode()
            answer = rest.answer(method, target, _authorization(request), body)
        except RestError as error:
            answer = _json(error.body, error.status)
        except (h11.RemoteProtocolError, trio.BrokenResourceError, LostError):
            return
        try:
            await stream.send_all(_response(heart, answer))
        except trio.BrokenResourceError:
            return


async def _request(heart: h11.Connection, stream: trio.SocketStream) -> tuple[h11.Request, bytes]:
    request, body = None, b""
    while True:
        event = heart.next_event()
        if event is h11.NEED_DATA:
            heart.receive_data(await stream.receive_some(RECEIVE_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data) and len(body) + len(event.data) <= MAX_BODY_BYTES:
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, body
        else:
            raise RestError(413, BAD_REQUEST, f"more than {MAX_BODY_BYTES} bytes, or no request at all")


def _authorization(request: h11.Request) -> str:
    return dict(request.headers).get(b"authorization", b"").decode("latin-1")


def _response(heart: h11.Connection, answer: Answer) -> bytes:
    headers = [("Content-Type", answer.kind), ("Content-Length", str(len(answer.content)))]
    if answer.status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="Twilio API"'))
    response = h11.Response(status_code=answer.status, headers=[*headers, ("Connection", "close")])
    parts = [heart.send(response), heart.send(h11.Data(data=answer.content)), heart.send(h11.EndOfMessage())]
    return b"".join(part for part in parts if part)


def _json(content: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(json.dumps(content).encode(), status=status)


def _not_found(path: str) -> RestError:
    return RestError(404, NOT_FOUND, f"The requested resource {path} was not found")
