"""Tape in, rows out: the call record, transcript, tools, milestones, items, turns and log of one call. Pure.

Used when a call ends, by reindex, and by replay; so all three give the same rows.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec
from attrs import define, field

from bridge.heart.parts.conversation import LATE, TOLD_AGAIN
from bridge.settings.turn_detection import ServerVad
from bridge.store.digest import digest, spoken
from bridge.store.late import LateLines
from bridge.store.legs import Legs
from bridge.store.outgoing import outgoing_columns, sid_in
from bridge.store.overlaps import overlaps_of
from bridge.store.remote_tools import remote_row
from bridge.store.tool_rows import TOLD_OF_A_TOOL, tool_row
from bridge.store.transcript import Item, Transcript
from bridge.store.turns import Turns
from bridge.tapes.header import Header
from bridge.tapes.lines import LastEnding, ToolSaid
from bridge.tapes.tape import HTTP, MODEL, OPENAI, PHONE, SHADOW, TWILIO, Line
from bridge.usage import TOKEN_CLASSES, Spent

Row: TypeAlias = dict[str, Any]
_decode = msgspec.json.Decoder().decode


class _Kind(msgspec.Struct):
    """Only a message's type: audio deltas are skipped without being decoded."""

    type: str = ""


_kind_of = msgspec.json.Decoder(_Kind).decode

SKIPPED: Final = frozenset({"response.output_audio.delta", "response.function_call_arguments.delta"})


@define
class Records:
    """One call's rows by table; every row of every table also has the call's id."""

    call: Row
    transcript: list[Row]
    tool_calls: list[Row]
    milestones: list[Row]
    items: list[Row]
    turns: list[Row]
    log: list[Row]
    legs: list[Row]
    marks: list[Row]
    spoken: list[Row]


def records_of(header: Header, lines: Iterable[Line], *, is_torn: bool = False) -> Records:
    """Return the rows of a tape."""
    reader = _Reader(header)
    for line in lines:
        reader.read(line)
    return reader.finish(is_torn)


@define
class _Reader:
    """Folds a tape's lines into rows."""

    header: Header
    last_ms: int = 0
    frames: int = 0
    end: LastEnding | None = None
    end_ms: int = -1
    transcript: Transcript = field(factory=Transcript)
    ledgers: list[Row] = field(factory=list)
    tools: dict[str, Row] = field(factory=dict)
    milestones: list[Row] = field(factory=list)
    turns: Turns = field(factory=Turns)
    log: list[Row] = field(factory=list)
    counts: Row = field(factory=dict)
    responses: int = 0
    spent: Spent = field(init=False)
    legs: Legs = field(factory=Legs)
    late: LateLines = field(factory=LateLines)
    call_sid: str = ""

    def __attrs_post_init__(self) -> None:
        self.spent = Spent(self.header.prices_in_force())

    # ------------------------------------------------------------ lines

    def read(self, line: Line) -> None:
        """Take account of one line."""
        self.last_ms = line.t_ms
        if line.leg == SHADOW:
            return  # what another setting would have heard is no part of what happened
        self.legs.take(line)
        if self.end is not None:
            self.late.take(line)
        if line.leg == MODEL and line.msg:
            return self._read_model(line, line.sender == OPENAI)
        if line.leg == PHONE and line.sender == TWILIO and line.msg:
            self.frames += 1
        elif line.note is not None:
            self._read_note(line.t_ms, dict(line.note))
        elif line.run is not None:
            self._tool(line.run["call_id"])["started_ms"] = line.t_ms
        elif line.tool is not None:
            self._read_tool(line.t_ms, line.tool)
        elif line.end is not None:
            self.end, self.end_ms = line.end, line.t_ms
        elif line.leg == HTTP and line.sender == TWILIO and not self.call_sid:
            self.call_sid = sid_in(line)

    def _read_note(self, t_ms: int, note: Row) -> None:
        match note.pop("kind"):
            case "milestone":
                at = note.pop("at_ms", t_ms)
                name = note.pop("name")
                if name in TOLD_OF_A_TOOL:
                    self._tool(note["call_id"]).update(TOLD_OF_A_TOOL[name](note))
                self.milestones.append({"name": name, "t_ms": at, "data": note})
            case "item":
                self.ledgers.append({name: note[name] for name in LEDGER} | {"settled_ms": t_ms})
            case "log":
                self.log.append({"t_ms": t_ms, "text": note.pop("text"), "data": note})
            case "tool_cancelled":
                self._tool(note["call_id"]).update(error_kind="cancelled", answered_ms=t_ms)
            case "mark":
                pass  # behind the end: `late` has it
            case "counts":
                self.counts = note
            case other:
                self.log.append({"t_ms": t_ms, "text": other, "data": note})

    def _tool(self, call_id: str) -> Row:
        return self.tools.setdefault(_words(call_id), {"tool_call_id": call_id})

    def _late_result(self, raw: Row) -> Row | None:
        """Return the row of the tool whose late result an item tells, as the answer of another call of it."""
        call_id = _words(raw["call_id"])
        row = self.tools.get(call_id.removeprefix(LATE)) if call_id.startswith(LATE) else None
        return row if row is not None and row.get("is_late") else None

    def _read_tool(self, t_ms: int, answer: ToolSaid) -> None:
        if "progress" in answer:
            return
        row = self._tool(answer["call_id"])
        row.update(answered_ms=t_ms, output=answer.get("output"))
        row.update(error_kind=answer.get("kind"), error=answer.get("message"))

    # ------------------------------------------------------------ the model's messages

    def _read_model(self, line: Line, is_from_model: bool) -> None:
        try:
            kind = _kind_of(line.msg).type  # type: ignore[arg-type]  # never unset here
            message = None if kind in SKIPPED else _decode(line.msg)  # type: ignore[arg-type]
        except (msgspec.DecodeError, RecursionError):
            return
        if message is None:
            return
        handler = getattr(self, "_" + kind.replace(".", "_"), None)
        wanted = kind in FROM_MODEL if is_from_model else kind in FROM_US
        try:
            if is_from_model and (told := remote_row(kind, line.t_ms, message)) is not None:
                self._tool(told["tool_call_id"]).update(told)
                self._tool(told["tool_call_id"]).setdefault("called_ms", line.t_ms)
            if handler is not None and wanted:
                handler(line.t_ms, message)
        except (KeyError, TypeError, ValueError, AttributeError):
            self.log.append({"t_ms": line.t_ms, "text": f"{kind} with missing or wrong fields", "data": {}})

    def _item(self, item_id: Any, role: str = "") -> Item:
        return self.transcript.item(_words(item_id), role)

    def _conversation_item_added(self, t_ms: int, message: Row) -> None:
        """Place an item behind the one it follows, tool calls included: arrival is not order."""
        raw = message["item"]
        if _words(raw["id"]).startswith(TOLD_AGAIN):
            return  # said in a session before, and in the transcript already
        self.transcript.place(_words(raw["id"]), message.get("previous_item_id"))
        match raw["type"]:
            case "function_call" | "function_call_output" if self._late_result(raw) is not None:
                pass  # the row has it; that it was told of is a milestone
            case "function_call":
                self._tool(raw["call_id"]).update(item_id=raw["id"], name=_words(raw["name"]), called_ms=t_ms)
            case "function_call_output":
                row = self._tool(raw["call_id"])
                row["is_delivered"] = row.get("is_delivered") or not row.get("is_late")
            case "message":
                self._message_added(t_ms, raw)

    def _message_added(self, t_ms: int, raw: Row) -> None:
        role = str(raw["role"])
        item = self._item(raw["id"], {"user": "caller", "assistant": "agent"}.get(role, role))
        item.began_ms = t_ms if item.began_ms < 0 else item.began_ms
        texts = [part.get("text") or part.get("transcript") or "" for part in raw.get("content") or []]
        item.text = item.text or " ".join(text for text in texts if text)

    def _response_output_audio_transcript_delta(self, t_ms: int, message: Row) -> None:
        self._item(message["item_id"], "agent").text += _words(message["delta"])

    def _response_output_audio_transcript_done(self, t_ms: int, message: Row) -> None:
        self._item(message["item_id"], "agent").text = _words(message["transcript"])

    def _conversation_item_input_audio_transcription_completed(self, t_ms: int, message: Row) -> None:
        self._item(message["item_id"], "caller").text = _words(message["transcript"])
        self.spent.transcribed.add(message.get("usage"))

    def _conversation_item_input_audio_transcription_delta(self, t_ms: int, message: Row) -> None:
        """Kept where nothing more came: the call may have been over."""
        self._item(message["item_id"], "caller").text += _words(message["delta"])

    def _conversation_item_input_audio_transcription_failed(self, t_ms: int, message: Row) -> None:
        self.log.append({"t_ms": t_ms, "text": "transcription failed", "data": {**message["error"]}})

    def _input_audio_buffer_speech_started(self, t_ms: int, message: Row) -> None:
        item = self._item(message["item_id"], "caller")
        item.began_ms = t_ms
        self.turns.begin(item.item_id, t_ms)

    def _input_audio_buffer_speech_stopped(self, t_ms: int, message: Row) -> None:
        self._item(message["item_id"], "caller").ended_ms = t_ms
        self.turns.of(message["item_id"])["speech_stopped_ms"] = t_ms

    def _input_audio_buffer_committed(self, t_ms: int, message: Row) -> None:
        item_id = _words(message["item_id"])
        former = self.turns.rename(item_id)
        if former is not None:
            self.transcript.rename(former, item_id)
        self.turns.of(item_id)["committed_ms"] = t_ms

    def _input_audio_buffer_timeout_triggered(self, t_ms: int, message: Row) -> None:
        self.turns.prompt(_words(message["item_id"]))

    def _response_created(self, t_ms: int, message: Row) -> None:
        self.responses += 1
        turn = self.turns.answer(t_ms)
        if turn is not None:
            self.turns.of_response[_words(message["response"]["id"])] = turn

    def _response_done(self, t_ms: int, message: Row) -> None:
        if not self.spent.add_response(message["response"].get("usage")):
            raise ValueError

    def _response_output_item_done(self, t_ms: int, message: Row) -> None:
        raw = message["item"]
        if raw["type"] == "function_call":
            arguments = _words(raw.get("arguments") or "")
            self._tool(raw["call_id"]).update(name=_words(raw["name"]), arguments=arguments)

    def _conversation_item_create(self, t_ms: int, message: Row) -> None:
        raw = message["item"]
        if raw["type"] == "function_call_output":
            row, is_result = self._late_result(raw), True
            if row is None:
                row = self._tool(raw["call_id"])
                is_result = not row.get("is_late")
            if is_result:
                row.update(sent_output=_words(raw["output"]), sent_ms=t_ms)

    # ------------------------------------------------------------ rows

    def finish(self, is_torn: bool) -> Records:
        """Return the rows."""
        self.turns.measure(self.ledgers, self._silence_ms())
        self.milestones += self.late.rows
        self.legs.close(self.last_ms, "crashed")
        transcript = self.transcript.rows(self.ledgers)
        tool_calls = [{"position": n, **tool_row(row)} for n, row in enumerate(self.tools.values())]
        return Records(
            call=self._call_row(is_torn) | digest(transcript, tool_calls, self.turns.rows),
            transcript=transcript,
            tool_calls=tool_calls,
            milestones=[{"position": n, **row} for n, row in enumerate(self.milestones)],
            items=[{"position": n, **row} for n, row in enumerate(self.ledgers)],
            turns=[{"position": n, **row} for n, row in enumerate(self.turns.rows)],
            log=[{"position": n, **row} for n, row in enumerate(self.log)],
            legs=[{"position": n, **row} for n, row in enumerate(self.legs.rows)],
            marks=[{"position": n, **row} for n, row in enumerate(self.late.marks)],
            spoken=spoken(transcript),
        )

    def _silence_ms(self) -> int | None:
        """Return how long turn detection waited before it called the caller's turn over; None if unknown."""
        vad = self.header.agent_settings().turn_detection
        return vad.silence_duration_ms if isinstance(vad, ServerVad) else None

    def _milestone_ms(self, name: str) -> int | None:
        return next((row["t_ms"] for row in self.milestones if row["name"] == name), None)

    def _call_row(self, is_torn: bool) -> Row:
        header = self.header
        end = self.end or LastEnding(by="bridge", why="crashed")
        started, heard = self._milestone_ms("stream_started"), self._milestone_ms("first_audio_heard")
        ended = self.end_ms if self.end_ms >= 0 else self.last_ms
        return {
            "call_sid": header.call_sid or self.call_sid,
            "account_sid": header.account_sid,
            "agent": header.agent,
            "asked_agent": header.asked_agent or None,
            "agent_why": header.agent_why or None,
            "trial": header.trial or None,
            "trial_arm": header.trial_arm or None,
            "model": header.model,
            "from_number": header.caller,
            "to_number": header.called,
            "started_at": header.started_at,
            "ended_by": end["by"],
            "why": end["why"],
            "next_step": _next_step(end),
            "duration_ms": ended,
            "stream_started_ms": started,
            "first_audio_heard_ms": None if started is None or heard is None else heard - started,
            "turns": len(self.turns.rows),
            "interruptions": sum(row["name"] == "barge_in" for row in self.milestones),
            **overlaps_of(self.milestones),
            "tool_calls": len(self.tools),
            "responses": self.responses,
            **self._spent(),
            "counts": self.counts,
            "is_torn": is_torn,
            "code": header.code,
            **outgoing_columns(header, self.milestones, end["by"]),
        }

    def _spent(self) -> Row:
        """Return what the call took, what of it has a price, as of which day, and what has none."""
        spent = self.spent
        return {
            **{f"{name}_tokens": spent.tokens[name] for name in TOKEN_CLASSES},
            "transcription_seconds": round(spent.transcribed.seconds, 1),
            "transcription_in_tokens": spent.transcribed.in_tokens,
            "transcription_out_tokens": spent.transcribed.out_tokens,
            "cost_usd": None if spent.model_usd is None else spent.usd,
            "cost_without": spent.without,
            "prices_read_on": spent.prices.read_on,
        }


LEDGER: Final = (
    "item_id", "content_index", "response_id", "generated_ms", "sent_ms", "heard_ms", "first_sent", "first_heard",
    "cut",
)  # fmt: skip
FROM_US: Final = frozenset({"conversation.item.create"})
FROM_MODEL: Final = frozenset(
    {
        "conversation.item.added",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.failed",
        "input_audio_buffer.committed",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.timeout_triggered",
        "response.created",
        "response.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.output_item.done",
    }
)


def _next_step(end: LastEnding) -> str:
    """Return what Twilio was told at the end, in a word."""
    if end.get("go_to"):
        return "redirect"
    return "say" if end.get("say") else "hangup"


def _words(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
