"""The heart: one phone call as a state machine. `handle(event, now)` returns what to do; `deadline` says when to
ask again. It reads no clock, draws no random number, does no I/O and never raises for what a peer sent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import Any, Final

from attrs import define, field

from bridge import realtime
from bridge.audio import ms_of
from bridge.config import Agent
from bridge.effects import (
    AddText,
    AnswerTool,
    AppendAudio,
    CancelResponse,
    ClearPlayback,
    CreateResponse,
    Effect,
    EndCall,
    PlayAudio,
    RunTool,
    SendMark,
    TruncateItem,
    UpdateSession,
)
from bridge.events import (
    CallerSpoke,
    ClockRang,
    Event,
    KeyPressed,
    LinkStalled,
    MarkReached,
    MessageBroken,
    MessageIgnored,
    MessageUnknown,
    ModelErred,
    ModelFinishedAudio,
    ModelLeft,
    ModelSpoke,
    ModelTryFailed,
    ModelUnreachable,
    PhoneLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    Stopped,
    StreamConnected,
    StreamStarted,
    StreamStopped,
    ToolAnswered,
    ToolCalled,
    ToolFailed,
    TurnCommitted,
)
from bridge.held import HeldAudio
from bridge.journal import Journal
from bridge.playout import Playout
from bridge.realtime import Policy
from bridge.turns import Turns

HANG_UP: Final = "hang_up"
"""The one built-in tool: it ends the call once its last words were heard."""

CLEAN_CLOSES: Final = (1000, 1001, 1005)
"""Close codes with which Twilio leaves on purpose; 1005 is a close frame without a code."""

KEYS_PAUSE_MS: Final = 1500
"""Keys pressed closer together than this are given to the model as one entry."""

HELD_UP_MS: Final = 100
"""An alarm that rings so late says that the whole process was held up: what peers said meanwhile is still unread."""

CATCH_UP_MS: Final = 500
"""For so long after that, no peer's silence is believed: reading what waits in the sockets takes a few ms."""

_time_of = itemgetter(0)

NO_MORE_TOOLS: Final = "no more tools in this call; tell the caller what you know, or hang up"
"""Whoever talks the agent into calling a tool again and again gets this, and no more of the tool."""

STILL_TALKING: Final = '{"status": "not hung up: the caller went on talking"}'


@define
class Call:
    """One call, from the accepted webhook to its end."""

    agent: Agent
    tools: Sequence[Mapping[str, Any]] = ()
    is_over: bool = False
    _now: int = 0
    _out: list[Effect] = field(factory=list)
    _ids: Iterator[int] = field(factory=lambda: count(1))
    _journal: Journal = field(factory=Journal)

    _stream_sid: str = ""
    _frames: int = 0
    _last_chunk: int = 0
    _last_frame: int = 0
    _last_voice: int = 0
    _keys: str = ""
    _keys_due: int | None = None

    _is_ready: bool = False
    _session_event_id: str = ""
    _is_opened: bool = False
    _held: HeldAudio = field(init=False)

    _playout: Playout = field(init=False)
    _turns: Turns = field(init=False)
    _called: dict[str, None] = field(factory=dict)
    _running: dict[str, str] = field(factory=dict)
    _farewell: tuple[str, str] | None = None
    _farewell_due: int = 0
    _deadline: int = 0
    _caught_up_at: int = 0

    def __attrs_post_init__(self) -> None:
        limits, vad = self.agent.limits, self.agent.turn_detection
        self._held = HeldAudio(limits.held_caller_audio_ms)
        self._playout = Playout(lead_ms=limits.lead_ms)
        self._turns = Turns(vad.create_response, limits.answer_timeout_ms)
        self._due_alarm()

    # ------------------------------------------------------------ the two questions

    def begin(self) -> list[Effect]:
        """Return what to do when the webhook was accepted, at 0 ms."""
        self._journal.first("webhook_accepted")
        return self._take()

    def handle(self, event: Event, now: int) -> list[Effect]:
        """Return what to do because of `event`, which happened at `now` (ms since the call's birth)."""
        if self.is_over:
            return []
        self._now = max(self._now, now)
        if self._now - self._deadline >= HELD_UP_MS:
            self._caught_up_at = self._now + CATCH_UP_MS
        self._decide(event)
        self._settle()
        while (ring := self._due_alarm()) is not None:
            ring()
            self._settle()
        return self._take()

    @property
    def deadline(self) -> int | None:
        """When the heart wants to be asked again if nothing happens before; None when the call is over."""
        return None if self.is_over else self._deadline

    def _due_alarm(self) -> Callable[[], None] | None:
        """Return an alarm that is due, or None; and note when the next one will be."""
        if self.is_over:
            return None
        at, ring = min(self._alarms(), key=_time_of)
        self._deadline = at
        return ring if at <= self._now else None

    def _settle(self) -> None:
        """Do what the present state asks for, whichever event led to it."""
        if self.is_over:
            return
        if self._stream_sid:
            self._play()
        for ledger in self._playout.settled():
            self._journal.item(ledger)
        if self._farewell and not self._turns.active and self._playout.is_idle:
            return self._leave()
        if self._is_ready and not self._running and not self._farewell and self._turns.may_ask:
            self._ask()

    def _decide(self, event: Event) -> None:  # noqa: C901 - a table of one line per event
        match event:
            case CallerSpoke():
                self._on_caller_spoke(event)
            case ModelSpoke():
                self._on_model_spoke(event)
            case MarkReached():
                self._on_mark(event)
            case ClockRang() | StreamConnected():
                pass
            case MessageIgnored():
                self._journal.counts["ignored"] += 1
            case StreamStarted():
                self._on_stream_started(event)
            case KeyPressed():
                self._on_key(event)
            case StreamStopped():
                self._on_stream_stopped(event)
            case PhoneLeft():
                self._end(
                    "caller", "hung up" if event.code in CLEAN_CLOSES else f"media socket lost ({event.code})"
                )
            case SessionCreated():
                self._on_session_created()
            case SessionUpdated():
                self._on_session_updated()
            case SpeechStarted():
                self._on_speech_started()
            case SpeechStopped():
                self._last_voice = self._now
                self._turns.caller_paused(self._now)
            case TurnCommitted():
                self._is_opened = True
                self._turns.caller_ended(self._now)
            case ResponseCreated():
                self._on_response_created(event)
            case ModelFinishedAudio():
                self._playout.complete((event.item_id, event.content_index))
            case ToolCalled():
                self._on_tool_called(event)
            case ToolAnswered():
                self._on_tool_done(event.call_id, event.output)
            case ToolFailed():
                self._on_tool_done(event.call_id, realtime.failure_output(event.kind, event.message))
            case ResponseFinished():
                self._on_response_finished(event)
            case ModelErred():
                self._on_model_erred(event)
            case ModelLeft():
                self._on_model_gone(f"model connection lost ({event.code} {event.reason})".replace(" )", ")"))
            case ModelTryFailed():
                self._journal.count(f"model try failed: {event.kind}", why=event.why[:300])
            case ModelUnreachable():
                self._fail(event.why)
            case MessageUnknown():
                self._journal.count(f"unknown {event.leg} message: {event.name}")
            case MessageBroken():
                self._journal.count(f"broken {event.leg} message: {event.problem}")
            case LinkStalled():
                self._on_stalled(event)
            case Stopped():
                self._end(event.by, event.why, event.say)

    # ------------------------------------------------------------ time

    def _alarms(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield every (time, what happens then): the deadline and the test for it are the same expression."""
        limits = self.agent.limits
        yield limits.max_call_seconds * 1000, lambda: self._end("limit", "longest call reached")
        if self._stream_sid:
            lost_at = self._silent_at(self._last_frame + limits.lost_media_ms)
            yield lost_at, lambda: self._end("caller", "media stopped coming")
            yield self._silent_at(self._last_voice + limits.quiet_seconds * 1000), self._on_quiet
            if self._playout.deadline is not None:
                yield self._playout.deadline, self._play
        else:
            waited_at = self._silent_at(limits.waiting_seconds * 1000)
            yield waited_at, lambda: self._end("limit", "no media stream came")
        if not self._is_ready:
            ready_at = self._silent_at(limits.model_ready_ms)
            yield ready_at, lambda: self._fail("the model was not ready in time")
        if self._turns.answer_due is not None and not self._running and not self._farewell:
            yield self._silent_at(self._turns.answer_due), self._on_no_answer
        if self._turns.retry_at is not None:
            yield self._turns.retry_at, self._turns.retry_is_due
        if self._keys_due is not None and self._is_ready:
            yield self._keys_due, self._give_keys
        if self._farewell:
            yield self._farewell_due, self._leave

    def _silent_at(self, ms: int) -> int:
        """Return when a peer that was to be heard by then has been silent: not before we have read all it said."""
        return max(ms, self._caught_up_at)

    def _on_quiet(self) -> None:
        if self._running or self._turns.is_going_on or self._playout.is_playing(self._now):
            self._last_voice = self._now
        else:
            self._end("limit", "nobody spoke")

    def _on_no_answer(self) -> None:
        active = self._turns.cut_active()
        if active:
            self._say(CancelResponse(self._id(), active))
        if self._turns.nudge(self._now):
            self._journal.count("no answer: asked again")
        else:
            self._fail("the model answered nothing")

    # ------------------------------------------------------------ the phone leg

    def _is_stray(self, stream_sid: str) -> bool:
        """Count and refuse what belongs to no stream of ours: before `start`, or with another streamSid."""
        if stream_sid == self._stream_sid:
            return False
        self._journal.count(
            "media before start" if not self._stream_sid else "message with a wrong streamSid"
        )
        return True

    def _on_stream_started(self, event: StreamStarted) -> None:
        if self._stream_sid:
            return self._journal.count("second start")
        if (event.encoding, event.sample_rate, event.channels) != ("audio/x-mulaw", 8000, 1):
            return self._end("bridge", f"media format {event.encoding} {event.sample_rate} is not µ-law 8000")
        self._stream_sid = event.stream_sid
        self._last_frame = self._last_voice = self._now
        self._journal.first("stream_started")

    def _on_caller_spoke(self, event: CallerSpoke) -> None:
        if self._is_stray(event.stream_sid):
            return
        self._frames += 1
        if self._last_chunk and event.chunk > self._last_chunk + 1:
            self._journal.counts["caller frames lost"] += event.chunk - self._last_chunk - 1
        self._last_chunk, self._last_frame = event.chunk, self._now
        if self._is_ready:
            self._say(AppendAudio(self._frames, self._frames, event.audio))
        else:
            self._held.add(self._frames, event.audio)

    def _on_stream_stopped(self, event: StreamStopped) -> None:
        if not self._is_stray(event.stream_sid):
            self._end("caller", "hung up")

    def _on_mark(self, event: MarkReached) -> None:
        if self._is_stray(event.stream_sid):
            return
        begun = self._playout.reached(event.name, self._now)
        if begun is None:
            self._journal.counts["marks after clear"] += 1
            return
        self._last_voice = self._now
        for ledger in begun:
            self._journal.first("first_audio_heard", at_ms=ledger.first_heard)

    def _on_key(self, event: KeyPressed) -> None:
        if self._is_stray(event.stream_sid):
            return
        self._keys += event.digit
        self._last_voice = self._now
        self._keys_due = self._now + (0 if event.digit == "#" or len(self._keys) >= 32 else KEYS_PAUSE_MS)

    def _give_keys(self) -> None:
        """Tell the model which keys were pressed: tones can't be heard on a media stream."""
        keys, self._keys, self._keys_due = self._keys, "", None
        self._journal.milestone("keys_pressed", keys=len(keys))
        self._say(AddText(self._id(), "user", f"(The caller pressed these keys on the phone: {keys})"))
        self._turns.owe(self._now)

    def _play(self) -> None:
        for piece in self._playout.due(self._now):
            self._journal.first("first_audio_sent")
            item_id, content_index = piece.part
            if piece.audio:
                self._say(PlayAudio(self._stream_sid, item_id, content_index, piece.start, piece.audio))
            if piece.mark:
                self._say(SendMark(self._stream_sid, piece.mark))

    # ------------------------------------------------------------ the model leg

    def _on_session_created(self) -> None:
        if self._session_event_id:
            return self._journal.count("second session.created")
        self._journal.first("model_connected")
        self._session_event_id = self._id()
        self._say(UpdateSession(self._session_event_id, realtime.session_of(self.agent, self.tools)))

    def _on_session_updated(self) -> None:
        """Ask for the opening before any audio is given, so that it can't collide with a turn of the caller's."""
        if self._is_ready:
            return
        self._is_ready = True
        self._journal.first("model_ready")
        self._ask()
        for append in self._held.release():
            self._say(append)

    def _ask(self) -> None:
        """Ask for a response: for the stable opening, until the agent or the caller has begun the conversation."""
        event_id = self._id()
        opening = "" if self._is_opened else realtime.opening_instructions(self.agent)
        self._say(CreateResponse(event_id, opening))
        self._turns.asked(event_id, self._now)

    def _on_speech_started(self) -> None:
        self._last_voice = self._now
        self._turns.caller_began()
        if self.agent.turn_detection.interrupt_response:
            self._withdraw_farewell()
            self._stop_playing(self._turns.cut_active())

    def _stop_playing(self, response_id: str) -> None:
        """Silence the agent now, and tell the model what was heard of each item it had begun."""
        if not self._playout.is_speaking(response_id):
            return
        self._journal.milestone("barge_in")
        if self._stream_sid:
            self._say(ClearPlayback(self._stream_sid))
        for ledger in self._playout.cut(self._now, response_id):
            self._say(
                TruncateItem(
                    self._id(), ledger.item_id, ledger.content_index, audio_end_ms=ms_of(ledger.heard)
                )
            )

    def _on_response_created(self, event: ResponseCreated) -> None:
        self._turns.created(event.response_id)
        if self._turns.caller_is_speaking and self.agent.turn_detection.interrupt_response:
            self._turns.cut_active()  # asked for before we knew that the caller had begun
            self._say(CancelResponse(self._id(), event.response_id))

    def _on_model_spoke(self, event: ModelSpoke) -> None:
        part = (event.item_id, event.content_index)
        if self._turns.is_cut(event.response_id) or not self._playout.takes(part):
            return self._drop_late(event)
        if self._playout.is_full:
            self._journal.count("agent spoke for five minutes without a pause: response cancelled")
            self._turns.cut(event.response_id)
            return self._say(CancelResponse(self._id(), event.response_id))
        self._journal.first("first_audio_generated")
        self._is_opened = True
        self._last_voice = self._now
        self._turns.answered()
        self._playout.add(part, event.response_id, event.audio)
        if self._farewell:
            self._farewell_due = self._latest_farewell()

    def _drop_late(self, event: ModelSpoke) -> None:
        """Drop audio of a response that was cut off; of an item new to us the model learns that it was not heard."""
        self._journal.counts["late audio dropped"] += 1
        if self._playout.refuse((event.item_id, event.content_index)):
            self._say(TruncateItem(self._id(), event.item_id, event.content_index, audio_end_ms=0))

    def _on_response_finished(self, event: ResponseFinished) -> None:
        self._turns.finished(event.response_id, self._now)
        if event.status == "completed":
            self._turns.said_nothing()  # had it spoken or called a tool, nobody would be waiting
        if event.status != "failed":
            return
        self._journal.count(f"response failed: {event.error_code or 'no code'}")
        policy = realtime.policy_of(event.error_code, "", event.error_message)
        if policy is Policy.END or not self._turns.retry(self._now):
            self._fail(f"the model failed to answer ({event.error_code or 'no code'})")

    def _on_model_erred(self, event: ModelErred) -> None:
        code = event.code or event.kind or "no code"
        self._journal.count(f"model error: {code}", message=event.message[:300])
        policy = realtime.policy_of(event.code, event.kind, event.message)
        if event.client_event_id and event.client_event_id == self._session_event_id:
            self._fail(f"the model refused the session ({code}: {event.message[:200]})")
        elif policy is Policy.END:
            self._fail(f"the model ended the session ({code})")
        else:
            was_asked = self._turns.is_asked_by(event.client_event_id)
            is_busy = code == "conversation_already_has_active_response"
            self._turns.refused(event.client_event_id, is_busy=is_busy)
            if policy is Policy.RETRY and was_asked and not self._turns.retry(self._now):
                self._fail(f"the model failed to answer ({code})")

    def _on_stalled(self, event: LinkStalled) -> None:
        if event.leg == realtime.LEG:
            self._on_model_gone("the model stopped responding")
        else:
            self._end("caller", "phone leg stalled")

    def _on_model_gone(self, why: str) -> None:
        """Nothing more will come of the model; its last words can still be heard if it has said goodbye."""
        if not self._farewell:
            return self._fail(why)
        self._journal.count(why)
        self._turns.finished(self._turns.active, self._now)

    # ------------------------------------------------------------ tools

    def _on_tool_called(self, event: ToolCalled) -> None:
        self._turns.answered()
        self._is_opened = True
        if event.call_id in self._called:
            return self._journal.count("tool called twice under one call id")
        self._called[event.call_id] = None
        self._journal.milestone("tool_called", tool=event.name, call_id=event.call_id)
        if event.name == HANG_UP:
            return self._on_hang_up(event)
        self._running[event.call_id] = event.name
        if len(self._called) > self.agent.limits.tool_calls_per_call:
            self._journal.count("tool calls beyond the limit")
            self._on_tool_done(event.call_id, realtime.failure_output("limit", NO_MORE_TOOLS))
        elif all(event.name != tool["name"] for tool in self.tools):
            self._on_tool_done(event.call_id, realtime.failure_output("unknown", "there is no such tool"))
        elif len(self._running) > self.agent.limits.tools_at_once:
            self._on_tool_done(event.call_id, realtime.failure_output("busy", "too many tools at once"))
        else:
            self._say(RunTool(event.call_id, event.name, event.arguments))

    def _on_tool_done(self, call_id: str, output: str) -> None:
        """Give the answer at once, and owe one response when the last running tool has answered."""
        name = self._running.pop(call_id, None)
        if name is None:
            return
        self._journal.milestone("tool_answered", tool=name, call_id=call_id)
        self._say(AnswerTool(self._id(), call_id, output))
        if not self._running:
            self._turns.owe(self._now)

    # ------------------------------------------------------------ endings

    def _on_hang_up(self, event: ToolCalled) -> None:
        self._journal.milestone("hang_up_asked")
        self._farewell = (event.call_id, realtime.reason_of(event.arguments))
        self._farewell_due = self._latest_farewell()
        if self._turns.caller_is_speaking and self.agent.turn_detection.interrupt_response:
            self._withdraw_farewell()  # asked for before the model knew that the caller had begun

    def _latest_farewell(self) -> int:
        return self._now + self._playout.unheard_ms() + self.agent.limits.farewell_grace_ms

    def _withdraw_farewell(self) -> None:
        """The caller has something more to say: stay, and let the model know."""
        if self._farewell:
            self._journal.milestone("hang_up_withdrawn")
            self._say(AnswerTool(self._id(), self._farewell[0], STILL_TALKING))
            self._farewell = None

    def _leave(self) -> None:
        self._end("tool", self._farewell[1] if self._farewell else "hang up")

    def _fail(self, why: str) -> None:
        """The model can't be had: the caller hears the configured sentence instead of dead air."""
        self._end("model", why, say=self.agent.failure_sentence)

    def _end(self, by: str, why: str, say: str = "") -> None:
        if self.is_over:
            return
        for ledger in self._playout.close(self._now):
            self._journal.item(ledger)
        for call_id, name in self._running.items():
            self._journal.note("tool_cancelled", call_id=call_id, tool=name)
        self._journal.first("call_ended")
        if self._held.dropped:
            self._journal.counts["held caller frames dropped"] = self._held.dropped
        self._journal.close()
        self._say(EndCall(by, why, say))
        self.is_over = True

    # ------------------------------------------------------------ saying

    def _say(self, effect: Effect) -> None:
        self._out += self._journal.notes
        self._journal.notes.clear()
        self._out.append(effect)

    def _take(self) -> list[Effect]:
        out = [*self._out, *self._journal.notes]
        self._out.clear()
        self._journal.notes.clear()
        return out

    def _id(self) -> str:
        """Return a fresh event id: a counter, so that a replay makes the same ones."""
        return f"b{next(self._ids)}"
