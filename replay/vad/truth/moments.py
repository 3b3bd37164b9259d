"""What the server's own turn detection did wrong in a call, according to what is known of its caller. Pure.

Three things go wrong: a turn is cut while the caller only pauses, a reply is missed, a turn is heard in nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from attrs import evolve, frozen

from replay.vad.truth.derive import Sound, Spans, goes_on, sounds_of
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import SHORT_MS, Span, Truth

PROMPT_MS: Final = 10_000
"""An idle prompt this soon after a reply was not heard may be because of that; later ones have other reasons."""

Kind: TypeAlias = Literal["cut", "missed", "false"]


@frozen
class Moment:
    """Something the server's turn detection did wrong.

    cut: it ended a turn that went on. missed: it did not hear one. false: it heard one where there was none;
    `agent_speaking` when that was while the agent was heard, so that it was interrupted for nothing. at_ms: ms of the
    recording's audio; wav_ms: the same moment in the file that `replay wav` writes. text: what happened, for people.
    """

    kind: Kind
    at_ms: int
    wav_ms: int
    text: str
    agent_speaking: bool = False


def moments(recording: Recording, truth: Truth) -> list[Moment]:
    """Return what the session on the tape got wrong, in order; nothing when it had no turn detection."""
    if not recording.heard or recording.heard[0].setting is None:
        return []
    heard = sounds_of(recording)
    found = [*_cuts(heard, truth), *_missed(heard, truth, recording.prompts), *_false(heard, truth)]
    placed = [evolve(moment, wav_ms=recording.wav_ms(moment.at_ms)) for moment in found]
    return sorted(placed, key=lambda moment: (moment.at_ms, moment.kind))


def _cuts(heard: Iterable[Sound], truth: Truth) -> Iterator[Moment]:
    turns = Spans.of(turn.span for turn in truth.turns)
    for sound in heard:
        if sound.turn.stop_ms is None or not turns.share(sound.span):
            continue
        again_ms = _again(sound.turn.stop_ms, truth)
        if again_ms is not None:
            later_ms = again_ms - sound.turn.stop_ms
            then = f"went on {_seconds(later_ms)} later" if later_ms else "was still speaking"
            text = f"the server ended the turn{_quoted(sound)}, and the caller {then}"
            yield Moment("cut", sound.turn.stop_ms, 0, text)


def _again(stop_ms: int, truth: Truth) -> int | None:
    """Return when the caller went on with a turn that the server stopped; None when it was really over.

    Truth that is derived ends turns by the silence after them; here the time from the server's stop counts, so that
    a person gets to hear both sides of that line.
    """
    for turn in truth.turns:
        if turn.span.start_ms < stop_ms < turn.span.end_ms:
            return next((one.end_ms for one in turn.pauses if one.start_ms <= stop_ms < one.end_ms), stop_ms)
    if truth.source != "derived":
        return None
    again_ms = next((turn.span.start_ms for turn in truth.turns if turn.span.start_ms >= stop_ms), None)
    return again_ms if again_ms is not None and goes_on(stop_ms, again_ms, truth.agent) else None


def _missed(heard: Sequence[Sound], truth: Truth, prompts: Iterable[int]) -> Iterator[Moment]:
    sounds, agent = Spans.of(sound.span for sound in heard), Spans.of(truth.agent)
    for turn in truth.turns:
        if not sounds.share(turn.span):
            prompt = _prompt_after(turn.span, heard, prompts) if turn.is_short else ""
            yield _miss(turn.span, f'"{turn.words}", ' if turn.words else "", prompt)
    for span in truth.unsure:
        prompt = _prompt_after(span, heard, prompts)
        if prompt and span.length_ms <= SHORT_MS and not (sounds.share(span) or agent.share(span)):
            yield _miss(span, "perhaps ", prompt)


def _miss(span: Span, what: str, prompt: str) -> Moment:
    text = f"the server did not hear {what}{_seconds(span.length_ms)} of speech{prompt}"
    return Moment("missed", span.start_ms, 0, text)


def _prompt_after(span: Span, heard: Iterable[Sound], prompts: Iterable[int]) -> str:
    """Say that an idle prompt came soon after, with nothing heard between; "" when none did."""
    for prompt_ms in prompts:
        is_soon = 0 <= prompt_ms - span.end_ms <= PROMPT_MS
        if is_soon and not any(span.end_ms <= sound.began_ms < prompt_ms for sound in heard):
            return f"; its idle prompt came {_seconds(prompt_ms - span.end_ms)} later"
    return ""


def _false(heard: Iterable[Sound], truth: Truth) -> Iterator[Moment]:
    known = Spans.of([*(turn.span for turn in truth.turns), *truth.unsure])
    for sound in heard:
        is_empty = sound.is_empty and truth.source == "derived"  # labels know better than a transcript
        if is_empty or not known.share(sound.span):
            speaks = any(one.start_ms <= sound.began_ms < one.end_ms for one in truth.agent)
            when = " while the agent was heard" if speaks else ""
            yield Moment("false", sound.began_ms, 0, f"the server heard {_nothing(sound)}{when}", speaks)


def _nothing(sound: Sound) -> str:
    if sound.has_words:
        return f'"{sound.words}" where nobody spoke'
    return "a turn without words" if sound.is_empty else "a turn where nobody spoke"


def _quoted(sound: Sound) -> str:
    return f' after "{sound.words}"' if sound.has_words else ""


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s"
