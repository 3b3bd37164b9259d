"""What the words alone say of whether somebody had finished: a hint, whose worth is counted against labels."""

import pytest

from replay.vad.engine.machine import Setting
from replay.vad.truth.from_words import Agreement, agreement_with, is_finished
from replay.vad.truth.recording import Heard, Recording, ServerTurn
from replay.vad.truth.truth import Span, Truth, Turn

SAID = {
    "For two, please.": True,
    "Yes.": True,
    "Where are you from?": True,  # a preposition can end a question
    "Yes, I do.": True,
    "I'd like a table for.": False,  # transcribers put full stops after whatever they were given
    "My number is five, five,": False,
    "I was wondering if…": False,
    "Um": False,
    "Quiero una mesa para": False,
    "Ich hätte gern einen Tisch für zwei und": False,
    "tomorrow evening": None,
    "...": None,
    "": None,
}


@pytest.mark.parametrize("words", SAID)
def test_words_say_what_a_reader_would_take_from_them(words):
    assert is_finished(words) is SAID[words]


def test_how_often_they_are_right_is_counted_on_calls_with_labels_alone():
    setting = Setting(0.5, 500, 300)
    turns = (
        ServerTurn(700, 2500, "a", "I'd like a table for"),  # the caller goes on: right
        ServerTurn(2700, 4500, "b", "Two, please."),  # had finished: right
        ServerTurn(5700, 7500, "c", "And maybe."),  # goes on: wrong
        ServerTurn(7700, 9500, "d", "outside"),  # no opinion
        ServerTurn(10_700, 11_500, "e", ""),  # nothing to read
    )
    call = Recording("CA1", "CA1.jsonl", "front-desk", b"\xff" * 96_000, "none", (Heard(setting, turns),))
    truth = Truth((Turn(Span(1000, 4000)), Turn(Span(6000, 9000))), "labels", 12_000)
    derived = Truth(truth.turns, "derived", 12_000)
    assert agreement_with([call, call], [truth, derived]) == Agreement(
        asked=4, answered=3, right=2, unfinished=2
    )
