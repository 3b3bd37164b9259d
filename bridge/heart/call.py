"""The heart: one phone call as a state machine. `handle(event, now)` returns what to do; `deadline` says when to
ask again. It reads no clock, draws no random number, does no I/O and never raises for what a peer sent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from operator import itemgetter
from typing import Any, Final

from attrs import define, field

from bridge.config import Agent
from bridge.heart.audio import is_audible, ms_of
from bridge.heart.dead_air import DeadAir
from bridge.heart.effects import (
    AddText,
    AnswerTool,
    AppendAudio,
    CancelResponse,
    ClearPlayback,
    CommitAudio,
    CreateResponse,
    Effect,
    EndCall,
    PlayAudio,
    RunTool,
    SendMark,
    TruncateItem,
)
from bridge.heart.ending import HANG_UP, STILL_TALKING, reason_of
from bridge.heart.error_policy import Policy, policy_of
from bridge.heart.events import (
    MODEL_LEG,
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
    RateLimitsTold,
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
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.heart.held_audio import HeldAudio
from bridge.heart.journal import Journal
from bridge.heart.keys import Keys, sentence_of
from bridge.heart.last_words import LastWords
from bridge.heart.playout import Playout
from bridge.heart.prompts import failure_output, opening_instructions, patience_instructions
from bridge.heart.session import Session, other_format
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns

CLEAN_CLOSES: Final = (1000, 1001, 1005)
"""Close codes with which Twilio leaves on purpose; 1005 is a close frame without a code."""

HELD_UP_MS: Final = 100
"""An alarm that rings so late says that the whole process was held up: what peers said meanwhile is still unread."""

CATCH_UP_MS: Final = 500
"""For so long after that, no peer's silence is believed: reading what waits in the sockets takes a few ms."""

_time_of = itemgetter(0)

STIRRING: Final = (ResponseCreated, ResponseFinished, ToolCalled, ToolAnswered, ToolFailed)
"""Signs that an answer is on its way."""


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
    _keys: Keys = field(factory=Keys)

    _session: Session = field(init=False)
    _is_opened: bool = False
    _held: HeldAudio = field(init=False)

    _playout: Playout = field(init=False)
    _turns: Turns = field(init=False)
    _dead_air: DeadAir = field(init=False)
    _tool_calls: ToolCalls = field(init=False)
    _last_words: LastWords = field(init=False)
    _farewell: tuple[str, str] | None = None
    _farewell_due: int = 0
    _deadline: int = 0
    _caught_up_at: int = 0

    def __attrs_post_init__(self) -> None:
        limits, vad = self.agent.limits, self.agent.turn_detection
        names = tuple(tool["name"] for tool in self.tools)
        self._tool_calls = ToolCalls(names, limits.tools_at_once, limits.tool_calls_per_call)
        self._session = Session(self.agent, self.tools)
        self._held = HeldAudio(limits.held_caller_audio_ms)
        self._playout = Playout(lead_ms=limits.lead_ms)
        self._turns = Turns(vad.create_response, limits.max_turn_seconds * 1000)
        self._dead_air = DeadAir(limits.answer_timeout_ms)
        self._last_words = LastWords(bool(self.agent.transcription_model))
        self._due_alarm()

    # ------------------------------------------------------------ the two questions

    def begin(self) -> list[Effect]:
        """Return what to do when the webhook was accepted, at 0 ms."""
        self._journal.first("webhook_accepted")
        return self._take()

    def handle(self, event: Event, now: int) -> list[Effect]:
        """Return what to do because of `event`, which happened at `now` (ms since the call's birth)."""
        self._now = max(self._now, now)
        if self.is_over:
            return self._hear_out(event)
        if self._now - self._deadline >= HELD_UP_MS:
            self._caught_up_at = self._now + CATCH_UP_MS
        self._dead_air.pass_time(self._now)
        self._last_words.follow(event, self._now)
        if isinstance(event, STIRRING):
            self._dead_air.stirred_at = self._now
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
        self._look_for_dead_air()
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
        if self._may_leave and not self._turns.active and self._playout.is_idle:
            return self._leave()
        is_to_speak = (
            not self._tool_calls.running or self._dead_air.is_asked
        )  # while a tool runs: if it takes too long
        may_ask = self._turns.may_ask and not self._keys.are_coming
        if self._session.is_ready and is_to_speak and not self._farewell and may_ask:
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
            case MessageIgnored() | TranscriptCame():
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
                self._on_session_updated(event)
            case SpeechStarted():
                self._on_speech_started()
            case SpeechStopped():
                self._last_voice = self._now
                self._turns.caller_paused()
            case TurnCommitted():
                self._is_opened = True
                self._turns.caller_ended()
            case ResponseCreated():
                self._on_response_created(event)
            case ModelFinishedAudio():
                self._playout.complete((event.item_id, event.content_index))
            case ToolCalled():
                self._on_tool_called(event)
            case ToolAnswered():
                self._on_tool_done(event.call_id, event.output)
            case ToolFailed():
                self._on_tool_done(event.call_id, failure_output(event.kind, event.message))
            case ResponseFinished():
                self._on_response_finished(event)
            case ModelErred():
                self._on_model_erred(event)
            case RateLimitsTold():
                self._on_rate_limits(event)
            case TranscriptionFailed():
                self._journal.count(f"transcription failed: {event.code or 'no code'}")
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
        if not self._session.is_ready:
            ready_at = self._silent_at(limits.model_ready_ms)
            yield ready_at, lambda: self._fail("the model was not ready in time")
        if self._dead_air.due is not None:
            yield self._silent_at(self._dead_air.due), self._on_dead_air
        if self._turns.turn_due is not None:
            yield self._silent_at(self._turns.turn_due), self._on_endless_turn
        if self._turns.retry_at is not None:
            yield self._turns.retry_at, self._turns.retry_is_due
        if self._keys.due is not None and self._session.is_ready:
            yield self._keys.due, self._give_keys
        if self._may_leave:
            yield self._farewell_due, self._leave

    def _silent_at(self, ms: int) -> int:
        """Return when a peer that was to be heard by then has been silent: not before we have read all it said."""
        return max(ms, self._caught_up_at)

    def _on_quiet(self) -> None:
        if self._tool_calls.running or self._turns.is_going_on or self._playout.is_playing(self._now):
            self._last_voice = self._now
        else:
            self._end("limit", "nobody spoke")

    # ------------------------------------------------------------ dead air

    def _look_for_dead_air(self) -> None:
        """Say who waits now: the one rule for every way in which a caller could be left without a sound."""
        is_there = bool(self._stream_sid) or self._session.is_ready
        is_pressing = self._keys.are_coming and self._session.is_ready
        self._dead_air.look(
            is_waiting=is_there and self._waiting_for != "",
            is_caller_talking=self._turns.caller_is_talking or is_pressing,
        )

    @property
    def _waiting_for(self) -> str:
        if not self._tool_calls.running or self._turns.active:
            return self._turns.waiting_for
        return "a tool"

    def _on_dead_air(self) -> None:
        """Ask once; when that brought no sound either, there is the failure plan.

        After the goodbye the call ends instead: a tool that still runs outlives it, and its outcome is recorded.
        """
        if self._farewell:
            return self._leave()
        if self._dead_air.is_asked:
            self._count_dead_air("given_up")
            return self._fail(
                "the model answered nothing" if self._session.is_ready else "the model was not ready in time"
            )
        self._count_dead_air("asked")
        self._dead_air.ask()
        if self._session.is_ready:
            self._ask_again()

    def _ask_again(self) -> None:
        """Take back what is on its way, and owe a response: while a tool runs, a word of patience."""
        if active := self._turns.cut_active():
            self._say(CancelResponse(self._id(), active))
        self._commit_turn()
        self._turns.start_over()

    def _commit_turn(self) -> None:
        if self._turns.commit():
            self._say(CommitAudio(self._id()))

    def _on_endless_turn(self) -> None:
        """Turn detection hears no end, for all the noise: what was said so far is answered, once."""
        if not self._turns.close_turn(self._now):
            self._count_dead_air("given_up")
            return self._fail("no end of the caller's turn was heard")
        self._count_dead_air("turn_closed")
        self._commit_turn()

    def _count_dead_air(self, did: str) -> None:
        self._journal.dead_air(did, self._dead_air.waited_ms, self._waiting_for)

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
        self._dead_air.sound_until = self._playout.plays_until(self._now)
        self._journal.first("stream_started")

    def _on_caller_spoke(self, event: CallerSpoke) -> None:
        if self._is_stray(event.stream_sid):
            return
        self._frames += 1
        if self._last_chunk and event.chunk > self._last_chunk + 1:
            self._journal.counts["caller frames lost"] += event.chunk - self._last_chunk - 1
        self._last_chunk, self._last_frame = event.chunk, self._now
        if self._session.is_ready:
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
        self._last_voice = self._now
        self._keys.press(event.digit, self._now)
        is_known = self._turns.is_cut(self._turns.active)
        if (active := self._interrupt()) and not is_known:
            self._say(CancelResponse(self._id(), active))  # the server does it for speech alone

    def _give_keys(self) -> None:
        """Tell the model which keys were pressed: tones can't be heard on a media stream."""
        keys = self._keys.take()
        self._journal.milestone("keys_pressed", keys=len(keys))
        self._say(AddText(self._id(), "user", sentence_of(keys), keys))
        self._turns.owe()

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
        if self._session.event_id:
            return self._journal.count("second session.created")
        self._journal.first("model_connected")
        self._say(self._session.ask(self._id()))

    def _asks_for_the_rest(self, event: ModelErred) -> bool:
        """Ask for the session without the setting that was refused; False if the call can't do without it."""
        found = self._session.ask_without(event, self._id())
        if found is not None:
            update, left_out = found
            self._journal.count(f"setting refused: {left_out}", message=event.message[:300])
            self._say(update)
        return found is not None

    def _on_session_updated(self, event: SessionUpdated) -> None:
        """Ask for the opening before any audio is given, so that it can't collide with a turn of the caller's."""
        if other := other_format(event):
            return self._fail(f"the model refused the session (it speaks {other})")
        if self._session.is_ready:
            return
        self._session.is_ready = True
        self._journal.first("model_ready")
        self._ask()
        for append in self._held.release():
            self._say(append)

    def _ask(self) -> None:
        """Ask for a response: for the stable opening, until the agent or the caller has begun the conversation."""
        event_id = self._id()
        instructions = "" if self._is_opened else opening_instructions(self.agent)
        if self._tool_calls.running:
            instructions = patience_instructions(self.agent)
        self._say(CreateResponse(event_id, instructions))
        self._turns.asked(event_id)

    def _on_speech_started(self) -> None:
        self._last_voice = self._now
        self._turns.caller_began(self._now)
        self._interrupt()

    def _interrupt(self) -> str:
        """Let the caller have their turn, if they may; return the response that is cut off by it, or nothing."""
        if not self.agent.turn_detection.interrupt_response:
            return ""
        self._withdraw_farewell()
        self._stop_playing(active := self._turns.cut_active())
        return active

    @property
    def _is_taking_turn(self) -> bool:
        """Say whether the caller speaks or presses keys, and may have what is said to them cut off by it."""
        is_taking = self._turns.caller_is_speaking or self._keys.are_coming
        return is_taking and self.agent.turn_detection.interrupt_response

    def _stop_playing(self, response_id: str) -> None:
        """Silence the agent now, and tell the model what was heard of each item it had begun."""
        if not self._playout.is_speaking(response_id):
            return
        self._journal.milestone("barge_in")
        if self._stream_sid:
            self._say(ClearPlayback(self._stream_sid))
        self._dead_air.sound_until = self._now
        for ledger in self._playout.cut(self._now, response_id):
            self._say(
                TruncateItem(
                    self._id(), ledger.item_id, ledger.content_index, audio_end_ms=ms_of(ledger.heard)
                )
            )

    def _on_response_created(self, event: ResponseCreated) -> None:
        self._turns.created(event.response_id)
        if self._is_taking_turn:
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
        self._playout.add(part, event.response_id, event.audio)
        if is_audible(event.audio):
            self._on_sound(ms_of(len(event.audio)))

    def _on_sound(self, ms: int) -> None:
        self._is_opened = True
        self._last_voice = self._now
        self._turns.spoke(ms)
        self._dead_air.sound_until = self._playout.plays_until(self._now)
        if self._farewell:
            self._farewell_due = self._latest_farewell()

    def _drop_late(self, event: ModelSpoke) -> None:
        """Drop audio of a response that was cut off; of an item new to us the model learns that it was not heard."""
        self._journal.counts["late audio dropped"] += 1
        if self._playout.refuse((event.item_id, event.content_index)):
            self._say(TruncateItem(self._id(), event.item_id, event.content_index, audio_end_ms=0))

    def _on_response_finished(self, event: ResponseFinished) -> None:
        if self._turns.finished(event.response_id):
            self._dead_air.begin_anew()
        if event.status == "incomplete":
            self._journal.count(f"response incomplete: {event.reason[:60] or 'no reason'}")
        if event.status == "failed":
            code = event.error_code or "no code"
            self._journal.count(f"response failed: {code}")
            policy = policy_of(event.error_code, "", event.error_message)
            self._try_again(code, event.retry_after_ms, is_possible=policy is not Policy.END)

    def _try_again(self, code: str, told_ms: int | None, *, is_possible: bool = True) -> None:
        """Owe a failed response again after a pause, as long as the caller's patience lasts."""
        pause_ms = self._dead_air.room_for(self._turns.pause_ms(code, told_ms, self._now))
        if not is_possible or pause_ms is None:
            return self._fail(f"the model failed to answer ({code})")
        self._turns.retry(self._now + pause_ms)

    def _on_rate_limits(self, event: RateLimitsTold) -> None:
        """Often told after the response that failed for them: its pause is as long as is told now."""
        pause_ms = self._dead_air.room_for(event.reset_ms)
        if self._turns.limits_told(event.reset_ms, self._now) and pause_ms is not None:
            self._turns.retry_at = self._now + pause_ms

    def _on_model_erred(self, event: ModelErred) -> None:
        code = event.code or event.kind or "no code"
        if self._session.is_refused_by(event) and self._asks_for_the_rest(event):
            return
        self._journal.count(f"model error: {code}", message=event.message[:300])
        policy = policy_of(event.code, event.kind, event.message)
        if self._session.is_refused_by(event):
            self._fail(f"the model refused the session ({code}: {event.message[:200]})")
        elif policy is Policy.END:
            self._fail(f"the model ended the session ({code})")
        else:
            was_asked = self._turns.is_asked_by(event.client_event_id)
            is_busy = code == "conversation_already_has_active_response"
            self._turns.refused(event.client_event_id, is_busy=is_busy)
            if code == "input_audio_buffer_commit_empty":
                self._turns.commit_refused()
            if policy is Policy.RETRY and was_asked:
                self._try_again(code, event.retry_after_ms)

    def _on_stalled(self, event: LinkStalled) -> None:
        if event.leg == MODEL_LEG:
            self._on_model_gone("the model stopped responding")
        else:
            self._end("caller", "phone leg stalled")

    def _on_model_gone(self, why: str) -> None:
        """Nothing more will come of the model; its last words can still be heard if it has said goodbye."""
        if not self._farewell:
            return self._fail(why)
        self._journal.count(why)
        self._turns.finished(self._turns.active)

    # ------------------------------------------------------------ tools

    def _on_tool_called(self, event: ToolCalled) -> None:
        self._is_opened = True
        if not self._tool_calls.is_new(event.call_id):
            return self._journal.count("tool called twice under one call id")
        self._journal.milestone("tool_called", tool=event.name, call_id=event.call_id)
        if event.name == HANG_UP:
            return self._on_hang_up(event)
        if self._tool_calls.are_too_many:
            self._journal.count("tool calls beyond the limit")
        if answer := self._tool_calls.begin(event.call_id, event.name):
            return self._on_tool_done(event.call_id, answer)
        self._say(RunTool(event.call_id, event.name, event.arguments))

    def _on_tool_done(self, call_id: str, output: str) -> None:
        """Give the answer at once, and owe one response when the last running tool has answered."""
        name = self._tool_calls.running.pop(call_id, None)
        if name is None:
            return
        self._journal.milestone("tool_answered", tool=name, call_id=call_id)
        self._say(AnswerTool(self._id(), call_id, output))
        if not self._tool_calls.running:
            self._turns.owe()

    # ------------------------------------------------------------ endings

    def _on_hang_up(self, event: ToolCalled) -> None:
        self._journal.milestone("hang_up_asked")
        self._farewell = (event.call_id, reason_of(event.arguments))
        self._farewell_due = self._latest_farewell()
        if self._is_taking_turn:
            self._withdraw_farewell()  # asked for before the model knew that the caller had begun

    @property
    def _may_leave(self) -> bool:
        """Say whether the goodbye may be the end: not before everything that was promised with it is done."""
        return self._farewell is not None and not self._tool_calls.running

    def _latest_farewell(self) -> int:
        return self._playout.plays_until(self._now) + self.agent.limits.farewell_grace_ms

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
        self._end("model", why, say=self.agent.failure_sentence.text)

    def _end(self, by: str, why: str, say: str = "") -> None:
        if self.is_over:
            return
        for ledger in self._playout.close(self._now):
            self._journal.item(ledger)
        for call_id, name in self._tool_calls.running.items():
            self._journal.milestone("tool_outlives_call", call_id=call_id, tool=name)
        self._journal.first("call_ended")
        self._ask_for_last_words(by)
        if self._held.dropped:
            self._journal.counts["held caller frames dropped"] = self._held.dropped
        self._journal.close()
        self._say(EndCall(by, why, say))
        self.is_over = True

    # ------------------------------------------------------------ the caller's last words

    def _ask_for_last_words(self, by: str) -> None:
        """Have what the caller was saying written down, and nothing answered to it."""
        if self._turns.caller_is_speaking and self._last_words.may_be_asked_for(by):
            self._last_words.committed()
            self._say(CommitAudio(self._id()))
        self._last_words.call_ended(by, self._now)
        if self.is_listening and self._turns.active and not self._turns.is_cut(self._turns.active):
            self._say(CancelResponse(self._id(), self._turns.active))

    @property
    def is_listening(self) -> bool:
        """Say whether the model has still to tell some of the caller's words, though the call is over."""
        return self._last_words.are_to_come(self._now)

    def _hear_out(self, event: Event) -> list[Effect]:
        """Nothing is decided after the end, but that nobody needs an answer any more."""
        self._last_words.follow(event, self._now)
        if self.is_listening and isinstance(event, ResponseCreated):
            self._say(CancelResponse(self._id(), event.response_id))
        return self._take()

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
