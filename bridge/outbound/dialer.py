"""Makes calls: asks whether one may be made, gives it a record, has Twilio ring, and ends what nobody answers.

What a call does is its heart's to decide, as with every call. Here is what only the process can do that answers
Twilio: the REST API, and the requests that come for a call before it has a media stream.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
import trio
from attrs import define, field
from structlog.contextvars import bound_contextvars

from bridge.agents import Agent
from bridge.calls.answering import refused
from bridge.calls.host import load_of
from bridge.calls.intake import Webhook
from bridge.calls.knowledge import Origin
from bridge.calls.setup import CurrentSetup, Setup
from bridge.calls.switchboard import SECRET_BYTES, Switchboard
from bridge.errors import LinkError, OutboundError
from bridge.given import OUTBOUND
from bridge.outbound.permission import REASONS, Wish, agent_of, check_number, check_setup, check_variables
from bridge.outbound.placing import NotPlaced, Placing
from bridge.outbound.rates import Rates
from bridge.outbound.rest import Rest
from bridge.outbound.ring import Ring, State, new_id
from bridge.outbound.twilio_errors import ALREADY_OVER
from bridge.wire import outbound as wire
from bridge.wire.requests import REST, Request

MOST_REMEMBERED: Final = 10_000
"""Calls whose outcome may still be asked for."""

LATE_SECONDS: Final = 12
"""After ring_seconds: Twilio rings 5 s longer, and its callbacks take a moment. Then it is asked."""

BACK_SECONDS: Final = 10
"""How long an answered call that is over may take to be over at Twilio, too."""

LAST_SECONDS: Final = 1
"""What Twilio may take to say that it has ended a call."""

DRAIN_SECONDS: Final = 3
"""What Twilio may take to be told, when the daemon ends, that nobody shall be rung any more."""

SPARE_SECONDS: Final = 60
"""By which a call outlives its own limit at Twilio, so that the limit has its words."""

MOST_SECONDS: Final = 14_400
"""Twilio's own limit of a call, unless the account has a longer one."""

PUBLIC: Final = "/voice/{agent}/out/{call_id}"
log = structlog.get_logger(__name__)


@define(eq=False)
class Dialer:
    """All calls that are being made; in the process that answers Twilio, wherever they are carried."""

    current: CurrentSetup
    switchboard: Switchboard
    rest_of: Callable[[Setup], Rest] = field(default=lambda setup: Rest.of(setup.settings, setup.secrets))
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    refused: dict[str, int] = field(factory=lambda: dict.fromkeys(REASONS, 0))
    _rings: dict[str, Ring] = field(factory=dict)
    _over: OrderedDict[str, State] = field(factory=OrderedDict)
    _sids: OrderedDict[str, None] = field(factory=OrderedDict)
    _rates: Rates = field(factory=Rates)
    _files: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(2))
    _nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the nursery in which calls are made, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    # ------------------------------------------------------------ asking for a call

    async def ask(self, wish: Wish) -> State:
        """Begin a call and return how far it is; it rings by and by. Raises `OutboundError` with why it is not made."""
        try:
            return await self._ask(wish)
        except OutboundError as error:
            if error.reason in self.refused:
                self.refused[error.reason] += 1
            log.warning("call not made", agent=wish.agent[:60], reason=error.reason, why=str(error))
            raise

    async def _ask(self, wish: Wish) -> State:
        setup = self.current.setup
        settings = setup.settings
        outbound = check_setup(settings, has_tokens=bool(setup.secrets.auth_tokens))
        agent = agent_of(settings, wish.agent)
        check_variables(agent, wish.variables)
        number = await trio.to_thread.run_sync(
            check_number, settings, wish, self.now(), limiter=self._files, abandon_on_cancel=True
        )
        # No await from here to the call's birth: what is counted is what there is.
        if self.switchboard.is_closing or self._nursery is None:
            raise OutboundError("the daemon is ending, or not up yet: no calls are made", "draining")
        if any(ring.number == number for ring in self._rings.values()):
            raise OutboundError("this number is being called already", "same_number")
        self._rates.check(outbound, len(self._rings), trio.current_time())
        load = load_of(
            self.switchboard.calls, self.switchboard.host, agent, max_calls=settings.server.max_calls
        )
        if reason := self.switchboard.admission.room(agent, load, is_draining=self.switchboard.is_closing):
            raise OutboundError(f"there is no room for one more call ({reason})", "no_room")
        at = self._rates.count(outbound, trio.current_time())
        ring = self._begin(setup, agent, number, wish)
        self._nursery.start_soon(self._follow, setup, ring, at, name=f"ring {ring.call_id}")
        return ring.state()

    def _form(
        self, setup: Setup, agent: Agent, number: str, *, url: str, nonce: str
    ) -> list[tuple[str, str]]:
        assert agent.outbound is not None
        return wire.call_form(
            agent.outbound,
            to=number,
            caller_id=setup.settings.outbound.caller_id,
            max_seconds=longest_seconds(agent),
            url=url,
            nonce=nonce,
        )

    def _begin(self, setup: Setup, agent: Agent, number: str, wish: Wish) -> Ring:
        """Let the call be born: it has a record from here on."""
        call_id, settings = new_id(), setup.settings
        form = {"AccountSid": settings.twilio.account_sid, "To": number, "From": settings.outbound.caller_id}
        asked = self._form(setup, agent, number, url="", nonce="")
        webhook = Webhook(
            setup, agent, wire.without_nonce(asked) | form, "/2010-04-01/Calls.json",
            origin=Origin(self.now(), OUTBOUND, wish.variables, outgoing_id=call_id),
        )  # fmt: skip
        log.info("call asked for", call_id=call_id, agent=agent.name, live=self.switchboard.live + 1)
        call = self.switchboard.take(webhook, call_id, secrets.token_urlsafe(SECRET_BYTES))
        ring = self._rings[call_id] = Ring(webhook.key, number, call)
        return ring

    # ------------------------------------------------------------ one call

    async def _follow(self, setup: Setup, ring: Ring, at: float) -> None:
        """Have Twilio ring at that time, and see that both sides agree when it is over."""
        with bound_contextvars(call_id=ring.call_id):
            try:
                await self._live(setup, ring, at)
            except Exception:  # the top of a call that is made
                log.exception("a call that was made could not be followed")
                ring.call.abandon("crashed: the call could not be followed")
            finally:
                self._let_go(ring)

    async def _live(self, setup: Setup, ring: Ring, at: float) -> None:
        with trio.move_on_at(at):
            await ring.call.over.wait()
        if ring.call.end is not None:
            return
        rest = self.rest_of(setup)
        await self._place(rest, setup, ring)
        if not ring.call_sid:
            return
        await self._wait_answered(rest, ring)
        await ring.call.over.wait()
        await self._end(rest, ring)

    async def _place(self, rest: Rest, setup: Setup, ring: Ring) -> None:
        """Never cancelled by the end of its call: whether it was made has to be known, to end it."""
        agent = ring.call.agent
        url = setup.settings.server.own_url + PUBLIC.format(agent=agent.name, call_id=ring.call_id)
        form = self._form(setup, agent, ring.number, url=url, nonce=ring.call.routes.nonce(0))

        def is_anothers(sid: str) -> bool:
            return sid in self._sids and sid != ring.call_sid  # which a callback may have named already

        placed = await Placing(rest, form, is_anothers).place()
        if isinstance(placed, NotPlaced):
            log.warning("Twilio did not make a call", why=placed.why, code=placed.code)
            ring.why_not_placed = placed.why
            await self._tell(ring, status=str(placed.status), code=str(placed.code), why=placed.why)
            return
        self._bind(ring, placed.sid)
        ring.has_status(ring.status or "queued")
        await self._tell(ring, status="201", CallSid=placed.sid, call_status="queued")

    async def _tell(self, ring: Ring, **said: str) -> None:
        """Let a call know what Twilio's REST API said of it."""
        await ring.call.ask(Request(REST, 0, "", said))

    def _bind(self, ring: Ring, call_sid: str) -> None:
        """Know the call by Twilio's name too: from its REST answer, or from a callback that came before."""
        if ring.call_sid:
            return
        ring.call_sid = call_sid
        self._sids[call_sid] = None
        if len(self._sids) > MOST_REMEMBERED:
            self._sids.popitem(last=False)
        self.switchboard.name(ring.key, call_sid)

    async def _wait_answered(self, rest: Rest, ring: Ring) -> None:
        """Ask Twilio about a call of which it tells nothing, once: a callback may have been lost."""
        assert ring.call.agent.outbound is not None
        with trio.move_on_after(ring.call.agent.outbound.ring_seconds + LATE_SECONDS) as waiting:
            await ring.call.over.wait()
        if not waiting.cancelled_caught or ring.is_answered:
            return
        try:
            seen = await rest.look(ring.call_sid)
        except LinkError as error:
            log.warning("a call that rings for too long could not be looked up", why=str(error))
            return
        log.warning("a callback of Twilio's is missing: the call was looked up", status=seen.status)
        ring.has_status(seen.status)
        await self._tell(ring, status="200", CallSid=ring.call_sid, call_status=seen.status)

    async def _end(self, rest: Rest, ring: Ring) -> None:
        """See that what is over here is over at Twilio: one that rings at once, else if it didn't end by itself."""
        if ring.is_answered:
            with trio.move_on_after(BACK_SECONDS):
                await ring.wait_final()
        if ring.is_final:
            return
        try:
            answer = await rest.end(ring.call_sid, "completed" if ring.is_answered else "canceled")
            if answer.json.get("status") == "in-progress":  # answered in the same moment
                answer = await rest.end(ring.call_sid, "completed")
        except LinkError as error:
            log.error("a call could not be ended at Twilio; it may ring on", why=str(error))
            return
        if answer.status >= 300 and answer.json.get("code") not in ALREADY_OVER:
            log.error("Twilio did not end a call", status=answer.status)
        with trio.move_on_after(LAST_SECONDS):  # so that its last word finds somebody
            await ring.wait_final()

    def _let_go(self, ring: Ring) -> None:
        self._rings.pop(ring.call_id, None)
        self._over[ring.call_id] = ring.state()
        if len(self._over) > MOST_REMEMBERED:
            self._over.popitem(last=False)

    # ------------------------------------------------------------ what others ask

    @property
    def live(self) -> int:
        """Return how many calls are not over, here or at Twilio."""
        return len(self._rings)

    def state(self, call_id: str) -> State | None:
        """Return how far a call is, or what came of it lately."""
        ring = self._rings.get(call_id)
        return ring.state() if ring is not None else self._over.get(call_id)

    @property
    def ringing(self) -> int:
        """Return how many calls were asked for and not answered yet."""
        return sum(not ring.is_answered and ring.call.end is None for ring in self._rings.values())

    # ------------------------------------------------------------ what Twilio asks and tells

    async def answer(self, agent: str, call_id: str, request: Request) -> str:
        """Return what Twilio is told; nothing opens for a call that was given up, or without its secret."""
        ring = self._rings.get(call_id)
        if ring is None or ring.key[1] != agent or not ring.is_proven(request):
            what = (
                "it was given up, or is none of ours"
                if ring is None
                else "it can't prove which call it is about"
            )
            log.warning(
                "request about a call that is made refused", call_id=call_id, asked=request.kind, why=what
            )
            return refused(request)
        self._bind(ring, request.call_sid)
        ring.told(request)
        answer = await ring.call.ask(request)
        return refused(request) if answer is None else answer

    # ------------------------------------------------------------ closing

    async def drain(self) -> None:
        """Ring nobody any more; return when Twilio knows, or after a moment."""
        for ring in list(self._rings.values()):
            if not ring.is_answered:
                ring.call.stop("operator", "the daemon is shutting down")
        with trio.move_on_after(DRAIN_SECONDS):
            while any(not ring.is_answered for ring in self._rings.values()):  # noqa: ASYNC110 - seldom, and short
                await trio.sleep(0.02)


def longest_seconds(agent: Agent) -> int:
    """Return when Twilio shall cut a call off that nobody else has ended: never before somebody it was put through to
    has talked for as long as they may."""
    talks = (place.ring_seconds + place.talk_seconds for place in agent.transfer.values())
    return min(agent.limits.max_call_seconds + SPARE_SECONDS + max(talks, default=0), MOST_SECONDS)
