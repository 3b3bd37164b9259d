"""<Connect><Stream>: media streams of one call, one after the other, each with a socket and a StreamSid of its own."""

import secrets
from contextlib import AbstractAsyncContextManager
from functools import partial

import attrs
import trio

from replay.phone.actor import Actor
from replay.phone.delay import Socket, behind
from replay.phone.exchange.callbacks import Callbacks
from replay.phone.exchange.program import Outcome, Program
from replay.phone.instructions.orders import Orders
from replay.phone.instructions.verbs import Connect, Stream
from replay.phone.report import CallReport, ClosedBy, SecondSocket
from replay.phone.script import Account, Caller
from replay.phone.signing import Signed, sign, signature_headers, signed_url
from replay.phone.socket import MediaSocket, open_media_socket
from replay.phone.stream import MediaStream
from replay.phone.twiml import TwilioError
from replay.phone.web import Form, Route

SECOND_SOCKET_AFTER_S = 0.1
SECOND_SOCKET_MS = 2_000  # a socket still open after this was let in


@attrs.define(eq=False, kw_only=True)
class Streams:
    """All media streams of one call."""

    caller: Caller
    account: Account
    route: Route
    report: CallReport
    callbacks: Callbacks
    actor: Actor
    orders: Orders
    late_frames: int = 0

    async def connect(self, program: Program, verb: Connect) -> Outcome:
        """Stream until one side ends it."""
        if self.report.stream_sids:
            with program.leg.while_there():
                await trio.sleep(program.town.behaviour.reentry_ms / 1000)
            if program.leg.is_gone:
                return Outcome(end="gone")
        program.floor.is_streaming = True
        try:
            closed_by: ClosedBy = await self.stream(verb.stream)
        except TwilioError as error:  # the call goes on behind <Connect>, as after a stream that ended
            self.failed(error)
            closed_by = "bridge"
        finally:
            program.floor.is_streaming = self.orders.is_streaming = False
        return self._outcome(program, verb, closed_by)

    def _outcome(self, program: Program, verb: Connect, closed_by: ClosedBy) -> Outcome:
        form = self._form(program)
        program.leg.now_ms = program.floor.now_ms
        if closed_by == "caller":
            self.orders.end()
            program.leg.hang_up("caller")
            return Outcome(form, "gone")
        program.floor.begin()
        self.actor.stream_ended(program.floor.now_ms)
        if not self.orders.is_pending:
            return Outcome(form)
        if verb.action is not None and program.town.behaviour.action_after_redirect:
            program.tell("connect after REST", verb.action, verb.method, form, status="in-progress")
        return Outcome()

    def _form(self, program: Program) -> Form:
        """What Connect's request tells of its stream: nothing that is documented."""
        if not program.town.behaviour.stream_parameters:
            return []
        return [("StreamSid", self.report.stream_sid or ""), ("StreamEvent", "stream-stopped")]

    def failed(self, error: TwilioError) -> None:
        """A stream could not be opened."""
        self.report.upgrade_status = error.http_status
        self.report.fail(str(error))

    async def stream(self, stream: Stream) -> ClosedBy:
        """One stream, from the upgrade to its end."""
        self.report.stream = stream
        stream = self.caller.stream_override or stream
        stream_sid = _sid()
        self.report.stream_sid = stream_sid
        self.report.stream_sids.append(stream_sid)
        self.report.note("upgrade", url=stream.url, dropped_query=stream.dropped_query)
        try:
            async with self._open(stream) as socket:
                self.callbacks.stream(stream, stream_sid, "stream-started")
                closed_by = await self._talk(socket, stream, stream_sid)
        except TwilioError as error:
            self.callbacks.stream(stream, stream_sid, "stream-error", str(error))
            self.report.note_refusal(error.http_status, self._signed(stream.url))
            raise
        self.callbacks.stream(stream, stream_sid, "stream-stopped")
        return closed_by

    async def _talk(self, socket: MediaSocket, stream: Stream, stream_sid: str) -> ClosedBy:
        self.report.upgrade_status = socket.status
        self.report.note("upgraded", status=socket.status)
        async with trio.open_nursery() as beside:
            if self.caller.second_socket:
                beside.start_soon(self._intrude, stream, name="phone: second socket")
            media = self._media(
                behind(socket, self.caller.network), stream, stream_sid, self.actor, self.report
            )
            socket.last_words = partial(media.late_frames, self.late_frames)
            media.orders, media.tell = self.orders, partial(self.callbacks.wait, stream, stream_sid)
            self.orders.is_streaming = True
            closed_by = await media.run()
            beside.cancel_scope.cancel(reason="the first socket is closed")
        return closed_by

    async def _intrude(self, stream: Stream) -> None:
        """Open another socket for the same call, and see what the bridge does to it."""
        await trio.sleep(SECOND_SOCKET_AFTER_S)
        report = CallReport(call_sid=self.report.call_sid)
        actor = Actor(attrs.evolve(self.caller, steps=(), patience_ms=SECOND_SOCKET_MS), report.line)
        try:
            async with self._open(stream) as socket:
                closed_by = await self._media(socket, stream, _sid(), actor, report).run()
        except TwilioError as error:
            self.report.second_socket = SecondSocket(error.http_status or 0)
        else:
            code = report.close_code if closed_by == "bridge" else None
            self.report.second_socket = SecondSocket(101, code, report.close_reason, report.closed_ms or 0)
        self.report.note("second_socket", outcome=self.report.second_socket)

    def _media(
        self, socket: Socket, stream: Stream, stream_sid: str, actor: Actor, report: CallReport
    ) -> MediaStream:
        return MediaStream(
            socket=socket,
            actor=actor,
            report=report,
            account=self.account,
            stream_sid=stream_sid,
            parameters=stream.parameters,
        )

    def _open(self, stream: Stream) -> AbstractAsyncContextManager[MediaSocket]:
        return open_media_socket(
            self.route.socket(stream.url), list(self._signed(stream.url).headers.items())
        )

    def _signed(self, url: str) -> Signed:
        """The signature, alone: made over the wss:// URL, unless the caller wants a wrong one."""
        how = self.caller.signature
        if how == "none":
            return Signed(url, (), {})
        text = signed_url(url) + ("/" if self.caller.trailing_slash else "")
        if how == "https":
            text = text.replace("wss://", "https://", 1)
        if how == "wrong":
            return Signed(text, (), {"x-twilio-signature": sign(text, (), "some-other-token")})
        by, is_even = self.account.upgrades_signed_by, len(self.report.stream_sids) % 2 == 0
        headers = signature_headers(self.account, text, by=by, is_even=is_even)
        return Signed(text, (), {name.lower(): value for name, value in headers.items()})


def _sid() -> str:
    return "MZ" + secrets.token_hex(16)
