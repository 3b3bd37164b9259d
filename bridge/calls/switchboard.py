"""Which calls exist, waiting or live; how many may; what comes after each. Where they are carried is all the same."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
import trio
from attrs import define, field
from structlog.contextvars import bind_contextvars

from bridge.calls.admission import Admission, Load
from bridge.calls.host import AnyCall, CallHost
from bridge.calls.intake import Webhook
from bridge.calls.messages import Key
from bridge.calls.reaper import LOOK_SECONDS, reap
from bridge.calls.setup import CurrentSetup
from bridge.config import Settings
from bridge.errors import in_words
from bridge.languages import Sentence
from bridge.machine import FILES_A_CALL, SPARE_FILES
from bridge.tapes.forgotten import Forgotten
from bridge.wire import twilio, twiml

MOST_REMEMBERED: Final = 10_000
"""Ended calls whose outcome Twilio may still ask for; it asks within seconds."""

ANSWER_SECONDS: Final = 10
"""Twilio gives a webhook 15 s, and then plays an error of its own."""

NOBODY: Final = "*"
"""Stands for the agent of a call that was erased: no agent has that name."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Switchboard:
    """All calls of this daemon; in a worker, those that it carries."""

    current: CurrentSetup
    host: CallHost
    is_closing: bool = False
    on_gone: Callable[[Key], None] = lambda key: None
    look_seconds: float = LOOK_SECONDS
    _has_drained: bool = False
    _admission: Admission = field(init=False)
    _calls: dict[Key, AnyCall] = field(factory=dict)
    _outcomes: OrderedDict[Key, Sentence] = field(factory=OrderedDict)
    _nursery: trio.Nursery | None = None
    _quiet: trio.Event = field(factory=trio.Event)
    _unasked: dict[Key, float] = field(factory=dict)
    _disk: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(4))

    def __attrs_post_init__(self) -> None:
        self._admission = Admission(self.settings.server)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the nursery in which all calls live, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            look = partial(reap, lambda: list(self._calls.values()), every_seconds=self.look_seconds)
            self._nursery.start_soon(look, name="reaper")
            task_status.started()
            await trio.sleep_forever()

    @property
    def settings(self) -> Settings:
        """Return what holds for the next call."""
        return self.current.setup.settings

    def has_agent(self, name: str) -> bool:
        """Say whether there is such an agent, or still a call of one that is no longer configured."""
        return name in self.settings.agents or any(agent == name for _, agent in self._calls)

    @property
    def ages(self) -> list[tuple[str, int]]:
        """Return the id of each waiting or live call and how many seconds old it is, the oldest first."""
        now = trio.current_time()
        calls = [call for call in self._calls.values() if call.end is None]
        return [(call.call_id, int(now - call.born)) for call in calls]

    @property
    def live(self) -> int:
        """Return how many calls are waiting or live; of one that is over, a tool may still run."""
        return sum(call.end is None for call in self._calls.values())

    @property
    def calls(self) -> tuple[AnyCall, ...]:
        """Return the calls of which something is left: waiting, live or ending."""
        return tuple(self._calls.values())

    def find(self, key: Key) -> AnyCall | None:
        """Return a waiting or live call."""
        return self._calls.get(key)

    def was_here(self, key: Key) -> bool:
        """Say whether there was such a call, lately."""
        return key in self._outcomes

    @property
    def refused(self) -> Mapping[str, int]:
        """Return how many calls could not be taken, by reason; every reason is there from the start."""
        return self._admission.refused

    # ------------------------------------------------------------ webhooks

    async def answer(self, webhook: Webhook) -> str:
        """Return TwiML for a signed webhook; the same one for the same call, however often it is delivered.

        A bug here ends no other call, and its caller hears the failure sentence before Twilio has lost patience.
        """
        is_new = webhook.key not in self._calls
        try:
            with trio.fail_after(ANSWER_SECONDS):
                return await self._answer(webhook)
        except Exception as error:  # the top of a webhook
            log.exception("webhook crashed", call_id=webhook.call_sid, agent=webhook.agent.name)
            call = self._calls.get(webhook.key)
            if is_new and call is not None:
                call.abandon(f"crashed: {in_words(error)}")
            return twiml.hangup_twiml(webhook.agent.failure_sentence)

    async def _answer(self, webhook: Webhook) -> str:
        bind_contextvars(call_id=webhook.call_sid)  # what goes wrong from here on is logged with it
        call_id = None if webhook.key in self._calls else await self._new_id(webhook)
        call = self._calls.get(webhook.key)  # no await from here to its birth: two deliveries, one call
        if any(live.call_id == call_id for live in self._calls.values()):
            call_id = f"{webhook.call_sid}-{webhook.agent.name}"  # two agents were asked at the same moment
        if call is None and call_id is None:
            return twiml.hangup_twiml()  # a webhook of a call that is over: a replay, never a new call
        if call is None and self._refuses(webhook):
            closing = self.settings.server.when_draining if self.is_closing else ""
            return twiml.refusal_twiml(closing or self._admission.choice(webhook.agent))
        call = call or self._open(webhook, call_id or webhook.call_sid)
        await self._wait_on_disk(call)
        if call.end is not None:  # it crashed at its birth; or it is over, and its goodbyes are being said
            return twiml.hangup_twiml(call.agent.sentence(call.end.say))
        return self._connect_twiml(webhook, call)

    async def _wait_on_disk(self, call: AnyCall) -> None:
        """Let a call that Twilio is told of have a record, whatever happens next; but no disk keeps a caller out."""
        with trio.move_on_after(DISK_SECONDS) as waiting:
            await call.wait_on_disk()
        if waiting.cancelled_caught:
            log.warning(
                "the disk is slow: a webhook is answered before its call's tape is there",
                call_id=call.call_id,
            )

    def _refuses(self, webhook: Webhook) -> bool:
        """Say whether there is no room for a new call; one that is let in counts as its caller's."""
        calls = [call for call in self._calls.values() if call.end is None]
        left_over = len(self._calls) - len(calls)  # as many as there may be calls: beyond that they take room
        waiting = sum(call.is_waiting for call in calls)
        load = Load(
            live=len(calls) + max(0, left_over - self.settings.server.max_calls),
            of_agent=sum(call.agent.name == webhook.agent.name for call in calls),
            waiting=waiting,
            has_room=self.host.has_room,
            is_late=self.host.is_late,
            has_files=self.host.files_left >= SPARE_FILES + FILES_A_CALL * (waiting + 1),
        )
        number, now = webhook.form.get("From", ""), trio.current_time()
        self._admission.follow(self.settings.server)
        reason = self._admission.refuse(webhook.agent, number, load, now=now, is_draining=self.is_closing)
        if reason:
            log.warning(
                "call refused",
                call_id=webhook.call_sid,
                agent=webhook.agent.name,
                reason=reason,
                live=load.live,
                of_agent=load.of_agent,
                waiting=load.waiting,
            )
        return bool(reason)

    def _connect_twiml(self, webhook: Webhook, call: AnyCall) -> str:
        public, name = self.settings.server.public_url, webhook.agent.name
        return twiml.connect_twiml(
            stream_url=f"{twilio.websocket_url(public)}/voice/ws/{name}{call.way}",
            action_url=f"{public}/voice/{name}/next",
            token=call.token,
        )

    async def _new_id(self, webhook: Webhook) -> str | None:
        """Return an id for the call of this webhook: its CallSid, with the agent's name if another agent had it.

        None when this agent had this call before: remembered, on a tape, or forgotten. A disk may be slow, so in a
        thread.
        """
        if webhook.key in self._outcomes:
            return None
        for call_id in (webhook.call_sid, f"{webhook.call_sid}-{webhook.agent.name}"):
            agent = await trio.to_thread.run_sync(
                self._agent_before, call_id, limiter=self._disk, abandon_on_cancel=True
            )
            if agent is None:
                return call_id
            if agent in (webhook.agent.name, NOBODY):
                return None
        return None

    def _agent_before(self, call_id: str) -> str | None:
        """Return who had the call of this id; nobody may have one that was erased. Blocks."""
        is_forgotten = Forgotten.in_folder(self.settings.data_folder).has(call_id)
        return NOBODY if is_forgotten else self.host.agent_taped_as(call_id)

    def _open(self, webhook: Webhook, call_id: str) -> AnyCall:
        log.info("call accepted", call_id=call_id, agent=webhook.agent.name, live=self.live + 1)
        return self.take(webhook, call_id, secrets.token_urlsafe(24))

    def take(self, webhook: Webhook, call_id: str, token: str) -> AnyCall:
        """Begin a call that was let in."""
        call = self.host.begin_call(webhook, call_id, token)
        self._calls[webhook.key] = call
        assert self._nursery is not None
        self._nursery.start_soon(self._keep, webhook.key, call, name=f"call {call.call_id}")
        return call

    async def _keep(self, key: Key, call: AnyCall) -> None:
        bind_contextvars(call_id=call.call_id, agent=call.agent.name)  # for its tasks, its tools and theirs
        try:
            await call.run()
        finally:
            self._calls.pop(key, None)
            self.on_gone(key)
            self._outcomes[key] = call.agent.sentence(call.end.say if call.end else "")
            if call.end is None or call.end.by != "caller":
                seconds = SAY_SECONDS if call.end and call.end.say else NEXT_SECONDS
                self._unasked[key] = (
                    trio.current_time() + seconds
                )  # Twilio asks what comes next within moments
            if len(self._outcomes) > MOST_REMEMBERED:
                self._unasked.pop(self._outcomes.popitem(last=False)[0], None)
            if not self._calls:
                self._quiet.set()

    # ------------------------------------------------------------ action requests

    async def next_twiml(self, call_sid: str, agent: str) -> str:
        """Return what Twilio shall do after the stream: what the call decided, else hang up.

        Whose call nobody here knows was in a process that is gone; they hear the failure sentence too.
        """
        try:
            return await self._next_twiml(call_sid, agent)
        except Exception:  # the top of a webhook
            log.exception("webhook crashed", call_id=call_sid, agent=agent)
            return twiml.hangup_twiml(self._failure_sentence(agent))

    def _failure_sentence(self, agent: str) -> Sentence:
        known = self.settings.agents.get(agent)
        return known.failure_sentence if known is not None else twiml.NOTHING

    async def _next_twiml(self, call_sid: str, agent: str) -> str:
        call = self._calls.get((call_sid, agent))
        self._unasked.pop((call_sid, agent), None)
        if call is not None:
            await call.settle()
        if call is not None and call.end is not None:
            return twiml.hangup_twiml(call.agent.sentence(call.end.say))
        if call is not None:  # Twilio left it, though its socket hasn't told us yet; or never got in with one
            say = call.agent.failure_sentence.text if call.is_waiting else ""
            call.stop("caller", "media stream ended", say=say)
            return twiml.hangup_twiml(call.agent.sentence(call.end.say if call.end is not None else say))
        outcome = self._outcomes.get((call_sid, agent))
        return twiml.hangup_twiml(self._failure_sentence(agent) if outcome is None else outcome)

    # ------------------------------------------------------------ closing

    def refuse_calls(self) -> None:
        """Take no more calls; those that are there go on."""
        self.is_closing = True

    async def drain(self, seconds: float) -> None:
        """Take no more calls, let the live ones end by themselves for a while, once, then end the rest."""
        if self._has_drained:
            seconds = 0
        self._has_drained = self.is_closing = True
        with trio.move_on_after(seconds):
            await self.wait_quiet()
        await self.end_calls()
        while any(until > trio.current_time() for until in self._unasked.values()):  # noqa: ASYNC110 - seldom, and short
            await trio.sleep(0.02)

    async def end_calls(self) -> None:
        """End all calls, and wait until they have said goodbye."""
        for call in list(self._calls.values()):
            call.stop("operator", "the daemon is shutting down", say=self.settings.server.closing_sentence)
        with trio.move_on_after(LAST_SECONDS):
            await self.wait_quiet()

    async def wait_quiet(self) -> None:
        """Return when no call is waiting or live."""
        while self._calls:
            if self._quiet.is_set():
                self._quiet = trio.Event()
            await self._quiet.wait()


DISK_SECONDS: Final = 0.5
"""How long the answer to a webhook may wait for a disk. It takes a millisecond; a caller only hears it ring longer."""

NEXT_SECONDS: Final = 0.6
"""How long after a call a draining daemon still waits for Twilio to ask what comes next; it asks at once."""

SAY_SECONDS: Final = 2.0
"""The same for a call whose caller has still to be told something."""

LAST_SECONDS: Final = 1.6
"""What a call may take to end: its linger, its goodbyes, and a little."""
