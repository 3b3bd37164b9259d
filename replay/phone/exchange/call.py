"""One whole call at Twilio: TwiML is run until there is none left, one side hangs up, or REST says otherwise."""

from collections.abc import Awaitable
from functools import partial

import attrs
import trio

from replay.phone.actor import Actor
from replay.phone.exchange.callbacks import Callbacks
from replay.phone.exchange.connect import Streams
from replay.phone.exchange.dial import dial, notes_words
from replay.phone.exchange.enqueue import enqueue
from replay.phone.exchange.floor import Floor
from replay.phone.exchange.gather import gather
from replay.phone.exchange.program import Document, Knows, Program, about, unknown
from replay.phone.exchange.record import record
from replay.phone.exchange.refer import refer
from replay.phone.exchange.speech import pause, play, say
from replay.phone.exchange.town import Town
from replay.phone.instructions.orders import Order, Orders, Redirection
from replay.phone.instructions.verbs import (
    Connect,
    Dial,
    Enqueue,
    Gather,
    Hangup,
    Pause,
    Play,
    Record,
    Redirect,
    Refer,
    Reject,
    Say,
    Stream,
)
from replay.phone.leg import CALLER, Leg
from replay.phone.report import CallReport
from replay.phone.script import Account, Caller, Step
from replay.phone.twiml import TwilioError, parse
from replay.phone.web import Courier, Route

TIMELESS = (Connect, Redirect, Hangup, Reject)  # nothing of them is heard on the line


@attrs.define(eq=False, kw_only=True)
class Call:
    """One call, with the caller's telephone and everything that it goes through."""

    caller: Caller
    account: Account
    route: Route
    courier: Courier
    report: CallReport
    callbacks: Callbacks
    nursery: trio.Nursery
    town: Town = attrs.field(factory=Town)
    orders: Orders = attrs.field(factory=Orders)
    api_url: str = "https://api.twilio.com"
    knows: Knows = unknown
    fallback: str | None = None
    """What is asked where an answer can't be had or done, as a number's `VoiceFallbackUrl`."""
    leg: Leg = attrs.field(init=False)
    program: Program = attrs.field(init=False)
    _streams: Streams = attrs.field(init=False)
    _has_streamed: bool = False

    def __attrs_post_init__(self) -> None:
        report = self.report
        actor = Actor(
            self.caller, report.line, report.missed, keys_heard=report.keys_heard, menu_path=report.menu_path
        )
        self.leg = Leg(name=CALLER, call_sid=report.call_sid, actor=actor, note=report.note)
        notes_words(report, self.leg)
        self._streams = Streams(
            caller=self.caller,
            account=self.account,
            route=self.route,
            report=report,
            callbacks=self.callbacks,
            actor=actor,
            orders=self.orders,
            late_frames=self.town.behaviour.late_frames,
        )
        self.program = Program(
            leg=self.leg,
            courier=self.courier,
            report=report,
            town=self.town,
            floor=Floor(report, [self.leg]),
            nursery=self.nursery,
            api_url=self.api_url,
            knows=self.knows,
            doers={
                Connect: self._streams.connect,
                Say: say,
                Play: play,
                Pause: pause,
                Gather: gather,
                Record: record,
                Dial: dial,
                Enqueue: enqueue,
                Refer: refer,
            },
        )

    @property
    def unreached(self) -> list[Step]:
        """What the caller never came to say or to press."""
        return self.leg.actor.unreached

    async def run(self, webhook: str) -> None:
        """The call from the first ring to its end."""
        await self.go_through(self._answer(webhook))
        self.report.note("call_over", by=self.report.ended_by)
        self.callbacks.completed(self._end_status)

    async def go_through(self, beginning: Awaitable[Document]) -> None:
        """Everything that TwiML and REST ask for, from the document that the call begins with."""
        async with trio.open_nursery() as clock:
            clock.start_soon(self.program.floor.run, name="phone: the clock of the lines")
            try:
                await self._run_with_fallback(beginning)
            except TwilioError as error:
                self.report.fail(str(error))
            clock.cancel_scope.cancel(reason="the call is over")
        self._end()

    async def _run_with_fallback(self, beginning: Awaitable[Document]) -> None:
        """Run documents; where one can't be had or done, go on with what the number's fallback says instead."""
        while True:
            try:
                return await self._run(beginning)
            except TwilioError as error:
                if self.fallback is None or self.leg.is_gone or error.url in ("", self.fallback):
                    raise
                self.report.warn(error.code, error.text)
                told = [("ErrorCode", str(error.code)), ("ErrorUrl", error.url)]
                beginning = self.program.fetch("fallback", self.fallback, "POST", told)

    async def _run(self, beginning: Awaitable[Document]) -> None:
        document = await self._unless_told(beginning)
        while (document.verbs or self.orders.is_pending) and not self.leg.is_gone:
            order = self.orders.take()
            doing = self._step(document) if order is None else self._obey(order)
            document = await self._unless_told(doing)

    @property
    def _end_status(self) -> str:
        """How the call ended, for Twilio: a call that is rejected was never answered."""
        match self.report.next_verbs:
            case [*_, Reject(reason=reason)] if not self.report.stream_sids:
                return "busy" if reason == "busy" else "no-answer"
        return "completed"

    def _end(self) -> None:
        if self.leg.ended_by == CALLER:
            self.report.ended_by = "caller"
        else:
            self.report.ended_by = "rest" if self.orders.ends_call else "bridge"
        self.leg.now_ms = self.program.floor.now_ms
        self.leg.hang_up("twilio")
        self.orders.end()

    async def _unless_told(self, doing: Awaitable[Document]) -> Document:
        """What comes after it; nothing when REST said otherwise meanwhile."""
        with self.orders.abandonable():
            return await doing
        return Document(())

    async def _obey(self, order: Order) -> Document:
        self._has_streamed = True  # what runs now came after, whether or not the stream had begun
        self.report.note("rest", order=order)
        if isinstance(order, Redirection):
            return await self.program.fetch("rest", order.url, order.method, [])
        return Document(order)

    async def run_stream(self, stream: Stream) -> None:
        """The call as one stream, from the upgrade to its end."""
        try:
            await self._streams.stream(stream)
        except TwilioError as error:
            self._streams.failed(error)
        self.report.ended_by = self.report.closed_by
        self.report.note("call_over", by=self.report.ended_by)

    async def _answer(self, webhook: str) -> Document:
        times = 2 if self.caller.webhook_twice else 1
        self.report.note("webhook", url=webhook, times=times)
        ask = partial(self.courier.twiml, webhook, "ringing")
        try:
            with about(webhook):
                status, body = await ask(signature=self.caller.webhook_signature, times=times)
        except TwilioError as error:
            self.report.webhook_status = error.http_status
            self.report.note_refusal(error.http_status, error.signed)
            raise
        self.report.webhook_status, self.report.twiml = status, body.decode(errors="replace")
        self.report.note("webhook_answered", status=status)
        with about(webhook):
            verbs = parse(body, webhook, self.report.warn)
        await trio.sleep(self.caller.answer_delay_ms / 1000)
        return Document(verbs, webhook)

    async def _step(self, document: Document) -> Document:
        """Run one verb, on the caller's line."""
        verb = document.verbs[0]
        if self._has_streamed or not isinstance(verb, Connect):
            self.report.next_verbs.append(verb)
            self.report.note("verb", verb=verb)
        else:
            self._has_streamed = True
            self.report.verbs_before, self.report.next_verbs = self.report.next_verbs, []
        if not isinstance(verb, TIMELESS):
            self.program.floor.begin()
        return await self.program.step(document)
