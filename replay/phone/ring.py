"""A stand-in for Twilio that rings a Media Streams server: webhook, TwiML, media socket, action, callbacks.
With `ring_stream`, a bare media socket and nothing around it.

What the caller does is a `Caller`; what became of the call is a `CallReport`. It makes one inbound call and
creates none by REST; TwiML verbs that take time (Say, Pause, Play, Dial) are noted and take none."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from urllib.parse import urlsplit

import attrs
import trio

from replay.phone import twiml
from replay.phone.actor import Actor
from replay.phone.callbacks import Callbacks
from replay.phone.delay import Socket, behind
from replay.phone.report import CallReport, ClosedBy, OnEvent, SecondSocket
from replay.phone.rest import Order, Orders, Redirection, Rest
from replay.phone.script import Account, Caller, Step
from replay.phone.signing import sign, signed_url
from replay.phone.socket import MediaSocket, open_media_socket
from replay.phone.stream import MediaStream
from replay.phone.twiml import TwilioError
from replay.phone.web import Courier, Route, open_courier

__all__ = ["Account", "CallReport", "Caller", "ring", "ring_stream"]

DEFAULT_ACCOUNT = Account()
TOTAL_MS = 120_000
MAX_REDIRECTS = 3
MAX_STREAMS = 5  # a call that comes back into a stream more often runs in a circle
SECOND_SOCKET_AFTER_S = 0.1
SECOND_SOCKET_MS = 2_000  # a socket still open after this was let in
TOO_MANY_REDIRECTS = 11200


async def ring(
    caller: Caller,
    *,
    webhook: str,
    via: str | None = None,
    account: Account = DEFAULT_ACCOUNT,
    call_sid: str | None = None,
    on_event: OnEvent | None = None,
    status_url: str | None = None,
    also_hosts: Iterable[str] | None = None,
    total_ms: int = TOTAL_MS,
    rest: Rest | None = None,
) -> CallReport:
    """Make one call, of total_ms at most, in real time. What the bridge does wrong is reported, never raised.

    `webhook` is the public URL, the one that is signed; with `via`, a URL without a path, all bytes go there.
    With `also_hosts`, TwiML can send the call to the webhook's host and to these, and nowhere else.
    With `rest`, the call can be ended and redirected there while it lasts."""
    report = CallReport(call_sid=call_sid or _sid("CA"), on_event=on_event)
    hosts = None if also_hosts is None else frozenset(also_hosts)
    route = Route(urlsplit(webhook), urlsplit(via) if via else None, hosts)
    with rest.knows(report.call_sid) if rest else nullcontext(Orders()) as orders:
        opened = _open_call(caller, account, route, report, total_ms=total_ms, status_url=status_url)
        async with opened as call:
            call.orders = orders
            await call.run(webhook)
    return report


async def ring_stream(
    caller: Caller,
    *,
    url: str,
    via: str | None = None,
    parameters: Mapping[str, str] | None = None,
    account: Account = DEFAULT_ACCOUNT,
    on_event: OnEvent | None = None,
    total_ms: int = TOTAL_MS,
) -> CallReport:
    """Make one call to a ws:// or wss:// media socket, with no webhook before and no TwiML after it.

    `url` is the one that is signed; with `via`, an http:// or https:// URL, all bytes go there. `parameters` arrive
    in `start` as customParameters. What the server does wrong is reported, never raised."""
    report = CallReport(call_sid=_sid("CA"), on_event=on_event)
    parts = urlsplit(url)
    way = urlsplit(via) if via else parts._replace(scheme="http") if parts.scheme == "ws" else None
    async with _open_call(caller, account, Route(parts, way), report, total_ms=total_ms) as call:
        await call.run_stream(twiml.Stream(url, parameters or {}))
    return report


@asynccontextmanager
async def _open_call(
    caller: Caller,
    account: Account,
    route: Route,
    report: CallReport,
    *,
    total_ms: int,
    status_url: str | None = None,
) -> AsyncIterator["_Call"]:
    """A call that is over after total_ms, whatever happens."""
    with trio.move_on_after(total_ms / 1000) as limit:
        async with open_courier(account, report.call_sid, route) as courier, trio.open_nursery() as nursery:
            callbacks = Callbacks(courier, report, nursery, status_url)
            call = _Call(caller, account, route, courier, report, callbacks)
            yield call
            report.unreached = call.unreached
    if limit.cancelled_caught:
        report.fail(f"not over after {total_ms} ms")


@attrs.define
class _Call:
    """One call: runs TwiML until there is none left, or one side hangs up."""

    caller: Caller
    account: Account
    route: Route
    courier: Courier
    report: CallReport
    callbacks: Callbacks
    orders: Orders = attrs.field(factory=Orders)
    _actor: Actor = attrs.field(init=False)
    _redirects: int = 0
    _has_streamed: bool = False

    def __attrs_post_init__(self) -> None:
        self._actor = Actor(self.caller, self.report.line, self.report.missed)

    @property
    def unreached(self) -> list[Step]:
        """What the caller never came to say or to press."""
        return self._actor.unreached

    async def run(self, webhook: str) -> None:
        """The call from the first ring to its end."""
        try:
            verbs = await self._unless_told(self._answer(webhook))
            while verbs or self.orders.is_pending:
                order = self.orders.take()
                doing = self._do(verbs[0], verbs[1:]) if order is None else self._obey(order)
                verbs = await self._unless_told(doing)
        except TwilioError as error:
            self.report.fail(str(error))
        self.orders.end()
        self.report.note("call_over", by=self.report.closed_by)
        self.callbacks.completed()

    async def _unless_told(self, doing: Awaitable[tuple[twiml.Verb, ...]]) -> tuple[twiml.Verb, ...]:
        """What comes after it; nothing when REST said otherwise meanwhile."""
        with self.orders.abandonable():
            return await doing
        return ()

    async def _obey(self, order: Order) -> tuple[twiml.Verb, ...]:
        self._has_streamed = True  # what runs now came after, whether or not the stream had begun
        self.report.note("rest", order=order)
        return await self._fetch(order.url, order.method) if isinstance(order, Redirection) else order

    async def run_stream(self, stream: twiml.Stream) -> None:
        """The call as one stream, from the upgrade to its end."""
        try:
            await self._stream(stream)
        except TwilioError as error:
            self._stream_failed(error)
        self.report.note("call_over", by=self.report.closed_by)

    async def _answer(self, webhook: str) -> tuple[twiml.Verb, ...]:
        times = 2 if self.caller.webhook_twice else 1
        self.report.note("webhook", url=webhook, times=times)
        ask = partial(self.courier.twiml, webhook, "ringing")
        try:
            status, body = await ask(signature=self.caller.webhook_signature, times=times)
        except TwilioError as error:
            self.report.webhook_status = error.http_status
            raise
        self.report.webhook_status, self.report.twiml = status, body.decode(errors="replace")
        self.report.note("webhook_answered", status=status)
        verbs = twiml.parse(body, webhook)
        await trio.sleep(self.caller.answer_delay_ms / 1000)
        return verbs

    async def _do(self, verb: twiml.Verb, rest: tuple[twiml.Verb, ...]) -> tuple[twiml.Verb, ...]:
        """Run one verb; the verbs that come after it."""
        if self._has_streamed or not isinstance(verb, twiml.Connect):
            self.report.next_verbs.append(verb)
            self.report.note("verb", verb=verb)
        match verb:
            case twiml.Connect():
                return await self._connect(verb, rest)
            case twiml.Redirect():
                return await self._redirect(verb)
            case twiml.Hangup() | twiml.Reject() | twiml.Dial():
                return ()
            case _:
                return rest

    async def _redirect(self, verb: twiml.Redirect) -> tuple[twiml.Verb, ...]:
        self._redirects += 1
        if self._redirects > MAX_REDIRECTS:
            raise TwilioError(
                TOO_MANY_REDIRECTS, f"more than {MAX_REDIRECTS} redirects, the last to {verb.url}"
            )
        return await self._fetch(verb.url, verb.method)

    async def _fetch(self, url: str, method: str) -> tuple[twiml.Verb, ...]:
        status, body = await self.courier.twiml(url, "in-progress", method)
        self.report.note("twiml", url=url, status=status)
        return twiml.parse(body, url)

    async def _connect(self, connect: twiml.Connect, rest: tuple[twiml.Verb, ...]) -> tuple[twiml.Verb, ...]:
        if len(self.report.stream_sids) >= MAX_STREAMS:
            raise TwilioError(TOO_MANY_REDIRECTS, f"more than {MAX_STREAMS} streams in one call")
        self._has_streamed = True
        try:
            if await self._stream(connect.stream) == "caller":
                self.orders.end()
                return ()
        except TwilioError as error:  # the call goes on behind <Connect>, as after a stream that ended
            self._stream_failed(error)
        self.orders.is_streaming = False
        if self.orders.is_pending:
            return ()
        return rest if connect.action is None else await self._fetch(connect.action, connect.method)

    def _stream_failed(self, error: TwilioError) -> None:
        self.report.upgrade_status = error.http_status
        self.report.fail(str(error))

    async def _stream(self, stream: twiml.Stream) -> ClosedBy:
        stream_sid = _sid("MZ")
        self.report.stream_sid = stream_sid
        self.report.stream_sids.append(stream_sid)
        self.report.note("upgrade", url=stream.url, dropped_query=stream.dropped_query)
        try:
            async with self._open(stream) as socket:
                self.callbacks.stream(stream, stream_sid, "stream-started")
                closed_by = await self._talk(behind(socket, self.caller.network), stream, stream_sid)
        except TwilioError as error:
            self.callbacks.stream(stream, stream_sid, "stream-error", str(error))
            raise
        self.callbacks.stream(stream, stream_sid, "stream-stopped")
        return closed_by

    async def _talk(self, socket: Socket, stream: twiml.Stream, stream_sid: str) -> ClosedBy:
        self.report.upgrade_status = socket.status
        self.report.note("upgraded", status=socket.status)
        async with trio.open_nursery() as beside:
            if self.caller.second_socket:
                beside.start_soon(self._intrude, stream, name="phone: second socket")
            media = self._media(socket, stream, stream_sid, self._actor, self.report)
            media.orders, media.tell = self.orders, partial(self.callbacks.wait, stream, stream_sid)
            self.orders.is_streaming = True
            closed_by = await media.run()
            beside.cancel_scope.cancel(reason="the first socket is closed")
        return closed_by

    async def _intrude(self, stream: twiml.Stream) -> None:
        """Open another socket for the same call, and see what the bridge does to it."""
        await trio.sleep(SECOND_SOCKET_AFTER_S)
        report = CallReport(call_sid=self.report.call_sid)
        actor = Actor(attrs.evolve(self.caller, steps=(), patience_ms=SECOND_SOCKET_MS), report.line)
        try:
            async with self._open(stream) as socket:
                closed_by = await self._media(socket, stream, _sid("MZ"), actor, report).run()
        except TwilioError as error:
            self.report.second_socket = SecondSocket(error.http_status or 0)
        else:
            code = report.close_code if closed_by == "bridge" else None
            self.report.second_socket = SecondSocket(101, code, report.close_reason, report.closed_ms or 0)
        self.report.note("second_socket", outcome=self.report.second_socket)

    def _media(
        self, socket: Socket, stream: twiml.Stream, stream_sid: str, actor: Actor, report: CallReport
    ) -> MediaStream:
        return MediaStream(
            socket=socket,
            actor=actor,
            report=report,
            account=self.account,
            stream_sid=stream_sid,
            parameters=stream.parameters,
        )

    def _open(self, stream: twiml.Stream) -> AbstractAsyncContextManager[MediaSocket]:
        return open_media_socket(self.route.socket(stream.url), self._upgrade_headers(stream.url))

    def _upgrade_headers(self, url: str) -> list[tuple[str, str]]:
        """The signature, alone: made over the wss:// URL, unless the caller wants a wrong one."""
        how, token = self.caller.signature, self.account.auth_token
        if how == "none":
            return []
        text = signed_url(url) + ("/" if self.caller.trailing_slash else "")
        if how == "https":
            text = text.replace("wss://", "https://", 1)
        return [("x-twilio-signature", sign(text, (), token if how != "wrong" else "some-other-token"))]


def _sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)
