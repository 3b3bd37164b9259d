"""Which calls exist, waiting or live; how many may; what comes after each. Where they are carried is all the same."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from secrets import token_urlsafe
from typing import Final

import structlog
import trio
from attrs import define, evolve, field
from structlog.contextvars import bind_contextvars

from bridge.agents import Agent
from bridge.calls.admission import ELSEWHERE, OUT_OF_HOURS, Admission, Load
from bridge.calls.afterwards import Afterwards
from bridge.calls.answering import refused
from bridge.calls.host import CLOSING, AnyCall, CallHost, load_of, say_goodbye
from bridge.calls.intake import Webhook, key_of
from bridge.calls.messages import Key
from bridge.calls.opening import Answering
from bridge.calls.outcomes import Outcome, Outcomes, lost, names_of, outcome_on_disk, remember
from bridge.calls.reaper import LOOK_SECONDS, reap
from bridge.calls.returns import NOBODY, Name, comes_back, name_for
from bridge.calls.setup import CurrentSetup
from bridge.config import Settings
from bridge.errors import in_words
from bridge.fleet.passing import Fleet
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.reader import Known
from bridge.wire import twiml
from bridge.wire.requests import BACK, NEXT, OF_THE_FAR_END, OF_THE_RECORD, REFUSED, Request
from bridge.wire.routes import asked_at

ANSWER_SECONDS: Final = 10
"""Twilio gives a webhook 15 s, and then plays an error of its own."""

SECRET_BYTES: Final = 32

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
    admission: Admission = field(init=False)
    afterwards: Afterwards = field(init=False)
    fleet: Fleet = field(init=False)
    _calls: dict[Key, AnyCall] = field(factory=dict)
    _outcomes: Outcomes = field(factory=Outcomes)
    _answering: Answering = field(factory=Answering)
    _returned: OrderedDict[Key, Name] = field(factory=OrderedDict)
    """Which call it is now, of CallSids that came back to their agent."""
    _nursery: trio.Nursery | None = None
    _named: OrderedDict[Key, Key] = field(factory=OrderedDict)
    """What Twilio calls the calls that we make."""
    _quiet: trio.Event = field(factory=trio.Event)
    _disk: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(4))

    def __attrs_post_init__(self) -> None:
        self.admission = Admission(self.settings.server)
        self.afterwards = Afterwards(self.current)
        self.fleet = Fleet.of(self.settings, ELSEWHERE)

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

    def latest(self, call_sid: str, agent: str) -> AnyCall | None:
        """Return an agent's latest call under a CallSid, if it is waiting or live."""
        return self._calls.get(self._key(call_sid, agent))

    def was_here(self, call_sid: str, agent: str) -> bool:
        """Say whether there was such a call, lately."""
        return self._key(call_sid, agent) in self._outcomes

    def _key(self, call_sid: str, agent: str) -> Key:
        name = self._returned.get((call_sid, agent))
        key = key_of(call_sid, agent, name.turn if name else 1)
        return self._named.get(key, key)

    def name(self, key: Key, call_sid: str) -> None:
        """Know a call that we make by the CallSid that Twilio has given it, too."""
        remember(self._named, (call_sid, key[1]), key)

    @property
    def unasked(self) -> Mapping[Key, float]:
        """Return the ended calls of which Twilio has not asked what comes next, and until when it should have."""
        return self._outcomes.unasked

    @property
    def refused(self) -> Mapping[str, int]:
        """Return how many calls could not be taken, by reason; every reason is there from the start."""
        return self.admission.refused

    # ------------------------------------------------------------ webhooks
    async def answer(self, webhook: Webhook) -> str:
        """Return TwiML for a signed webhook; the same one for the same call, however often it is delivered.

        A bug here ends no other call, and its caller hears the failure sentence before Twilio has lost patience.
        """
        is_known = self.latest(*webhook.key) is not None or self.was_here(*webhook.key)
        webhook = self._answering.told(webhook, is_known=is_known)
        before = self.latest(*webhook.key)
        try:
            with trio.fail_after(ANSWER_SECONDS):
                return await self._answer(webhook)
        except Exception as error:  # the top of a webhook
            log.exception("webhook crashed", call_id=webhook.call_sid, agent=webhook.agent.name)
            call = self.latest(*webhook.key)
            if call is not None and call is not before:
                call.abandon(f"crashed: {in_words(error)}")
            return self.afterwards.ending(webhook.agent, lost(webhook.agent))

    async def _answer(self, webhook: Webhook) -> str:
        bind_contextvars(call_id=webhook.call_sid)  # what goes wrong from here on is logged with it
        is_known = self._is_known(webhook)
        if not is_known and (answer := await self._elsewhere(webhook)):
            return answer
        name = None if is_known else await self._name_for(webhook)
        call = self.latest(*webhook.key)  # no await from here to its birth: two deliveries, one call
        if call is not None and call.end is None:
            return await self._answer_again(webhook, call)
        is_over = name is not None and name.turn == 1 and self.was_here(*webhook.key)
        if name is None or is_over:  # a replay
            return self.afterwards.ending(call.agent, call.end) if call and call.end else twiml.hangup_twiml()
        if any(live.call_id == name.call_id for live in self._calls.values()):  # two agents asked at once
            name = Name(f"{webhook.call_sid}-{webhook.agent.name}")
        if way := self._pass_on(webhook):
            return way
        if reason := self._refuses(webhook):
            return self._turn_away(webhook, reason)
        return await self._connect(self._open(webhook, name))

    def _is_known(self, webhook: Webhook) -> bool:
        """Say whether a webhook is about a call that is here, or was and can't have come back."""
        call = self.latest(*webhook.key)
        if call is not None and call.end is None:
            return True
        return not comes_back(webhook) and (call is not None or self.was_here(*webhook.key))

    async def _answer_again(self, webhook: Webhook, call: AnyCall) -> str:
        """Answer a webhook for a live call: as the first time, but not one that began a call before it."""
        former = self._returned.get(webhook.key)
        if former is not None and former.former.intersection(webhook.marks):
            log.warning("webhook of a call before this one: refused", agent=webhook.agent.name)
            return twiml.hangup_twiml()
        if call.is_away and webhook.form.get("ErrorCode"):
            return await self._ask(call, Request(REFUSED, 0, webhook.url, webhook.form))
        return await self._connect(call)

    async def _connect(self, call: AnyCall) -> str:
        await self._wait_on_disk(call)
        if call.end is not None:  # it crashed at its birth; or it is over, and its goodbyes are being said
            return self.afterwards.ending(call.agent, call.end)
        return call.routes.connect(1)

    async def _wait_on_disk(self, call: AnyCall) -> None:
        """Let a call that Twilio is told of have a record, whatever happens next; but no disk keeps a caller out."""
        with trio.move_on_after(DISK_SECONDS) as waiting:
            await call.wait_on_disk()
        if waiting.cancelled_caught:
            what = "the disk is slow: a webhook is answered before its call's tape is there"
            log.warning(what, call_id=call.call_id)

    async def _elsewhere(self, webhook: Webhook) -> str:
        """Return the answer for a call that was on a host which is gone, or is to be on another; "" for all others."""
        if (failed := asked_at(webhook.arrival.failed_url)) is not None:
            return await self._next_step(failed.agent, failed.request(webhook.url, webhook.form))
        return self.fleet.elsewhere(webhook.arrival, is_draining=self.is_closing)

    def _turn_away(self, webhook: Webhook, reason: str) -> str:
        closing = self.is_closing and self.settings.server.when_draining
        when_full = closing or self.admission.choice(webhook.agent)
        return self.afterwards.turned_away(webhook.agent, webhook.form, reason, when_full)

    def _pass_on(self, webhook: Webhook) -> str:
        """Return TwiML that leads to another host a call for which there is no room here; "" where it is to stay."""
        if self.fleet.is_alone:
            return ""
        reason = self.admission.room(webhook.agent, self._load(webhook), is_draining=self.is_closing)
        return self.fleet.beyond(webhook.arrival, reason) if reason in ELSEWHERE else ""

    def _load(self, webhook: Webhook) -> Load:
        most, is_open = self.settings.server.max_calls, not webhook.origin.is_closed
        return load_of(self._calls.values(), self.host, webhook.agent, max_calls=most, is_open=is_open)

    def _refuses(self, webhook: Webhook) -> str:
        """Return why a new call can't be had, or nothing; one that is let in counts as its caller's."""
        load = self._load(webhook)
        number, now = webhook.form.get("From", ""), trio.current_time()
        self.admission.follow(self.settings.server)
        reason = self.admission.refuse(webhook.agent, number, load, now=now, is_draining=self.is_closing)
        if reason:
            tell = log.info if reason == OUT_OF_HOURS else log.warning
            about = {"live": load.live, "of_agent": load.of_agent, "waiting": load.waiting}
            tell("call refused", call_id=webhook.call_sid, agent=webhook.agent.name, reason=reason, **about)
        return reason

    async def _name_for(self, webhook: Webhook) -> Name | None:
        """Return the name of a new call, or None; a disk may be slow, so in a thread."""
        return await trio.to_thread.run_sync(
            name_for, webhook, self._look, limiter=self._disk, abandon_on_cancel=True
        )

    def _look(self, call_id: str) -> Known | None:
        """Return who had the call of this id; nobody may have one that was erased. Blocks."""
        is_forgotten = Forgotten.in_folder(self.settings.data_folder).has(call_id)
        return NOBODY if is_forgotten else self.host.taped_as(call_id)

    def _open(self, webhook: Webhook, name: Name) -> AnyCall:
        log.info("call accepted", call_id=name.call_id, agent=webhook.agent.name, live=self.live + 1)
        self._note_turn(webhook, name)
        return self.take(evolve(webhook, turn=name.turn), name.call_id, token_urlsafe(SECRET_BYTES))

    def _note_turn(self, webhook: Webhook, name: Name) -> None:
        """Note which call of its agent's it is under this CallSid, where it isn't the first."""
        key, known = (webhook.call_sid, webhook.agent.name), self._returned
        if name.turn > 1 and (key not in known or known[key].turn != name.turn):
            remember(known, key, name)

    def take(self, webhook: Webhook, call_id: str, secret: str) -> AnyCall:
        """Begin a call that was let in."""
        self._note_turn(webhook, Name(call_id, webhook.turn))
        call = self.host.begin_call(webhook, call_id, secret)
        self._calls[webhook.key] = call
        assert self._nursery is not None
        self._nursery.start_soon(self._keep, webhook.key, webhook.agent, call, name=f"call {call.call_id}")
        return call

    async def _keep(self, key: Key, agent: Agent, call: AnyCall) -> None:
        """Run a call; the agent is the one of the configuration: the call's own, with all it was told, goes with it."""
        bind_contextvars(call_id=call.call_id, agent=call.agent.name)  # for its tasks, its tools and theirs
        try:
            await call.run()
        finally:
            self._calls.pop(key, None)
            self.on_gone(key)
            self._outcomes.add(key, agent, call.end, trio.current_time())
            if not self._calls:
                self._quiet.set()

    # ------------------------------------------------------------ requests about calls that go on

    async def next_step(self, agent: str, request: Request) -> str:
        """Return what Twilio shall do after a stream, or away from one: what the call decides, else hang up.

        Whose call nobody here knows was in a process that is gone; they hear the failure sentence too.
        """
        try:
            with trio.fail_after(ANSWER_SECONDS):
                return await self._next_step(agent, request)
        except Exception:  # the top of a webhook
            log.exception("webhook crashed", call_id=request.call_sid, agent=agent)
            return self.afterwards.lost(agent)

    async def _next_step(self, agent: str, request: Request) -> str:
        call = self._call_of(agent, request)
        if call is not None:
            return await self._ask(call, request)
        known = self.settings.agents.get(agent)
        if request.kind not in ASKED:
            log.warning("request about a call that is not here any more", asked=request.kind, agent=agent)
            if known is not None and request.kind in OF_THE_RECORD:
                self.afterwards.tell(known, request)
            return refused(request)
        key = self._key_of(agent, request)
        self._outcomes.asked(key)
        outcome = self._outcomes.of(key)
        if outcome is None and known is not None:
            outcome = await self._outcome_of(known, request)
        return twiml.hangup_twiml() if outcome is None else self.afterwards.answer(request, outcome)

    def _key_of(self, agent: str, request: Request) -> Key:
        if request.kind != NEXT:
            return self._key(request.call_sid, agent)
        key = key_of(request.call_sid, agent, request.turn)
        return self._named.get(key, key)

    def _call_of(self, agent: str, request: Request) -> AnyCall | None:
        """Return the call that a request is about; the far end's have the CallSid of another leg, and prove theirs."""
        if request.kind not in OF_THE_FAR_END:
            return self._calls.get(self._key_of(agent, request))
        of_agent = (call for call in self._calls.values() if call.agent.name == agent)
        return next(
            (call for call in of_agent if call.routes.are_proven_by(request.nonce, request.number)), None
        )

    async def _ask(self, call: AnyCall, request: Request) -> str:
        """Let a call answer; when nobody is there to do it, it is lost, and its caller hears so."""
        answer = await call.ask(request)
        if request.kind in ASKED:
            self._outcomes.asked(self._key_of(call.agent.name, request))
        if answer is not None:
            return answer
        if request.kind not in ASKED:
            if request.kind in OF_THE_RECORD:
                self.afterwards.tell(call.agent, request)
            return refused(request)
        return self.afterwards.answer(request, Outcome(call.agent, call.end or lost(call.agent)))

    async def _outcome_of(self, agent: Agent, request: Request) -> Outcome:
        """Return how a call of before ended, or was cut off."""
        what = "a caller comes back to a call that is not here any more"
        log.warning(what, call_id=request.call_sid, agent=agent.name)
        names = names_of(agent.name, request)
        look = partial(outcome_on_disk, self.settings.data_folder / "tapes", agent, *names)
        found = await trio.to_thread.run_sync(look, limiter=self._disk, abandon_on_cancel=True)
        return found or Outcome(agent, lost(agent))

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
            await self._part(seconds)
        await self.end_calls()
        while self._outcomes.is_any_awaited(trio.current_time()):  # noqa: ASYNC110 - seldom, and short
            await trio.sleep(0.02)

    async def _part(self, seconds: float) -> None:
        """Return when no call is left; the agents of those that last say goodbye in time."""
        say, ends_at = self.settings.server.closing_sentence, trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for call in list(self._calls.values()):
                nursery.start_soon(say_goodbye, call, ends_at, say, name="goodbye")
            await self.wait_quiet()
            nursery.cancel_scope.cancel(reason="nobody is left")

    async def end_calls(self) -> None:
        """End all calls, and wait until they have said goodbye."""
        for call in list(self._calls.values()):
            call.stop("operator", CLOSING, say=self.settings.server.closing_sentence)
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

ASKED: Final = (NEXT, BACK, REFUSED)
"""Requests whose answer is what the caller hears."""

LAST_SECONDS: Final = 1.6
"""What a call may take to end: its linger, its goodbyes, and a little."""
