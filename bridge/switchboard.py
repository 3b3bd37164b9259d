"""Which calls exist, waiting or live; how many may; which socket belongs to which call; what comes after each."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeAlias

import structlog
import trio
from attrs import asdict, define, field, frozen
from structlog.contextvars import bind_contextvars

from bridge import __version__, tape, twilio
from bridge.admission import Admission, Load
from bridge.call import Call
from bridge.config import Agent, Settings
from bridge.current import Current, Setup
from bridge.forgotten import Forgotten
from bridge.links import MOST_BYTES_BEFORE_START, Link, PhoneSocket
from bridge.live import LiveCall
from bridge.reaper import LOOK_SECONDS, reap
from bridge.recorder import Recorder
from bridge.tape import HTTP, PHONE, TWILIO, Header, Line
from bridge.tools import HANG_UP

MOST_REMEMBERED: Final = 10_000
"""Ended calls whose outcome Twilio may still ask for; it asks within seconds."""

START_SECONDS: Final = 10
MOST_BEFORE_START: Final = 50
"""How long, and for how many messages, a socket may go on without its `start`."""

NOBODY: Final = "*"
"""Stands for the agent of a call that was erased: no agent has that name."""

POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011
Key: TypeAlias = tuple[str, str]
log = structlog.get_logger(__name__)


@frozen
class Webhook:
    """A signed request for a new call, and what was current when it came: that is what the call is made with."""

    setup: Setup
    agent: Agent
    form: Mapping[str, str]
    url: str

    @property
    def call_sid(self) -> str:
        """Return the key of the whole call."""
        return self.form["CallSid"]

    @property
    def key(self) -> Key:
        """Return what makes this request the same as another."""
        return self.call_sid, self.agent.name


@define(eq=False)
class Switchboard:
    """All calls of this process."""

    current: Current
    recorder: Recorder
    watch: Callable[[str, Line], None] | None = None
    start_seconds: float = START_SECONDS
    is_closing: bool = False
    look_seconds: float = LOOK_SECONDS
    _has_drained: bool = False
    _admission: Admission = field(init=False)
    _calls: dict[Key, LiveCall] = field(factory=dict)
    _outcomes: OrderedDict[Key, str] = field(factory=OrderedDict)
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
        return [(call.call_id, int(now - call.born)) for call in self._calls.values()]

    @property
    def live(self) -> int:
        """Return how many calls are waiting or live."""
        return len(self._calls)

    @property
    def calls(self) -> tuple[LiveCall, ...]:
        """Return the calls that are waiting or live."""
        return tuple(self._calls.values())

    @property
    def refused(self) -> Mapping[str, int]:
        """Return how many calls could not be taken, by reason; every reason is there from the start."""
        return self._admission.refused

    # ------------------------------------------------------------ webhooks

    async def answer(self, webhook: Webhook) -> str:
        """Return TwiML for a signed webhook; the same one for the same call, however often it is delivered."""
        bind_contextvars(call_id=webhook.call_sid)  # what goes wrong from here on is logged with it
        call_id = None if webhook.key in self._calls else await self._new_id(webhook)
        call = self._calls.get(webhook.key)  # no await from here on: two deliveries can't make two calls
        if any(live.call_id == call_id for live in self._calls.values()):
            call_id = f"{webhook.call_sid}-{webhook.agent.name}"  # two agents were asked at the same moment
        if call is None and call_id is None:
            return twilio.hangup_twiml()  # a webhook of a call that is over: a replay, never a new call
        if call is None and self._refuses(webhook):
            closing = self.settings.server.when_draining if self.is_closing else ""
            return twilio.refusal_twiml(closing or self._admission.choice(webhook.agent))
        return self._connect_twiml(webhook, call or self._open(webhook, call_id or webhook.call_sid))

    def _refuses(self, webhook: Webhook) -> bool:
        """Say whether there is no room for a new call; one that is let in counts as its caller's."""
        calls = self._calls.values()
        load = Load(
            live=len(calls),
            of_agent=sum(call.agent.name == webhook.agent.name for call in calls),
            waiting=sum(call.is_waiting for call in calls),
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
                **asdict(load),
            )
        return bool(reason)

    def _connect_twiml(self, webhook: Webhook, call: LiveCall) -> str:
        public, name = self.settings.server.public_url, webhook.agent.name
        return twilio.connect_twiml(
            stream_url=f"{twilio.websocket_url(public)}/voice/ws/{name}",
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
        return NOBODY if is_forgotten else self.recorder.agent_taped_as(call_id)

    def _open(self, webhook: Webhook, call_id: str) -> LiveCall:
        """Give birth to a call: its model leg connects while Twilio is still setting up the stream."""
        setup, header = webhook.setup, self._header(webhook, call_id)
        call = LiveCall(
            call_id=header.call_id,
            account_sid=header.account_sid,
            agent=webhook.agent,
            address=setup.address,
            tools=setup.tools[webhook.agent.name],
            tape=self.recorder.open_tape(header),
            call=Call(webhook.agent, header.tools),
            token=secrets.token_urlsafe(24),
        )
        if self.watch is not None:
            watch = self.watch
            call.tape.watch = lambda line: watch(call.call_id, line)
        form = tape.webhook_form(webhook.form, masked=setup.settings.recording.mask_numbers)
        http = {"method": "POST", "url": webhook.url, "form": form}
        call.record(Line(t_ms=0, leg=HTTP, sender=TWILIO, http=http))
        call.begin()
        self._calls[webhook.key] = call
        assert self._nursery is not None
        self._nursery.start_soon(self._keep, webhook.key, call, name=f"call {call.call_id}")
        return call

    def _header(self, webhook: Webhook, call_id: str) -> Header:
        setup, form = webhook.setup, webhook.form
        recording = setup.settings.recording
        show = tape.mask if recording.mask_numbers else str
        definitions = [tool.definition for tool in setup.tools[webhook.agent.name].values()]
        return Header(
            call_id=call_id,
            call_sid=webhook.call_sid,
            account_sid=form.get("AccountSid", ""),
            agent=webhook.agent.name,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            caller=show(form.get("From", "")),
            called=show(form.get("To", "")),
            model=setup.address.model,
            code=__version__,
            has_audio=recording.audio,
            settings=tape.settings_of(webhook.agent),
            tools=[*definitions, HANG_UP],
        )

    async def _keep(self, key: Key, call: LiveCall) -> None:
        bind_contextvars(call_id=call.call_id, agent=call.agent.name)  # for its tasks, its tools and theirs
        log.info("call accepted", call_id=call.call_id, agent=call.agent.name, live=self.live)
        try:
            await call.run()
        finally:
            self._calls.pop(key, None)
            self._outcomes[key] = call.end.say if call.end else ""
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

    def next_twiml(self, call_sid: str, agent: str) -> str:
        """Return what Twilio shall do after the stream: what the call decided, else hang up."""
        call = self._calls.get((call_sid, agent))
        self._unasked.pop((call_sid, agent), None)
        if call is not None and call.end is not None:
            return twilio.hangup_twiml(call.end.say)
        if call is not None:
            call.stop("caller", "media stream ended")  # Twilio left it, though its socket hasn't told us yet
        return twilio.hangup_twiml(self._outcomes.get((call_sid, agent), ""))

    # ------------------------------------------------------------ media sockets

    async def serve_phone(self, link: PhoneSocket, agent: str) -> None:
        """Live through a media socket: find its call by the first valid `start`, then let the call have it."""
        call, preamble = None, list[str | bytes]()
        with trio.move_on_after(self.start_seconds):
            call = await self._find(link, agent, preamble)
        if call is None:
            with trio.move_on_after(1):
                await link.close(POLICY_VIOLATION, "no call for this socket")
                while await link.receive() is not None:
                    pass
            return
        bind_contextvars(call_id=call.call_id)
        link.trust()
        call.attach(link, preamble)
        await call.phone_is_done()
        with trio.move_on_after(1):
            await link.close(INTERNAL_ERROR)  # nothing happens unless the call crashed before it said goodbye

    async def _find(self, link: Link, agent: str, preamble: list[str | bytes]) -> LiveCall | None:
        left = MOST_BYTES_BEFORE_START
        while len(preamble) < MOST_BEFORE_START and left > 0:
            message = await link.receive()
            if message is None:
                return None
            preamble.append(message)
            left -= len(message)
            credentials = twilio.credentials_of(message) if isinstance(message, str) else None
            if credentials is not None:
                return self._claim(agent, credentials, preamble)
        return None

    def _claim(
        self, agent: str, credentials: tuple[str, str, str], preamble: list[str | bytes]
    ) -> LiveCall | None:
        """Return the call that this `start` proves to belong to; a call gives itself away only once."""
        call_sid, account_sid, token = credentials
        call = self._calls.get((call_sid, agent))
        if call is None or call.end is not None:
            known = (call_sid, agent) in self._outcomes or call is not None
            what = "media socket for a call that is over" if known else "media socket for no call of ours"
            log.warning(what, call_id=call_sid[:40], agent=agent)
            return None
        if call.account_sid != account_sid or not secrets.compare_digest(call.token.encode(), token.encode()):
            log.warning("media socket with a wrong token or account", call_id=call_sid, agent=agent)
            return None
        if call.phone.link is not None:
            log.warning("second media socket for a live call", call_id=call_sid, agent=agent)
            note = {"kind": "log", "text": "second media socket refused"}
            call.record(Line(t_ms=call.now_ms(), leg=PHONE, sender=TWILIO, note=note))
            return None
        return call

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
        for call in list(self._calls.values()):
            call.stop("operator", "the daemon is shutting down", say=self.settings.server.closing_sentence)
        with trio.move_on_after(LAST_SECONDS):
            await self.wait_quiet()
        while any(until > trio.current_time() for until in self._unasked.values()):  # noqa: ASYNC110 - seldom, and short
            await trio.sleep(0.02)

    async def wait_quiet(self) -> None:
        """Return when no call is waiting or live."""
        while self._calls:
            if self._quiet.is_set():
                self._quiet = trio.Event()
            await self._quiet.wait()


NEXT_SECONDS: Final = 0.6
"""How long after a call a draining daemon still waits for Twilio to ask what comes next; it asks at once."""

SAY_SECONDS: Final = 2.0
"""The same for a call whose caller has still to be told something."""

LAST_SECONDS: Final = 1.6
"""What a call may take to end: its linger, its goodbyes, and a little."""
