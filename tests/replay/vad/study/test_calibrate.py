"""The local machine is fitted to a server whose inner threshold, hysteresis and lag it is not told; or refuses."""

from functools import cache

import numpy as np
import pytest
from attrs import evolve

from bridge.agents import Agent
from bridge.settings.turn_detection import ServerVad
from replay.model.script import Say, Script
from replay.phone.script import Caller, HangUp
from replay.phone.script import Say as Speak
from replay.simulation.simulate import simulate
from replay.sound.ears import EARS, Ear, listened
from replay.sound.formats import murmur
from replay.sound.hearing import Hearing as Hidden
from replay.vad.compose.compose import Recipe, compose
from replay.vad.engine.machine import Hearing
from replay.vad.study.agreement import agreement_of, cases_of
from replay.vad.study.calibrate import FEWEST_EVENTS, calibrate
from replay.vad.study.trust import apart_of, too_far
from replay.vad.truth.derive import WITNESS, derive
from replay.vad.truth.recording import Heard, ServerTurn, read_recording

CALLS = 20
RECIPE = Recipe(turns=(2, 3))
SETTING = ServerVad(threshold=0.6, silence_duration_ms=500)
HIDDEN = Hidden(
    engine="silero", policy="carry", threshold_shift=-0.12, hysteresis=0.22, start_windows=2, lag_ms=70
)
OTHER = Hidden(engine="level")


def recordings(hidden, calls=CALLS, setting=SETTING):
    """Let composed callers ring a stand-in that hears in its own way; return what is on the tapes."""
    return [recording(hidden, number, setting) for number in range(calls)]


@cache
def recording(hidden, number, setting):
    script = Script(
        opening=(Say(murmur(400), "Hello."),), fallback=(Say(murmur(400), "Yes."),), hearing=hidden
    )
    agent = Agent(name="front-desk", turn_detection=setting)
    caller = Caller(steps=(Speak(compose(RECIPE, 3, number).audio), HangUp()))
    return read_recording(simulate(caller, script, agent, seed=number))


@cache
def heard_as(audio):
    """Two servers were told the same: what is heard of it is worked out once."""
    return listened([audio])[0]


def calibrated(found):
    told = [heard_as(one.audio) for one in found]
    made = calibrate(cases_of(found, {ear: [one[ear] for one in told] for ear in EARS}))
    truths = [derive(one, own[WITNESS]) for one, own in zip(found, told, strict=True)]
    return evolve(made, apart=apart_of(found, told, truths, made.others, 2000))


@pytest.fixture(scope="module")
def hidden():
    return calibrated(recordings(HIDDEN))


def test_the_fit_finds_what_the_server_does_not_tell(hidden):
    found = hidden.hearing
    assert found.threshold(SETTING.threshold) == pytest.approx(0.6 - 0.12, abs=0.05)
    assert found.hysteresis == pytest.approx(0.22, abs=0.05)
    assert found.lag_ms == pytest.approx(70, abs=32)
    assert (found.ear, found.smoothing, found.start_windows) == (Ear(), 1, 2)


def test_on_calls_that_it_was_not_fitted_to_the_events_agree(hidden):
    assert hidden.held_out.server >= FEWEST_EVENTS
    assert hidden.held_out.share >= 0.95
    assert hidden.is_good


def test_a_server_with_another_detector_is_refused():
    found = calibrated(recordings(OTHER))
    assert too_far(found.apart)
    assert not found.is_good
    assert "does not hear as the server does" in found.verdict()


def test_two_thresholds_on_tape_show_how_the_servers_scale_lies():
    hidden = Hidden(engine="silero", threshold_slope=0.6, threshold_shift=0.1, start_windows=1)
    both = [recordings(hidden, 10, ServerVad(threshold=remote)) for remote in (0.4, 0.8)]
    found = calibrated([one for half in both for one in half]).hearing
    for remote in (0.4, 0.6, 0.8):
        assert found.threshold(remote) == pytest.approx(0.6 * remote + 0.1, abs=0.05)


def test_too_few_events_are_no_calibration():
    found = calibrated(recordings(HIDDEN, 2))
    assert not found.is_good
    assert "too few" in found.verdict()


def test_nothing_to_calibrate_on_is_an_error():
    with pytest.raises(ValueError, match="nothing to calibrate on"):
        calibrate([])


def test_an_event_without_its_like_counts_on_both_sides():
    """Three server events, of which one is the machine's, and one event of the machine's alone."""
    (recording,) = recordings(HIDDEN, 1)
    heard = {Ear(): [np.full(320, 0.0, dtype=np.float32)]}
    heard[Ear()][0][31:60] = 1  # heard from 1024 ms, over at 1920 + 16 * 32 ms
    turns = ServerTurn(1024 - 300, 1920 + 512 - 40), ServerTurn(5000)
    case = cases_of([evolve(recording, heard=(evolve(recording.heard[0], turns=turns),))], heard)
    found = agreement_of(case, Hearing())
    assert (found.server, found.local, found.matched) == (3, 2, 2)
    assert found.share == pytest.approx(4 / 5)
    assert found.errors_ms.tolist() == [40]


def test_a_shadow_that_was_given_up_is_asked_about_what_it_heard_alone():
    (recording,) = recordings(HIDDEN, 1)
    shadow = Heard(recording.heard[0].setting, (), "shadow_ws", ends_at_ms=3200)
    heard = {Ear(): [np.zeros(1000, dtype=np.float32)]}
    real, given_up = cases_of([evolve(recording, heard=(*recording.heard, shadow))], heard)
    assert (len(real.probabilities[Ear()]), len(given_up.probabilities[Ear()])) == (1000, 100)
