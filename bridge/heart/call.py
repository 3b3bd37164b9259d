"""The heart: one phone call as a state machine. `handle(event, now)` returns what to do; `deadline` says when to
ask again. It reads no clock, draws no random number, does no I/O and never raises for what a peer sent.

Here stands what a call comes to in tables: which part decides on which event (one for each side that tells of them),
what the state asks for after any of them, and what is due when. The parts have a module each.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, assert_never, get_args

from attrs import define, field

from bridge.agents import Agent
from bridge.heart.dead_air import STIRRING, DeadAir
from bridge.heart.decisions import Decisions
from bridge.heart.effects import Effect
from bridge.heart.events import (
    MODEL_LEG,
    AgentWords,
    AwayEvent,
    CallerSpoke,
    ClockRang,
    Event,
    IdleTimedOut,
    KeyPressed,
    LinkStalled,
    MarkReached,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelEvent,
    ModelFinishedAudio,
    ModelSpoke,
    OtherEvent,
    OutgoingEvent,
    PhoneEvent,
    PhoneLeft,
    ResponseCreated,
    SpeechEvent,
    StreamConnected,
    StreamStarted,
    StreamStopped,
    ToolEvent,
)
from bridge.heart.held_audio import HeldAudio
from bridge.heart.keys import Keys
from bridge.heart.last_words import TELLING, LastWords
from bridge.heart.limits.alarms import Alarms
from bridge.heart.limits.catching_up import HELD_UP_MS, CatchingUp
from bridge.heart.limits.patience import Patience
from bridge.heart.limits.time_up import OF_LIMITS, TimeUp
from bridge.heart.parts.agent_voice import FLOWING, AgentVoice
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.caller_side import CallerSide
from bridge.heart.parts.conversation import OF_THE_CONVERSATION, Conversation
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.filler import Filler
from bridge.heart.parts.glance import Glance, glance
from bridge.heart.parts.model_side import ModelSide
from bridge.heart.parts.operator_side import OperatorSide
from bridge.heart.parts.outgoing import OutgoingSide
from bridge.heart.parts.overlap import Overlap
from bridge.heart.parts.protection import Protection
from bridge.heart.parts.reconnect import Reconnect
from bridge.heart.parts.tool_side import ToolSide
from bridge.heart.parts.tool_speech import ToolSpeech
from bridge.heart.parts.ways_out import WaysOut
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import Playout
from bridge.heart.session import OF_A_SIDE_THAT_LEAVES, Session
from bridge.heart.speaking.rules import Rules
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns
from bridge.heart.wishes import OperatorEvent, Stopped
from bridge.prices import Prices
from bridge.settings.outgoing import Outgoing
from bridge.tool_rules import ToolRule

PASSING: Final = frozenset({CallerSpoke, MessageIgnored, AgentWords})
"""What moves nothing that is due, but the alarm for a silent line, which it puts off: fifty a second in each call.
Not while a speech is judged, or an old session is to be left: then the caller's voice decides, or the agent's words."""


@define
class Call:
    """One call, from the accepted webhook to its end."""

    agent: Agent
    tools: Sequence[Mapping[str, Any]] = ()
    is_outgoing: bool = False
    """Whether we call them."""
    prices: Prices | None = None
    """What it is priced by; None for nobody who counts."""
    tool_rules: Mapping[str, ToolRule] = field(factory=dict)
    calm_until: int = 0
    """Nothing is due before: the deadline when it was last looked for. It may have moved away since, never nearer."""

    # What is known.
    _decisions: Decisions = field(factory=Decisions)
    _catching_up: CatchingUp = field(factory=CatchingUp)
    _stream: PhoneStream = field(init=False)
    _callee: Callee = field(init=False)
    _keys: Keys = field(factory=Keys)
    _session: Session = field(init=False)
    _conversation: Conversation = field(init=False)
    _playout: Playout = field(init=False)
    _turns: Turns = field(init=False)
    _tool_calls: ToolCalls = field(init=False)
    _dead_air: DeadAir = field(init=False)
    _last_words: LastWords = field(init=False)

    # What decides.
    _ending: Ending = field(init=False)
    _excursions: Excursions = field(init=False)
    _farewell: Farewell = field(init=False)
    _barge_in: BargeIn = field(init=False)
    _overlap: Overlap = field(init=False)
    _voice: AgentVoice = field(init=False)
    _caller: CallerSide = field(init=False)
    _model: ModelSide = field(init=False)
    _tool: ToolSide = field(init=False)
    _patience: Patience = field(init=False)
    _time_up: TimeUp = field(init=False)
    _reconnect: Reconnect = field(init=False)
    _outgoing: OutgoingSide = field(init=False)
    _operator: OperatorSide = field(init=False)
    _alarms: Alarms = field(init=False)

    def __attrs_post_init__(self) -> None:
        agent, limits, decisions = self.agent, self.agent.limits, self._decisions
        self._stream = PhoneStream(decisions)
        self._callee = Callee(decisions, (agent.outbound or Outgoing()) if self.is_outgoing else None)
        self._session = Session(agent, self.tools)
        self._conversation = Conversation(decisions, self._session)
        self._playout = Playout(limits.lead_ms, keeps_sent=agent.speaking.has_rules or limits.say_again)
        self._turns = Turns(agent.server_turn_detection.create_response, limits.max_turn_seconds * 1000)
        schemas = {tool["name"]: tool.get("parameters") or {} for tool in self.tools}
        most = (limits.tools_at_once, limits.tool_calls_per_call)
        self._tool_calls = ToolCalls(schemas, *most, self.tool_rules)
        self._dead_air = DeadAir(limits.answer_timeout_ms)
        self._last_words = LastWords(bool(agent.transcription_model))
        self._take_sides()
        self._operator = OperatorSide(
            agent, decisions, self._conversation, self._session, self._turns, self._callee, self._farewell,
            self._tool.ways_out,
        )  # fmt: skip
        self._due_alarm()

    def _take_sides(self) -> None:
        """Set up what decides, on what is known."""
        agent, decisions, said, limits = self.agent, self._decisions, self._conversation, self.agent.limits
        stream, session, callee, keys = self._stream, self._session, self._callee, self._keys
        playout, turns, calls = self._playout, self._turns, self._tool_calls
        dead_air, words, held = self._dead_air, self._last_words, HeldAudio(limits.held_caller_audio_ms)
        filler = Filler(decisions, said, stream, playout)
        self._ending = ending = Ending(decisions, playout, turns, calls, held, words)
        self._excursions = away = Excursions(
            agent, decisions, said, stream, session, turns, playout, calls, words, ending, callee
        )
        self._farewell = farewell = Farewell(agent, decisions, said, playout, calls, away, ending)
        self._reconnect = reconnect = Reconnect(
            agent, decisions, session, said, turns, playout, held, keys, words, farewell, callee, stream, filler,
        )  # fmt: skip
        self._barge_in = barge_in = BargeIn(
            agent, decisions, said, stream, keys, turns, playout, dead_air, farewell, calls
        )
        self._voice = voice = AgentVoice(decisions, said, stream, playout, turns, dead_air, farewell, filler)
        guard = Protection(decisions, said, turns, playout, rules := Rules.of(agent))
        self._overlap = overlap = Overlap(
            decisions, stream, session, turns, playout, voice, barge_in, farewell, rules, guard
        )
        self._outgoing = outgoing = OutgoingSide(
            decisions, callee, stream, turns, playout, voice, barge_in, away, ending, limits.farewell_grace_ms
        )
        self._caller = CallerSide(
            decisions, said, stream, session, held, keys, turns, voice, overlap, farewell, away, ending, outgoing,
        )  # fmt: skip
        ways_out = WaysOut(agent, callee, away, barge_in, farewell)
        talk = self._tool_speech(filler, ways_out)
        self._model = ModelSide(
            agent, decisions, session, held, turns, calls, dead_air, barge_in, farewell, away, callee, reconnect, talk,
        )  # fmt: skip
        self._tool = ToolSide(agent, decisions, said, calls, turns, ways_out, talk)
        self._time_up = TimeUp(
            agent, decisions, said, stream, session, turns, playout, calls, barge_in, farewell, away, callee,
            self.prices)  # fmt: skip
        self._patience = Patience(
            decisions, stream, session, keys, turns, calls, dead_air, barge_in, farewell, away, callee, overlap,
            self._time_up)  # fmt: skip
        self._alarms = Alarms(
            limits, self._catching_up, stream, session, keys, playout, turns, dead_air, voice, self._caller,
            self._patience, self._time_up, farewell, away, ending, callee, outgoing, reconnect, talk, overlap,
        )  # fmt: skip

    def _tool_speech(self, filler: Filler, ways_out: WaysOut) -> ToolSpeech:
        return ToolSpeech(
            self.agent, self._decisions, self._conversation, self._session, self._stream, self._keys, self._turns,
            self._tool_calls, self._dead_air, self._farewell, self._excursions, self._callee, filler,
            has_tools=bool(self.agent.mcp) or not all(map(ways_out.has, self._tool_calls.schemas)),
        )  # fmt: skip

    # ------------------------------------------------------------ the two questions

    def begin(self) -> list[Effect]:
        """Return what to do when the webhook was accepted, or the call asked for, at 0 ms."""
        self._decisions.journal.first("call_asked_for" if self.is_outgoing else "webhook_accepted")
        return self._decisions.take()

    def handle(self, event: Event, now: int) -> list[Effect]:
        """Return what to do because of `event`, which happened at `now` (ms since the call's birth)."""
        decisions = self._decisions
        decisions.now = now = now if now > decisions.now else decisions.now
        if self._ending.is_over:
            self._ending.hear_out(event)
            return decisions.take()
        if now < self.calm_until and type(event) in PASSING and not self._is_attentive:
            TABLES[type(event)](self, event)
            return decisions.take()
        if now - self.calm_until >= HELD_UP_MS:
            self._catching_up.notice(self._alarms.first()[0], now)
        self._dead_air.pass_time(now)
        kind = type(event)
        if kind in TELLING:
            self._last_words.follow(event, now)
        if kind in OF_THE_CONVERSATION:
            self._conversation.follow(event)
        if kind in STIRRING:
            self._dead_air.stirred_at = now
        if kind in OF_A_SIDE_THAT_LEAVES and self._session.is_told_of_nobody(
            event, is_caller_here=self._excursions.is_here
        ):
            decisions.journal.counts["told of nobody here"] += 1
        else:
            TABLES[kind](self, event)
        if kind in OF_LIMITS:
            self._time_up.follow(event)  # type: ignore[arg-type]  # those are its kinds
        if kind in FLOWING and self._callee.is_open and self._voice.flows_on(self.calm_until):
            return decisions.take()
        self._settle()
        while (ring := self._due_alarm()) is not None:
            ring()
            self._settle()
        return self._decisions.take()

    @property
    def _is_attentive(self) -> bool:
        return self._turns.is_in_doubt or self._reconnect.is_old

    @property
    def deadline(self) -> int | None:
        """When the heart wants to be asked again if nothing happens before; None when the call is over."""
        return None if self._ending.is_over else self._alarms.first()[0]

    @property
    def alarm_at(self) -> int:
        """When to ring if nothing comes before: a frame of the caller's that comes soon brings along what is due."""
        return self.calm_until + self._alarms.grace_ms

    def glance(self, now: int) -> Glance:
        """Return what can be seen of the call from outside."""
        said, turns, playout, tools = self._conversation, self._turns, self._playout, self._tool_calls
        return glance(now, said, turns, playout, tools, self._time_up.spent_usd, self._operator.listeners)

    # ------------------------------------------------------------ the end

    @property
    def is_over(self) -> bool:
        """Say whether the call has ended: nothing is decided after that."""
        return self._ending.is_over

    @property
    def is_listening(self) -> bool:
        """Say whether the model has still to tell some of the caller's words, though the call is over."""
        return self._ending.is_listening

    def give_up(self) -> None:
        """Take the call for over without a word: its owner has found the heart broken, and ends it by itself."""
        self._ending.is_over = True

    # ------------------------------------------------------------ who decides on what

    def _decide_phone(self, event: PhoneEvent) -> None:
        match event:
            case CallerSpoke():
                self._caller.spoke(event)
            case MarkReached():
                self._voice.mark_reached(event)
            case StreamConnected():
                pass
            case StreamStarted():
                self._caller.stream_started(event)
            case KeyPressed():
                self._caller.key_pressed(event)
            case StreamStopped():
                self._caller.stream_stopped(event)
            case PhoneLeft():
                self._caller.left(event)
            case _:
                assert_never(event)

    def _decide_speech(self, event: SpeechEvent) -> None:
        match event:
            case ModelSpoke():
                self._voice.spoke(event)
            case ModelFinishedAudio():
                self._voice.finished(event)
            case AgentWords():
                self._conversation.take_down(event)
            case IdleTimedOut():
                self._decisions.journal.counts["ignored"] += 1
            case _:
                self._overlap.told(event)

    def _decide_model(self, event: ModelEvent) -> None:
        self._model.told(event)
        if isinstance(event, ResponseCreated):
            self._outgoing.response_created(event)

    def _decide_other(self, event: OtherEvent) -> None:
        match event:
            case MessageIgnored():
                self._decisions.journal.counts["ignored"] += 1
            case ClockRang():
                pass
            case MessageUnknown():
                self._decisions.journal.count(f"unknown {event.leg} message: {event.name}")
            case MessageBroken():
                self._decisions.journal.count(f"broken {event.leg} message: {event.problem}")
            case LinkStalled() if event.leg == MODEL_LEG:
                self._model.gone("the model stopped responding")
            case LinkStalled():
                self._ending.end("caller", "phone leg stalled")
            case Stopped():
                self._time_up.stopped(event)
            case _:
                assert_never(event)

    # ------------------------------------------------------------ what the state asks for

    def _settle(self) -> None:
        """Do what the present state asks for, whichever event led to it."""
        if self._time_up.needs_a_look:
            self._time_up.look()
        if self._callee.is_machine:
            self._outgoing.look()
        if self._ending.is_over:
            return
        self._overlap.look()
        if self._stream.sid and self._callee.hears:
            self._voice.play()
        for ledger in self._playout.settled():
            self._decisions.journal.item(ledger)
        if self._farewell.may_go and not self._turns.is_busy and self._playout.is_idle and self._is_pause:
            return self._farewell.go()
        if self._turns.may_ask and self._may_be_asked:
            self._model.ask()

    @property
    def _is_pause(self) -> bool:
        """Say whether the caller, should a person want them put through, is not in the middle of a word."""
        return not (self._farewell.is_ordered and self._turns.caller_is_talking)

    @property
    def _may_be_asked(self) -> bool:
        """Say whether the model is there for a response that is owed, and the caller for hearing it."""
        if not self._session.is_open or self._farewell.is_near or not self._callee.is_answered:
            return False
        if self._tool_calls.running and not (self._dead_air.is_asked or self._turns.prompt):
            return False  # while a tool runs: if it takes too long, or for words that are no answer
        return not self._keys.are_coming and not self._excursions.is_away

    # ------------------------------------------------------------ what is due when

    def _due_alarm(self) -> Callable[[], None] | None:
        """Return an alarm that is due, or None; and note when the next one will be."""
        if self._ending.is_over:
            return None
        self._patience.look()
        self.calm_until, ring = self._alarms.first()
        return ring if self.calm_until <= self._decisions.now else None


TABLES: Final[Mapping[type[Event], Callable[[Call, Any], None]]] = {
    event: table
    for events, table in (
        (PhoneEvent, Call._decide_phone),
        (SpeechEvent, Call._decide_speech),
        (ModelEvent, Call._decide_model),
        (ToolEvent, lambda call, event: call._tool.told(event)),
        (OutgoingEvent, lambda call, event: call._outgoing.told(event)),
        (AwayEvent, lambda call, event: call._excursions.told(event)),
        (OperatorEvent, lambda call, event: call._operator.told(event)),
        (OtherEvent, Call._decide_other),
    )
    for event in get_args(events)
}
"""Which table an event is in: `events` says it. That each event has its line there, mypy sees."""
