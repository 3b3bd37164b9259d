"""One tape in, what can be compared about its call out: greeting, interruptions, tools, turns, cost. Pure.

It judges nothing; see `replay.judge.stats` for what counts as worse.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from re import compile as pattern
from typing import Any, Final

import msgspec
from attrs import define, field, frozen

from bridge.heart.audio import ms_of
from bridge.store.records import SKIPPED, Records, Row, records_of
from bridge.tapes.header import Header
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, PHONE, TWILIO, Line
from bridge.usage import TOKEN_CLASSES
from replay.judge.ears import Played, Span, Voice, audible, overlap_ms
from replay.judge.facts import facts_in
from replay.judge.free import free_arguments
from replay.judge.overlaps import Overlaps

GOES_ON_MS: Final = 1000
"""An agent that is heard this long after the caller began to speak has not let itself be interrupted."""

LATEST_MS: Final = 3000
"""Silence that comes later after the caller began to speak is not an answer to it any more."""

SOON_MS: Final = 2500
"""A response that comes later is not to that turn: a tool may have answered."""

SPACE: Final = pattern(r"\s+")
_decode = msgspec.json.decode


class _Media(msgspec.Struct):
    payload: str = ""


class _Head(msgspec.Struct):
    """What tells a message apart, without decoding the audio of others than the caller."""

    type: str = ""
    event: str = ""
    media: _Media | None = None


_head_of = msgspec.json.Decoder(_Head).decode


@frozen
class Interruption:
    """The agent was silenced at `at_ms`; how long after detection, and after the caller's first sound, in ms.

    `is_false`: by nothing that had words; `is_backchannel`: by somebody who only listened. It may have gone on.
    """

    at_ms: int
    detected_to_silence_ms: int | None
    onset_to_silence_ms: int | None
    words_cut: int
    is_false: bool
    is_backchannel: bool = False
    went_on_after_ms: int | None = None

    @property
    def is_meant(self) -> bool:
        """Say whether the caller wanted the agent to stop."""
        return not self.is_false and not self.is_backchannel


@frozen
class ToolUse:
    """One tool call; `called_ms` counts from the end of the caller's turn, `took_ms` from call to answer.

    `free` names the arguments whose form the tool's schema leaves to the model.
    """

    name: str
    arguments: Any
    arguments_raw: str
    called_ms: int | None
    took_ms: int | None
    is_answered: bool
    is_spoken: bool
    free: tuple[str, ...] = ()


@frozen
class Measures:
    """What one call was like; `first_heard_ms` counts from the start of the media stream.

    `greeting` is None when the caller cut it short, for then its words say nothing about the model. `said` is what
    the caller heard of the agent's words, item by item, `told` the numbers, times, dates and names in it.
    """

    greeting: str | None
    greeting_agreement: float | None
    first_heard_ms: int | None
    interruptions: tuple[Interruption, ...]
    missed_interruptions: int
    words_lost: int
    tools: tuple[ToolUse, ...]
    latencies_ms: tuple[int, ...]
    items_per_response: tuple[int, ...]
    ended_by: str
    why: str
    tokens: dict[str, int]
    cost_usd: float | None
    cost_without: str
    duration_ms: int
    talked_over_ms: int = 0
    answers_to_nothing: int = 0
    said: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def has_usage(self) -> bool:
        """Say whether the model told what the call used; 0 of everything is what a record has where it did not."""
        return any(self.tokens.values())


def measures_of(header: Header, lines: Iterable[Line]) -> Measures:
    """Return the measures of a tape's call."""
    lines = list(lines)
    facts = _Facts()
    for line in lines:
        facts.read(line)
    return _measured(header, records_of(header, lines), facts)


def plain(text: str) -> str:
    """Return words as they are compared: typography and white space are nobody's wording."""
    return SPACE.sub(" ", text.replace("\u2019", "'").replace("\u2011", "-")).strip()


def agreement(said: str, wanted: str) -> float:
    """Return how far two texts agree, word by word: 1 for the same words, 0 for no word in common."""
    return SequenceMatcher(None, plain(said).split(), plain(wanted).split(), autojunk=False).ratio()


@define
class _Facts:
    """What the records of a call do not keep."""

    voice: Voice = field(factory=Voice)
    clears: list[int] = field(factory=list)
    detected: list[tuple[int, str]] = field(factory=list)
    words: dict[str, str] = field(factory=dict)
    played: Played = field(factory=Played)
    created: dict[str, int] = field(factory=dict)
    statuses: dict[str, str] = field(factory=dict)
    items: Counter[str] = field(factory=Counter)
    texts: dict[str, dict[str, str]] = field(factory=dict)

    def read(self, line: Line) -> None:
        """Take account of one line."""
        if line.audio is not None:
            self.played.play(line.t_ms, ms_of(line.audio["bytes"]))
        if not line.msg or line.leg not in (PHONE, MODEL):
            return
        try:
            head = _head_of(line.msg)
            if line.leg == PHONE:
                self._read_phone(line.t_ms, line.sender, head)
            elif line.sender == OPENAI and head.type not in SKIPPED:
                self._read_model(line.t_ms, head.type, _decode(line.msg))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            return  # the records say what was wrong with it

    def _read_phone(self, t_ms: int, sender: str, head: _Head) -> None:
        if sender == TWILIO and head.media is not None:
            self.voice.hear(t_ms, head.media.payload)
        elif sender == BRIDGE and head.event == "clear":
            self.clears.append(t_ms)
            self.played.clear(t_ms)

    def _read_model(self, t_ms: int, kind: str, message: Row) -> None:
        match kind:
            case "input_audio_buffer.speech_started":
                self.detected.append((t_ms, message["item_id"]))
            case "conversation.item.input_audio_transcription.completed":
                self.words[message["item_id"]] = message["transcript"]
            case "response.created":
                self.created[message["response"]["id"]] = t_ms
            case "response.done":
                self.statuses[message["response"]["id"]] = message["response"].get("status", "")
            case "response.output_item.added":
                self.items[message["response_id"]] += 1
            case "response.output_audio_transcript.done":
                texts = self.texts.setdefault(message["response_id"], {})
                texts[message["item_id"]] = message["transcript"]


@define
class _Sound:
    """Who could be heard when."""

    voice: tuple[Span, ...]
    agent: tuple[Span, ...]
    stops: list[int]
    """When turn detection said that the caller had stopped, less the silence it waited for."""

    def voice_before(self, t_ms: int) -> Span | None:
        """Return the caller's last utterance that began before a moment."""
        return next((span for span in reversed(self.voice) if span.start_ms <= t_ms), None)

    def turn_end(self, before_ms: int) -> int | None:
        """Return the caller's last sound before a moment."""
        ends = [span.end_ms for span in self.voice] or self.stops
        return max((end for end in ends if end <= before_ms), default=None)

    def agent_at(self, t_ms: int) -> Span | None:
        """Return the stretch of the agent's speech that a moment lies in; its very end is part of it."""
        return next((span for span in self.agent if span.start_ms <= t_ms <= span.end_ms), None)


def _measured(header: Header, records: Records, facts: _Facts) -> Measures:
    sound = _sound(header, records, facts)
    greeting, call, free = _greeting(facts), records.call, free_arguments(header.tools)
    agent = header.agent_settings()
    overlaps = Overlaps(agent.languages, facts.detected, facts.words, records.milestones)
    interruptions = tuple(_interruption(clear, records, overlaps, sound) for clear in facts.clears)
    said = tuple(row["heard"] for row in records.transcript if row["role"] == "agent" and row["heard"])
    return Measures(
        greeting=greeting,
        greeting_agreement=None if greeting is None else round(agreement(greeting, agent.greeting), 3),
        first_heard_ms=call["first_audio_heard_ms"],
        interruptions=interruptions,
        missed_interruptions=len(list(_missed(facts.clears, sound, overlaps))),
        words_lost=_words_lost(records, interruptions, overlaps),
        talked_over_ms=overlap_ms(sound.voice, facts.played.spans()),
        answers_to_nothing=_answers_to_nothing(records, overlaps),
        tools=tuple(
            _tool(row, records, facts, sound, free.get(row["name"] or "", ())) for row in records.tool_calls
        ),
        latencies_ms=tuple(_latencies(records, sound)),
        items_per_response=tuple(facts.items[name] for name in facts.created if facts.items[name]),
        ended_by=call["ended_by"],
        why=call["why"],
        tokens={name: call[f"{name}_tokens"] for name in TOKEN_CLASSES},
        cost_usd=call["cost_usd"],
        cost_without=call["cost_without"],
        duration_ms=call["duration_ms"],
        said=said,
        told=tuple(sorted(facts_in(said))),
    )


def _sound(header: Header, records: Records, facts: _Facts) -> _Sound:
    silence = getattr(header.agent_settings().turn_detection, "silence_duration_ms", 0)
    stops = [row["speech_stopped_ms"] - silence for row in records.turns if "speech_stopped_ms" in row]
    went_on = any(row["name"] == "false_interruption" for row in records.milestones)
    agent = facts.played.spans() if went_on else audible(records.items)
    return _Sound(facts.voice.spans() if header.has_audio else (), agent, stops)


def _greeting(facts: _Facts) -> str | None:
    """Return all words of the first response, in however many items they came."""
    first = next(iter(facts.created), "")
    if facts.statuses.get(first) != "completed":
        return None
    return plain(" ".join(facts.texts.get(first, {}).values()))


# ---------------------------------------------------------------- interruptions


def _interruption(clear_ms: int, records: Records, overlaps: Overlaps, sound: _Sound) -> Interruption:
    detected = overlaps.detected_before(clear_ms)
    voice, speech = sound.voice_before(clear_ms), sound.agent_at(clear_ms)
    is_voiced = voice is not None and clear_ms - voice.end_ms < GOES_ON_MS
    began = max(voice.start_ms, speech.start_ms if speech else 0) if is_voiced and voice else None
    return Interruption(
        at_ms=clear_ms,
        detected_to_silence_ms=clear_ms - detected[0] if detected else None,
        onset_to_silence_ms=None if began is None else clear_ms - began,
        words_cut=sum(
            _unheard(records, row["item_id"]) for row in _cut_at(records, overlaps.decided_ms(clear_ms))
        ),
        is_false=(bool(sound.voice) and not is_voiced)
        or (detected is not None and overlaps.is_wordless(detected[1])),
        is_backchannel=detected is not None and overlaps.is_backchannel(detected[1]),
        went_on_after_ms=overlaps.went_on_after_ms(clear_ms),
    )


def _cut_at(records: Records, t_ms: int) -> list[Row]:
    return [row for row in records.items if row["cut"] and row["settled_ms"] == t_ms]


def _unheard(records: Records, item_id: str) -> int:
    return sum(len(row["unheard"].split()) for row in records.transcript if row["item_id"] == item_id)


def _missed(clears: list[int], sound: _Sound, overlaps: Overlaps) -> Iterator[Span]:
    """Yield the utterances over which the agent went on speaking, though they were meant to stop it."""
    for voice in sound.voice:
        speech = sound.agent_at(voice.start_ms)
        goes_on = speech is not None and speech.holds(voice.start_ms + GOES_ON_MS)
        is_heard = any(voice.start_ms <= clear <= voice.start_ms + LATEST_MS for clear in clears)
        if goes_on and not is_heard and overlaps.is_meant_voice(voice):
            yield voice


def _answers_to_nothing(records: Records, overlaps: Overlaps) -> int:
    """Return how many turns were answered in which the caller had said nothing, or only that they listen."""
    answered = [row for row in records.turns if "response_created_ms" in row and "committed_ms" in row]
    return sum(
        not overlaps.is_meant(row["caller_item_id"])
        for row in answered
        if row["response_created_ms"] - row["committed_ms"] <= SOON_MS
    )


def _words_lost(records: Records, interruptions: tuple[Interruption, ...], overlaps: Overlaps) -> int:
    """Return the agent's words that nobody heard though the caller did nothing to stop them."""
    meant = {overlaps.decided_ms(one.at_ms) for one in interruptions if one.is_meant}
    if records.call["ended_by"] == "caller":
        meant |= {
            row["settled_ms"] for row in records.items if row["settled_ms"] >= records.call["duration_ms"]
        }
    lost = {row["item_id"] for row in records.items if row["cut"] and row["settled_ms"] not in meant}
    return sum(_unheard(records, item_id) for item_id in lost)


# ---------------------------------------------------------------- tools and turns


def _tool(row: Row, records: Records, facts: _Facts, sound: _Sound, free: tuple[str, ...]) -> ToolUse:
    called, answered = row["called_ms"], row["answered_ms"]
    ended = None if called is None else sound.turn_end(called)
    return ToolUse(
        name=row["name"] or "",
        arguments=row["arguments"],
        arguments_raw=row["arguments_raw"],
        called_ms=None if called is None or ended is None else called - ended,
        took_ms=None if called is None or answered is None else answered - called,
        is_answered=row["is_delivered"],
        is_spoken=row["sent_ms"] is not None and _is_spoken(row["sent_ms"], records, facts),
        free=free,
    )


def _is_spoken(sent_ms: int, records: Records, facts: _Facts) -> bool:
    """Say whether the first response after a tool's answer was heard."""
    after = next((name for name, t_ms in facts.created.items() if t_ms >= sent_ms), None)
    return any(row["response_id"] == after and row["first_heard"] >= 0 for row in records.items)


def _latencies(records: Records, sound: _Sound) -> Iterator[int]:
    """Yield, for each turn that was answered, the ms from the caller's last sound to the agent's first."""
    for turn in records.turns:
        heard = turn.get("first_heard_ms") if turn.get("response_ms") is not None else None
        ended = None if heard is None else sound.turn_end(heard)
        if heard is not None and ended is not None and ended >= turn.get("speech_started_ms", 0) - GOES_ON_MS:
            yield heard - ended
