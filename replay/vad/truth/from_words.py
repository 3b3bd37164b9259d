"""Whether a caller had finished, judged by the transcript alone: a labeller, and never an oracle. Pure.

The cues are those that a reader goes by: how a transcript is punctuated, and words with which no sentence ends. It has
an opinion only where one of them speaks; how often that is right stands beside it, counted on calls with labels.
"""

import re
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from replay.vad.truth.derive import Sound, sounds_of
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Truth

OPEN: Final = {
    "en": "a an the my your his her its our their and but or so because if when while than as of to in on at for with "
          "from by about into i'm i'd i'll i've um uh er hmm",
    "es": "el la los las un una mi tu su y pero o porque si cuando que de del al en con por para sin eh pues entonces",
    "de": "der die das den dem des ein eine einen einem einer mein dein und aber oder weil wenn dass mit von zu zum "
          "zur im auf bei äh ähm",
}  # fmt: skip
"""Words with which no sentence ends, by language: articles, conjunctions, prepositions, hesitations."""

OPEN_WORDS: Final = frozenset(word for words in OPEN.values() for word in words.split())
TRAILS_OFF: Final = re.compile("(\\.\\.\\.|\u2026|,|-|\u2013|\u2014|:)$")
ENDS: Final = re.compile(r"[.?!]$")
ASKS: Final = re.compile(r"[?!]$")
APOSTROPHE: Final = "\u2019"


def is_finished(words: str) -> bool | None:
    """Say whether somebody who said this had finished; None where its words don't tell.

    >>> is_finished("I'd like a table for"), is_finished("For two, please."), is_finished("tomorrow evening")
    (False, True, None)
    """
    said = words.strip()
    if not any(letter.isalnum() for letter in said):
        return None
    last = re.findall(r"[^\W_]+(?:'[^\W_]+)*", said.lower().replace(APOSTROPHE, "'"))[-1]
    if TRAILS_OFF.search(said) or (last in OPEN_WORDS and not ASKS.search(said)):
        return False  # a transcriber puts a full stop after whatever it was given, and a question mark only if asked
    return True if ENDS.search(said) else None


@frozen
class Agreement:
    """How the labeller did where a person had said what is true: asked of every stop of the server's that has words.

    answered: those it had an opinion of. right: those in which that was so. unfinished: how many were not the end of a
    turn, which is what somebody without any ear would have to beat by always saying "finished".
    """

    asked: int
    answered: int
    right: int
    unfinished: int


def agreement_with(recordings: Sequence[Recording], truths: Sequence[Truth]) -> Agreement:
    """Count, over the server's stops in calls that somebody labelled, how often the words alone say what is true."""
    rows = [
        (is_finished(sound.words), not _goes_on(sound, truth))
        for recording, truth in zip(recordings, truths, strict=True)
        if truth.source != "derived"
        for sound in sounds_of(recording)
        if sound.has_words and sound.turn.stop_ms is not None
    ]
    answered = [(said, true) for said, true in rows if said is not None]
    return Agreement(
        len(rows),
        len(answered),
        sum(said == true for said, true in answered),
        sum(not true for _, true in rows),
    )


def _goes_on(sound: Sound, truth: Truth) -> bool:
    """Say whether the server's stop fell within a turn."""
    stop_ms = sound.turn.stop_ms
    assert stop_ms is not None
    return any(turn.span.start_ms < stop_ms < turn.span.end_ms for turn in truth.turns)
