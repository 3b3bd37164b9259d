"""One Realtime session of the stand-in: client messages in, server events out, and a record for tests.

It has no socket and no clock: what takes time is handed to `later` as an iterator of milliseconds to wait.
"""

import base64
import binascii
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import trio

from replay.model.caller import Caller
from replay.model.checks import checked_kind, parse_event
from replay.model.conversation import Conversation
from replay.model.faults import (
    check_refused_settings,
    rate_limit_failure,
    send_garbage,
    send_stray_errors,
    with_other_format,
)
from replay.model.idle import Patience
from replay.model.response import Occasion, Response, Stage
from replay.model.script import CallRemote, Faults, Reply, Say, Script
from replay.model.settings import check_response_request, is_aside, new_session, updated_session
from replay.model.transcribing.scribe import Scribe
from replay.model.transcribing.settings import (
    check_may_answer,
    new_transcription,
    updated_transcription,
)
from replay.model.usage import Meter
from replay.model.wire import Message, RefusedError, Wire
from replay.sound.formats import Recode, decoder

KEPT_MESSAGES = 10_000  # a long call sends some hundred besides its audio; later ones are counted only
KEPT_AUDIO = 8_000 * 600  # ten minutes of µ-law; later audio is heard but not kept


@attrs.define(eq=False)
class Session:
    """What one client said and was told; the lists may be read at any time."""

    number: int
    """1 for the first connection of the server."""
    model: str
    headers: dict[str, str]
    """Of the upgrade request, names in lower case, without Authorization."""
    _script: Script
    _send: Callable[[str | bytes], None]
    _later: Callable[[Iterator[float]], None]
    _expires_at: int
    writes_only: bool = False
    """Whether it is a transcription session: it hears, and never speaks."""
    faults: Faults = attrs.field(init=False)
    wire: Wire = attrs.field(init=False)
    conversation: Conversation = attrs.field(init=False)
    settings: Message = attrs.field(init=False)
    """The effective session object."""
    received: list[Message] = attrs.field(factory=list, init=False)
    """Every client message but the appends, the first 10 000."""
    appends: int = attrs.field(default=0, init=False)
    caller_audio: bytearray = attrs.field(factory=bytearray, init=False)
    """The µ-law of all appends, the first ten minutes."""
    responses: list[Response] = attrs.field(factory=list, init=False)
    asides: list[Response] = attrs.field(factory=list, init=False)
    """Responses outside the conversation."""
    close_code: int | None = attrs.field(default=None, init=False)
    """How the connection ended; None while it is open, 1006 for a peer that vanished."""
    _caller: Caller = attrs.field(init=False)
    _patience: Patience = attrs.field(init=False)
    _decode: Recode = attrs.field(init=False)
    """From the session's input format to µ-law."""
    _scribe: Scribe = attrs.field(init=False)
    _stage: Stage = attrs.field(init=False)
    _replies: dict[Occasion, deque[Reply]] = attrs.field(init=False)
    _active: Response | None = attrs.field(default=None, init=False)
    _owed: Occasion | None = attrs.field(default=None, init=False)
    """What the next response.create is for."""
    _failures_left: int = attrs.field(init=False)
    _asked: int = attrs.field(default=0, init=False)
    """How many responses there were to be so far."""
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        script, dice = self._script, random.Random(self.number)
        self.faults = script.faults_of(self.number)
        self._failures_left = self.faults.fail_responses
        wire = self.wire = Wire(self._send, dice, self.faults.null_error_ids)
        self.settings = self._new_settings(wire.make_id("sess"))
        talk = self.conversation = Conversation(wire, wire.make_id("conv"))
        self._stage = Stage(wire, talk, Meter(), script.delivery, dice)
        self._caller = Caller(
            wire,
            talk,
            on_speech=self._on_speech,
            on_turn=self._on_turn,
            hearing=script.hearing,
            silence_at=self.faults.silence_at,
        )
        self._caller.tune(self._turn_detection)
        self._patience = Patience(
            self._caller, self._idle_timeout_ms, on_timeout=self._on_idle, later=self._later
        )
        self._decode = decoder(self._input_kind)
        self._scribe = Scribe(wire, talk, script.heard, script.transcription, later=self._later)
        self._replies = {"turn": deque(script.turns), "answer": deque(script.answers)}
        self._replies["opening"] = deque([script.opening])
        self._owed = "opening"

    def _new_settings(self, session_id: str) -> Message:
        if self.writes_only:
            return new_transcription(session_id, self._expires_at)
        return new_session(session_id, self.model, self._expires_at)

    @property
    def truncations(self) -> dict[str, int]:
        """item_id to audio_end_ms of every truncation that was accepted."""
        return self.conversation.truncations

    @property
    def tool_outputs(self) -> dict[str, str]:
        """call_id to the output the client gave."""
        return self.conversation.tool_outputs

    @property
    def items(self) -> list[Message]:
        """What stands in its conversation, in order: what it was given by its client, and what was said in it."""
        return [entry.item for entry in self.conversation.entries.values()]

    def begin(self) -> None:
        """Greet the client with session.created."""
        if not self.faults.never_create:
            self.wire.event("session.created", session=self.settings)

    def receive(self, frame: str | bytes) -> None:
        """Take one message of the client; whatever it is, this does not raise."""
        event: Message = {}
        try:
            event = parse_event(frame)
            self._record(event)
            if not self.faults.never_create:
                self._obey(event)
        except RefusedError as refused:
            event_id = event.get("event_id")
            self.wire.error(refused.code, refused.message, param=refused.param, event_id=event_id)
        self._tell()

    def end(self, code: int) -> None:
        """Note how the connection ended."""
        self.close_code = code
        self._tell()

    async def wait_until(self, condition: Callable[["Session"], bool]) -> None:
        """Wait for a condition on what is recorded here; looked at after each message and response."""
        while not condition(self):
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _record(self, event: Message) -> None:
        if event["type"] == "input_audio_buffer.append":
            self.appends += 1
        elif len(self.received) < KEPT_MESSAGES:
            self.received.append(event)

    def _obey(self, event: Message) -> None:
        match checked_kind(event):
            case "input_audio_buffer.append":
                self._hear(event["audio"])
            case "session.update":
                self._update(event["session"])
            case "response.create":
                self._create_response(event)
            case "response.cancel":
                self._cancel(event.get("response_id"))
            case "conversation.item.create":
                self._create_item(event)
            case "conversation.item.truncate":
                self.conversation.truncate(event)
            case "conversation.item.retrieve":
                self.conversation.retrieve(event)
            case "conversation.item.delete":
                self.conversation.delete(event)
            case "input_audio_buffer.commit":
                self._owed = "turn"
                self._note_turn(*self._caller.commit())
            case "input_audio_buffer.clear":
                self._caller.clear()

    @property
    def _turn_detection(self) -> Message | None:
        detection: Message | None = self.settings["audio"]["input"]["turn_detection"]
        return detection

    def _idle_timeout_ms(self) -> int | None:
        asked: int | None = (self._turn_detection or {}).get("idle_timeout_ms")
        return self.faults.idle_timeout_ms or asked

    @property
    def _input_kind(self) -> str:
        return str(self.settings["audio"]["input"]["format"]["type"])

    def _update(self, change: Any) -> None:
        if self.faults.never_update:
            return
        kind_before, before = self._input_kind, self.settings
        settings = (updated_transcription if self.writes_only else updated_session)(self.settings, change)
        check_refused_settings(change, self.faults.refuse_settings)
        self.settings = settings
        if self.faults.other_format:
            self.settings = with_other_format(settings, self.faults.other_format)
        if self._input_kind != kind_before:
            self._decode = decoder(self._input_kind)
        self._caller.tune(self._turn_detection)
        self.wire.event("session.updated", session=self.settings)
        if self.settings.get("tools") != before.get("tools"):
            self.conversation.list_tools(self.settings["tools"])

    def _hear(self, encoded: Any) -> None:
        try:
            audio = self._decode(base64.b64decode(encoded, validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise RefusedError("invalid_value", "Invalid 'audio': expected base64.", "audio") from None
        self.caller_audio += audio[: max(0, KEPT_AUDIO - len(self.caller_audio))]
        self._caller.append(audio)

    def _on_speech(self) -> None:
        self._patience.end()
        self._scribe.release()
        if self.settings["audio"]["input"]["transcription"] is not None:
            self._scribe.listen(self._caller.item_id)
        if self._active is not None and (self._turn_detection or {}).get("interrupt_response"):
            self._active.cut("turn_detected")

    def _on_turn(self, item_id: str, audio_ms: int) -> None:
        self._note_turn(item_id, audio_ms)
        if self._active is None and (self._turn_detection or {}).get("create_response"):
            self._owed = None if self._owed == "turn" else self._owed
            self._respond("turn", {})
        elif self._owed != "answer":
            self._owed = "turn"

    def _on_idle(self) -> None:
        self._respond(None, {})

    def _note_turn(self, item_id: str, audio_ms: int) -> None:
        self._patience.end()
        if self.settings["audio"]["input"]["transcription"] is not None:
            self._scribe.write_down(item_id, audio_ms)
        if self.faults.stray_errors:
            send_stray_errors(self.wire)
        for kind in self.faults.garbage:
            send_garbage(self.wire, kind)
        self.faults = attrs.evolve(self.faults, garbage=())

    def _create_item(self, event: Message) -> None:
        item = self.conversation.create(event)
        if item["type"] == "function_call_output":
            self._owed = "answer"
        elif item["type"] == "mcp_approval_response":
            self._owed = None if item["approve"] else "answer"
            self._call_remote()
        elif item.get("role") == "user" and self._owed != "answer":
            self._owed = "turn"
        elif item.get("role") == "assistant":  # what came before it was answered by it
            self._owed = None

    def _call_remote(self) -> None:
        """Call what may be called of MCP servers' tools, once no response is under way."""
        if self._active is None:
            for call, approved_in in self.conversation.to_call:
                self._later(self._remote(call, approved_in))
            self.conversation.to_call.clear()

    def _remote(self, call: CallRemote, approved_in: str | None) -> Iterator[float]:
        entry = self.conversation.begin_remote(call, approved_in)
        yield call.takes_ms
        self._owed = "answer"
        self.conversation.finish_remote(call, entry)

    def _create_response(self, event: Message) -> None:
        check_may_answer(self.settings)
        request = check_response_request(event.get("response"))
        if is_aside(request):
            self._respond_aside(request)
            return
        if self._active is not None:
            text = (
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one."
            )
            raise RefusedError("conversation_already_has_active_response", text)
        owed, self._owed = self._owed, None
        self._respond(owed, request)

    def _respond_aside(self, request: Message) -> None:
        """Make a response outside the conversation, beside whatever is said in it."""
        aside = Conversation(Wire(lambda _: None, random.Random(0)), "")
        response = Response(
            attrs.evolve(self._stage, conversation=aside),
            self.settings,
            lambda _: self._tell(),
            occasion=None,
            reply=tuple(item for item in self._script.fallback if isinstance(item, Say)),
            request=request,
            id=self.wire.make_id("resp"),
        )
        self.asides.append(response)
        self._later(_until_over(response))

    def _respond(self, occasion: Occasion | None, request: Message) -> None:
        self._patience.end()
        silence = self.faults.silence_at(self._asked)
        self._asked += 1
        if self.faults.never_answer or silence == "no_response":
            return
        failure = self._failure(occasion)
        reply = () if failure else self._next_reply(occasion, request)
        response = Response(
            self._stage,
            self.settings,
            self._on_done,
            occasion=occasion,
            reply=reply,
            request=request,
            id=self.wire.make_id("resp"),
            failure=failure,
            silence=None
            if silence in ("no_stop", "no_commit")
            else silence,  # those are turns', not responses'
            pause_ms=self.faults.pause_ms,
        )
        self._active = response
        self.responses.append(response)
        self._later(_until_over(response))

    def _failure(self, occasion: Occasion | None) -> Message | None:
        if occasion == "opening" or not self._failures_left:
            return None
        self._failures_left -= 1
        self._owed = occasion  # what failed was not said: a second request gets it
        return dict(rate_limit_failure(self.model, self.faults.try_again_in))

    def _next_reply(self, occasion: Occasion | None, request: Message) -> Reply:
        waiting = self._replies[occasion] if occasion else deque[Reply]()
        reply = waiting.popleft() if waiting else self._script.fallback
        if request.get("tool_choice", self.settings["tool_choice"]) == "none":
            return tuple(item for item in reply if isinstance(item, Say))
        return reply

    def _cancel(self, response_id: str | None) -> None:
        # A response that was not announced yet cannot be known to the client, so it is not there to cancel.
        active = self._active
        if active is None or active.status == "waiting" or response_id not in (None, active.id):
            raise RefusedError("response_cancel_not_active", "Cancellation failed: no active response found")
        active.cut("client_cancelled")

    def _on_done(self, response: Response) -> None:
        self._active = None
        self._call_remote()
        self._patience.begin(response.spoken_ms)
        if self._script.delivery.rate_limits:
            limit = {"name": "tokens", "limit": 40_000, "reset_seconds": 0.7}
            limit["remaining"] = 40_000 - min(40_000, response.tokens)
            if response.failure is not None and self.faults.limit_reset_seconds:
                limit |= {"remaining": 0, "reset_seconds": self.faults.limit_reset_seconds}
            self.wire.event("rate_limits.updated", rate_limits=[limit])
        self._scribe.release()
        self._tell()


def _until_over(response: Response) -> Iterator[float]:
    """The waits of a response; when one is over because somebody cut it short, nothing more is said."""
    waits = response.perform()
    while not response.is_over:
        wait = next(waits, None)
        if wait is None:
            return
        yield wait
