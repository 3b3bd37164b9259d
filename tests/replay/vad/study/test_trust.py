"""How far a model is off is measured on the server's own settings; what is too far is refused, the rest is a width."""

import numpy as np
import pytest
from attrs import evolve
from vad_calls import HEARING, composed, deaf, recordings

from replay.sound.ears import Ear, listened
from replay.vad.engine.machine import Hearing
from replay.vad.study.sweep import Grid, Measured, sweep
from replay.vad.study.trust import WORTH, apart_of, doubted, in_words, moves, too_far
from replay.vad.truth.corpus import Corpus
from replay.vad.truth.recording import Heard

HEARD = listened([one.audio for one in recordings()], [Ear()])
TRUTHS = [call.truth for call in composed(12)]


def apart(found, hearing):
    return apart_of(found, HEARD, TRUTHS, {one.call_id: hearing for one in found}, 2000)


def test_a_model_that_hears_as_the_server_does_is_nothing_off():
    found = apart(recordings(), HEARING)
    assert not too_far(found)
    assert {name: moves(one) for name, one in found.items()} == pytest.approx(dict.fromkeys(WORTH, 0), abs=1)


def test_a_model_that_is_far_off_is_told_by_what_it_is_off_in():
    found = apart([deaf(one) for one in recordings()], HEARING)
    assert too_far(found)
    assert found["false_per_hour"].value > 100  # it told of turns where nobody spoke
    assert "false starts an hour" in in_words(too_far(found))


def test_calls_without_server_vad_tell_nothing():
    assert apart([evolve(one, heard=(Heard(None, ()),)) for one in recordings()], Hearing()) == {}


def test_what_is_known_of_few_calls_alone_is_no_trust():
    """Nothing lies between, but with such an interval anything may."""
    assert too_far({"turns_cut": Measured(0.0, -0.15, 0.15)}) == {
        "turns_cut": pytest.approx(0.0765, abs=0.001)
    }


def test_how_far_a_model_may_be_off_is_part_of_every_interval():
    corpus = Corpus.of(map(str, range(12)), [one[Ear()] for one in HEARD], TRUTHS)
    found = sweep(corpus, Grid((0.5,), (500,), (300,)), HEARING, resamples=100)
    wider = doubted(found, {"turns_cut": Measured(0.04, 0.0, 0.08)})
    assert wider.values is found.values
    up = wider.high["turns_cut"] - found.values["turns_cut"]
    assert np.allclose(up, np.hypot(found.high["turns_cut"] - found.values["turns_cut"], 0.08))
    assert np.array_equal(wider.low["turns_cut"], found.low["turns_cut"])
    assert np.array_equal(wider.high["delay_mean_ms"], found.high["delay_mean_ms"])
