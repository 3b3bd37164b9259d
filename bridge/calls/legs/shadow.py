"""A second Realtime session on a live caller that only listens: what it logs is what another turn detection would
have said of them. The heart never hears of it, and whatever happens to it, the call goes on as if it were not there.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import trio
from attrs import define, field

from bridge.agents import Agent
from bridge.errors import DoorShutError, LinkError, first_of, in_words
from bridge.heart.effects import AppendAudio
from bridge.heart.events import ModelErred, SessionCreated, SessionUpdated
from bridge.heart.held_audio import HeldAudio
from bridge.links.model import ModelAddress, wait_silent
from bridge.links.model_door import ModelDoor
from bridge.links.outbox import Outbox
from bridge.links.web_socket import WebSocketLink
from bridge.settings.turn_detection import TurnDetection
from bridge.tapes import tape
from bridge.tapes.tape import BRIDGE, OPENAI, SHADOW, SHADOW_NOTE, Line
from bridge.text.validity import valid_json
from bridge.wire import realtime
from bridge.wire.realtime_session import shadow_session_of

HELD_MS: Final = 3000
"""Audio kept until the session is ready; beyond it the oldest goes, so that the session begins later."""

MOST_MESSAGES: Final = 10_000
MOST_BYTES: Final = 8 * 2**20
"""What it may say in one call: five messages a turn, for an hour of short turns. A shadow that says more floods the
tape, where the call's own lines would be shed for it; so it is given up."""

GOODBYE_SECONDS: Final = 0.5
"""How long it may take to answer our close frame."""

EVENT_ID: Final = "shadow1"


@define(eq=False)
class Shadow:
    """The shadow of one call. `offer` and `leave` never wait, never raise and put nothing on the tape: they are
    called in the middle of a decision, whose lines stand together."""

    agent: Agent
    vad: TurnDetection
    address: ModelAddress
    write: Callable[[Line], None]
    now_ms: Callable[[], int]
    log: Any
    outbox: Outbox = field(factory=Outbox)
    ended: trio.Event = field(factory=trio.Event)
    _held: HeldAudio = field(factory=lambda: HeldAudio(HELD_MS))
    _first_offered: int = 0
    _first_posted: int = 0
    _first_sent: int = 0
    _is_asked: bool = False
    _is_ready: bool = False
    _is_open: bool = False
    _is_told_closed: bool = False
    _messages: int = 0
    _bytes: int = 0
    _given_up: str = ""
    _done: trio.Event = field(factory=trio.Event)

    # ------------------------------------------------------------ what the call says

    def offer(self, append: AppendAudio, message: str) -> None:
        """Give this session what the real one is given; `message` is how that one is told."""
        self._first_offered = self._first_offered or append.first
        if self._is_ready:
            self._post(append.first, message)
        else:
            self._held.add(append.first, append.audio)

    def leave(self) -> None:
        """Say goodbye: the call is over. What was not sent yet is lost."""
        self._done.set()

    @property
    def is_open(self) -> bool:
        """Say whether there is a socket that is not closed yet."""
        return self._is_open and not self.ended.is_set()

    # ------------------------------------------------------------ its life

    async def run_after(self, came: trio.Event) -> None:
        """Let the real session connect first: a shadow is no reason for a later first word."""
        await came.wait()
        await self.run()

    async def run(self) -> None:
        """Live beside the call, until it is over or this session is of no more use. Raises nothing but `Cancelled`."""
        until = trio.current_time() + self.agent.limits.model_ready_ms / 1000
        door = ModelDoor(self.address, until, on_try=self._try, on_failure=self._try_failed)
        try:
            await door.serve(self._serve)
        except* LinkError as refused:
            self._tell(OPENAI, refused=str(first_of(refused)))
            self._give_up("its connection failed")
        except* Exception as crash:  # the edge of a shadow: a bug in it is no reason to end a call
            self.log.exception("shadow crashed")
            self._give_up(f"it crashed: {in_words(crash)}"[:300])
        finally:
            self._conclude()

    def _try(self) -> None:
        self._tell(BRIDGE, upgrade={"method": "GET", "url": self.address.session_url})

    def _try_failed(self, shut: DoorShutError, again_in_ms: int) -> None:
        self._tell(OPENAI, try_failed={"kind": shut.kind, "why": str(shut), "again_in_ms": again_in_ms})

    async def _serve(self, link: WebSocketLink) -> None:
        self._tell(OPENAI, accept={"status": 101})
        self._is_open = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak, link, name="speak to shadow")
            nursery.start_soon(self._listen, link, name="listen to shadow")
            nursery.start_soon(self._feel_pulse, link, name="shadow heartbeat")
            await self._done.wait()
            with trio.move_on_after(GOODBYE_SECONDS):
                await link.close(1000)
            nursery.cancel_scope.cancel(reason="the shadow is gone")

    def _conclude(self) -> None:
        """Put on the tape how it ended; no await, so that a cancelled call has it too."""
        if self._is_open and not self._is_told_closed:
            self._tell_close(BRIDGE, 1000, "")
        if not self._is_ready:
            self._give_up("its session was never ready")
        if self._given_up:
            self._tell(BRIDGE, note={"kind": SHADOW_NOTE, "given_up": self._given_up})
            self.log.warning("shadow given up", why=self._given_up)
        self.ended.set()

    def _give_up(self, why: str) -> None:
        """Let go of this session for the rest of the call; the first reason is the one that is told."""
        self._given_up = self._given_up or why
        self._done.set()

    # ------------------------------------------------------------ speaking

    def _post(self, first: int, message: str) -> None:
        if self._done.is_set():
            return
        self._first_posted = self._first_posted or first
        if not self.outbox.put(message):
            self._give_up("it stalled: it has taken nothing for 5 s")

    async def _speak(self, link: WebSocketLink) -> None:
        while messages := await self.outbox.take():
            if self._done.is_set():
                return
            if self._first_posted and not self._first_sent:
                self._place(self._first_posted)
            await link.send(*messages)

    def _place(self, first: int) -> None:
        """Note where in the caller's audio this session's clock begins; nothing after it is ever left out."""
        self._first_sent = first
        dropped = first - self._first_offered
        note = {"kind": SHADOW_NOTE, "first_frame": first} | ({"dropped": dropped} if dropped else {})
        self._tell(BRIDGE, note=note)

    # ------------------------------------------------------------ listening

    async def _listen(self, link: WebSocketLink) -> None:
        while (message := await link.receive()) is not None:
            self._hear(message)
        closing = link.closing
        if self._done.is_set():
            return self._tell_close(BRIDGE, closing.code, closing.reason)
        self._tell_close(OPENAI, closing.code, closing.reason)
        self._give_up(f"its connection was lost ({closing.code})")

    def _hear(self, message: str | bytes) -> None:
        """Put a message on the tape; of what it says only the session's own beginning is of interest here."""
        self._messages, self._bytes = self._messages + 1, self._bytes + len(message)
        if self._messages > MOST_MESSAGES or self._bytes > MOST_BYTES:
            return self._give_up("it says too much")
        message = valid_json(message) if isinstance(message, str) else message
        event = realtime.parse(message)
        self.write(tape.received(self.now_ms(), SHADOW, OPENAI, message, event))
        match event:
            case SessionCreated() if not self._is_asked:
                self._ask()
            case SessionUpdated() if self._is_asked and not self._is_ready:
                self._begin()
            case ModelErred() if not self._is_ready:
                self._give_up(f"its session was refused ({event.code or event.kind or 'no code'})"[:100])

    def _ask(self) -> None:
        self._is_asked = True
        message = realtime.session_update(EVENT_ID, shadow_session_of(self.agent, self.vad))
        self._tell(BRIDGE, msg=msgspec.Raw(message.encode()))
        self._post(0, message)

    def _begin(self) -> None:
        self._is_ready = True
        for append in self._held.release():
            self._post(append.first, realtime.encode(append))

    async def _feel_pulse(self, link: WebSocketLink) -> None:
        await wait_silent(link)
        self._give_up("it stopped responding")

    # ------------------------------------------------------------ the tape

    def _tell(self, sender: str, **what: Any) -> None:
        self.write(Line(t_ms=self.now_ms(), leg=SHADOW, sender=sender, **what))

    def _tell_close(self, sender: str, code: int, reason: str) -> None:
        self._is_told_closed = True
        self._tell(sender, close={"code": code, "reason": reason})
