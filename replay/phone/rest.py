"""Twilio's REST API as far as a call under way needs it: `POST …/Calls/{CA}.json` hangs up or gives new TwiML.

It starts no calls and lists none; the calls of `ring(..., rest=rest)` are known here while they last."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import h11
import trio

from replay.phone.script import Account
from replay.phone.twiml import TwilioError, Verb, parse

MAX_CALLS = 1_000
MAX_CONNECTIONS = 100  # more wait to be accepted
MAX_BODY_BYTES = 65_536  # Twiml has 4 000 characters at most
MAX_TWIML_CHARS = 4_000
REQUEST_TIMEOUT_S = 10
RECEIVE_BYTES = 65_536

UNKNOWN_PARAMETERS, UNAUTHORIZED, NO_SUCH_METHOD, NOT_FOUND, BAD_REQUEST = 20001, 20003, 20004, 20404, 20400
INVALID_URL = 21205


@attrs.frozen
class Redirection:
    """Go on with the TwiML at url; it is asked for when the call comes to it."""

    url: str
    method: str = "POST"


Order = Redirection | tuple[Verb, ...]  # no verbs: hang up


@attrs.define
class Orders:
    """What REST asked of one call and the call did not do yet: one order, the last."""

    is_over: bool = False
    is_streaming: bool = False  # the stream says goodbye by itself; all else is abandoned
    ends_call: bool = False
    _order: Order | None = None
    _doing: trio.CancelScope | None = None

    @property
    def is_pending(self) -> bool:
        """Whether what the call is doing is to be left."""
        return self._order is not None

    def give(self, order: Order) -> None:
        """Put an order in the place of any before; a hang-up is the last one a call takes."""
        self._order, self.ends_call = order, order == ()
        self.is_over = self.ends_call
        if self._doing is not None and not self.is_streaming:
            self._doing.cancel(reason="REST gave other instructions")

    def take(self) -> Order | None:
        """Return the order, once."""
        order, self._order = self._order, None
        return order

    def end(self) -> None:
        """Take no order any more: the call is over."""
        self.is_over, self._order = True, None

    def abandonable(self) -> trio.CancelScope:
        """A block that the next order ends at once, unless it is streaming."""
        self._doing = trio.CancelScope()
        return self._doing


@attrs.frozen
class RestError(Exception):
    """An answer that is no call resource."""

    status: int
    code: int
    message: str

    @property
    def body(self) -> dict[str, Any]:
        """The four fields of Twilio's errors."""
        info = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": info, "status": self.status}


@attrs.define
class Rest:
    """The endpoint of one account: `url` is what stands for https://api.twilio.com."""

    url: str
    account: Account
    _calls: dict[str, Orders] = attrs.field(factory=dict)

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

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> dict[str, Any]:
        """Do what one request asks and return the call resource; RestError when it cannot be done."""
        self._check(authorization)
        path = urlsplit(target).path
        orders, call_sid = self._find(path)
        if method != "POST":
            raise RestError(405, NO_SUCH_METHOD, "Method not allowed")
        order = _order(_form(body))
        orders.give(order)
        return self._resource(call_sid, path, "completed" if order == () else "in-progress")

    def _check(self, authorization: str) -> None:
        words = f"{self.account.account_sid}:{self.account.auth_token}".encode()
        expected = f"Basic {base64.b64encode(words).decode()}"
        if not hmac.compare_digest(authorization.encode(), expected.encode()):
            raise RestError(401, UNAUTHORIZED, "Authenticate")

    def _find(self, path: str) -> tuple[Orders, str]:
        before, _, name = path.rpartition("/")
        call_sid = name.removesuffix(".json")
        orders = self._calls.get(call_sid)
        is_calls = before == f"/2010-04-01/Accounts/{self.account.account_sid}/Calls"
        if not is_calls or call_sid == name or orders is None or orders.is_over:
            raise RestError(404, NOT_FOUND, f"The requested resource {path} was not found")
        return orders, call_sid

    def _resource(self, call_sid: str, path: str, status: str) -> dict[str, Any]:
        account = self.account
        return {
            "sid": call_sid,
            "account_sid": account.account_sid,
            "api_version": "2010-04-01",
            "direction": "inbound",
            "from": account.caller,
            "to": account.number,
            "status": status,
            "uri": path,
        }


@asynccontextmanager
async def open_rest(account: Account) -> AsyncIterator[Rest]:
    """A REST endpoint on loopback, at a free port, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        rest = Rest(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", account)
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
            status, content = (
                200,
                rest.answer(request.method.decode(), request.target.decode(), _authorization(request), body),
            )
        except RestError as error:
            status, content = error.status, error.body
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            return
        try:
            await stream.send_all(_response(heart, status, content))
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


def _response(heart: h11.Connection, status: int, content: dict[str, Any]) -> bytes:
    body = json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if status == 401:
        headers.append(("WWW-Authenticate", 'Basic realm="Twilio API"'))
    response = h11.Response(status_code=status, headers=[*headers, ("Connection", "close")])
    parts = [heart.send(response), heart.send(h11.Data(data=body)), heart.send(h11.EndOfMessage())]
    return b"".join(part for part in parts if part)


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise RestError(400, BAD_REQUEST, f"not a form: {error}") from error
    return {name: values[-1] for name, values in pairs.items()}


def _order(form: dict[str, str]) -> Order:
    """What a form asks for; RestError unless it is one thing that can be done."""
    asked = [name for name in ("Status", "Twiml", "Url") if form.get(name)]
    if len(asked) != 1:
        raise RestError(400, UNKNOWN_PARAMETERS, f"one of Status, Twiml and Url is needed, found {asked}")
    match asked[0]:
        case "Status" if form["Status"] == "completed":
            return ()
        case "Status":
            raise RestError(
                400, UNKNOWN_PARAMETERS, f"Status {form['Status'][:20]!r}: only completed is known here"
            )
        case "Twiml":
            return _twiml(form["Twiml"])
        case _:
            return _redirection(form["Url"], form.get("Method", "POST").upper())


def _twiml(text: str) -> tuple[Verb, ...]:
    if len(text) > MAX_TWIML_CHARS:
        raise RestError(400, UNKNOWN_PARAMETERS, f"Twiml has {len(text)} characters, {MAX_TWIML_CHARS} fit")
    try:
        return parse(text, "")  # it came from nowhere: a relative URL in it leads nowhere
    except TwilioError as error:
        raise RestError(400, error.code, error.text) from error


def _redirection(url: str, method: str) -> Redirection:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url or method not in ("GET", "POST"):
        raise RestError(400, INVALID_URL, f"Url {url[:200]!r}, Method {method[:20]!r}")
    return Redirection(url, method)
