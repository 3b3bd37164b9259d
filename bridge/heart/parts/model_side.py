"""The model's side: its session, the responses that are asked of it, its errors, and trying again. Pure, int ms."""

from typing import assert_never

from attrs import define

from bridge.agents import Agent
from bridge.heart.dead_air import DeadAir
from bridge.heart.decisions import Decisions
from bridge.heart.effects import CreateResponse
from bridge.heart.error_policy import SESSION_EXPIRED, Policy, policy_of
from bridge.heart.events import (
    ModelErred,
    ModelEvent,
    ModelLeft,
    ModelTryFailed,
    ModelUnreachable,
    RateLimitsTold,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
)
from bridge.heart.failure import CRASHED, REFUSED, SILENT, Cause, cause_of_door, cause_of_error
from bridge.heart.held_audio import HeldAudio
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.reconnect import Reconnect
from bridge.heart.parts.tool_speech import ToolSpeech
from bridge.heart.prompts import broke_off_instructions, opening_instructions, patience_instructions
from bridge.heart.session import Session, other_format
from bridge.heart.tool_calls import ToolCalls
from bridge.heart.turns import Turns


@define
class ModelSide:
    """Decides on what the model tells of itself, and when it is asked for a response."""

    agent: Agent
    decisions: Decisions
    session: Session
    held: HeldAudio
    turns: Turns
    tool_calls: ToolCalls
    dead_air: DeadAir
    barge_in: BargeIn
    farewell: Farewell
    excursions: Excursions
    callee: Callee
    reconnect: Reconnect
    tool_speech: ToolSpeech
    _is_finishing: bool = False
    """Whether an answer that broke off was asked to be finished, and none has been whole since."""

    def told(self, event: ModelEvent) -> None:
        """Take what the model tells of its session, its responses and its end."""
        match event:
            case SessionCreated():
                self._session_created()
            case SessionUpdated():
                self._session_updated(event)
            case ResponseCreated():
                self._response_created(event)
            case ResponseFinished():
                self._response_finished(event)
            case ModelErred():
                self._erred(event)
            case RateLimitsTold():
                self._limits_told(event)
            case ModelLeft():
                self.gone(f"model connection lost ({event.code} {event.reason})".replace(" )", ")"))
            case ModelTryFailed():
                self.decisions.journal.count(f"model try failed: {event.kind}", why=event.why[:300])
            case ModelUnreachable():
                self.excursions.fail(event.why, cause_of_door(event.why))
            case _:
                assert_never(event)

    # ------------------------------------------------------------ the session

    def _session_created(self) -> None:
        """Ask for the session that the agent's settings describe."""
        if self.session.event_id:
            return self.decisions.journal.count("second session.created")
        self.decisions.journal.first("model_connected")
        self.reconnect.session_began()
        self.decisions.say(self.session.ask(self.decisions.new_id()))

    def _session_updated(self, event: SessionUpdated) -> None:
        """Ask for the opening before any audio is given, so that it can't collide with a turn of the caller's."""
        if other := other_format(event):
            return self._fail(f"the model refused the session (it speaks {other})", REFUSED)
        if self.session.is_ready:
            return
        self.session.is_ready = True
        self.decisions.journal.first("model_ready")
        if self.session.number > 1:
            self.reconnect.session_ready()
        elif self.callee.is_answered:
            self.ask()
        else:
            self.turns.owe()  # nobody there to hear it, perhaps for ever
        for append in self.held.release():
            self.decisions.say(append)

    def _asks_for_the_rest(self, event: ModelErred) -> bool:
        """Ask for the session without the setting that was refused; False if the call can't do without it."""
        found = self.session.ask_without(event, self.decisions.new_id())
        if found is not None:
            update, left_out = found
            self.decisions.journal.count(f"setting refused: {left_out}", message=event.message[:300])
            self.decisions.say(update)
        return found is not None

    # ------------------------------------------------------------ responses

    def ask(self) -> None:
        """Ask for a response: for the stable opening, until the agent or the caller has begun the conversation."""
        event_id = self.decisions.new_id()
        opening = opening_instructions(self.agent, self.callee.message)
        instructions = self.turns.prompt if self.turns.is_opened else opening
        if self.tool_calls.running and not self.turns.prompt:
            instructions = patience_instructions(self.agent)
        self.decisions.say(CreateResponse(event_id, instructions))
        self.turns.asked(event_id)

    def _response_created(self, event: ResponseCreated) -> None:
        """Let it begin, unless it comes too late."""
        is_ours = not self.turns.is_expected
        self.turns.created(event.response_id)
        if self.excursions.is_away:
            return self.excursions.response_created(event.response_id)
        self.barge_in.response_created(event.response_id)
        self.tool_speech.response_began(event.response_id, is_ours=is_ours)

    def _response_finished(self, event: ResponseFinished) -> None:
        """Count how it ended, and ask again for one that failed."""
        is_cut = self.turns.is_cut(event.response_id)
        if is_answer := self.turns.finished(event.response_id):
            self.dead_air.begin_anew()
        self.tool_speech.response_finished(event)
        if event.status == "incomplete":
            self.decisions.journal.count(f"response incomplete: {event.reason[:60] or 'no reason'}")
            if is_answer and not is_cut and not self._is_finishing:
                self._is_finishing = True
                self.turns.owe(broke_off_instructions(event.reason))
        elif event.status == "completed":
            self._is_finishing = False
        if event.status == "failed":
            code = event.error_code or "no code"
            self.decisions.journal.count(f"response failed: {code}")
            policy = policy_of(event.error_code, "", event.error_message)
            self._try_again(code, event.retry_after_ms, is_possible=policy is not Policy.END)

    def _try_again(self, code: str, told_ms: int | None, *, is_possible: bool = True) -> None:
        """Owe a failed response again after a pause, as long as the caller's patience lasts."""
        pause_ms = self.dead_air.room_for(self.turns.pause_ms(code, told_ms, self.decisions.now))
        if not is_possible or pause_ms is None:
            return self._fail(f"the model failed to answer ({code})", cause_of_error(code, otherwise=SILENT))
        self.turns.retry(self.decisions.now + pause_ms)

    def _limits_told(self, event: RateLimitsTold) -> None:
        """Often told after the response that failed for them: its pause is as long as is told now."""
        pause_ms = self.dead_air.room_for(event.reset_ms)
        if self.turns.limits_told(event.reset_ms, self.decisions.now) and pause_ms is not None:
            self.turns.retry_at = self.decisions.now + pause_ms

    # ------------------------------------------------------------ errors

    def _erred(self, event: ModelErred) -> None:
        """Do what the policy says for this error."""
        code = event.code or event.kind or "no code"
        if self.session.is_refused_by(event) and self._asks_for_the_rest(event):
            return
        self.decisions.journal.count(f"model error: {code}", message=event.message[:300])
        policy = policy_of(event.code, event.kind, event.message)
        if self.session.is_refused_by(event):
            why = f"the model refused the session ({code}: {event.message[:200]})"
            self._fail(why, cause_of_error(event.code, event.kind, otherwise=REFUSED))
        elif policy is Policy.END:
            cause = cause_of_error(event.code, event.kind, otherwise=CRASHED)
            why = f"the model ended the session ({code})"
            if event.code == SESSION_EXPIRED and self.reconnect.is_possible:
                return self.reconnect.begin(why)
            self._fail(why, cause)
        else:
            self._request_refused(event, code, policy)

    def _request_refused(self, event: ModelErred, code: str, policy: Policy) -> None:
        was_asked = self.turns.is_asked_by(event.client_event_id)
        is_busy = code == "conversation_already_has_active_response"
        self.turns.refused(event.client_event_id, is_busy=is_busy)
        if code == "input_audio_buffer_commit_empty":
            self.turns.commit_refused()
        if policy is Policy.RETRY and was_asked:
            self._try_again(code, event.retry_after_ms)

    def gone(self, why: str) -> None:
        """Nothing more will come of the model; its last words can still be heard if it has said goodbye."""
        if self.reconnect.is_possible:
            return self.reconnect.begin(why)
        if not self.farewell.is_pending:
            return self._fail(why, CRASHED)
        self.decisions.journal.count(why)
        self.turns.finished(self.turns.active)
        self.excursions.model_lost(why)

    def _fail(self, why: str, cause: Cause) -> None:
        self.excursions.fail(why, cause)
