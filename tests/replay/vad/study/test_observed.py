"""What the server itself did to callers, by its own events: as a person would count it on the tapes."""

import pytest
from attrs import evolve
from vad_calls import HEARING, SETTING, composed, listened, recordings
from vad_semantic import write_semantic

from bridge.settings.turn_detection import SemanticVad
from bridge.tapes.tape import SHADOW
from replay.vad.engine.machine import Hearing
from replay.vad.study.observed import observed
from replay.vad.study.study import read_recordings, study
from replay.vad.study.sweep import DRAWN
from replay.vad.truth.recording import Heard, ServerTurn

CALLS = {
    # A turn of 2 s: its end was told 1.1 s after it, though the audio is said to end at its last sound.
    # A short reply that nothing was heard of. A turn with a pause, in which it was ended: cut off, and heard again.
    "CAa": (
        [(700, 3000, 4100), (7700, 8900, 9300), (9700, 11_000, 11_400)],
        [(1000, 3000, "turn"), (5500, 6000, "turn"), (8000, 11_000, "turn"), (8800, 9800, "pause")],
    ),
    # A start where nobody spoke, and a turn that was still not ended when the call was over.
    "CAb": ([(1700, 2600, 2900), (5700, None, None)], [(6000, 8000, "turn")]),
    # Two turns, found, ended 0.5 and 2.5 s late.
    "CAc": ([(700, 2000, 2500), (4700, 6000, 8500)], [(1000, 2000, "turn"), (5000, 6000, "turn")]),
}
LENGTH_MS = 12_000


@pytest.fixture(scope="module")
def semantic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semantic")
    paths = [write_semantic(folder, name, LENGTH_MS, *told) for name, told in CALLS.items()]
    return read_recordings(paths)[0]


def test_what_semantic_vad_did_is_what_a_count_by_hand_finds(semantic):
    (told,) = study(semantic).observed
    assert (told.leg, told.setting, told.calls) == ("openai_ws", SemanticVad(eagerness="high"), 3)
    by_hand = {
        "turns_cut": 1 / 6,  # of the six turns the one with the pause
        "pauses_cut": 1 / 1,
        "short_missed": 1 / 1,
        "missed": 1 / 6,
        "false_per_hour": 1 / (3 * 12 / 3600),
        "onset_clipped": 0,
        "not_ended": 2
        / 5,  # of the five found: the one whose end came after 2.5 s, and the one that had none
        "delay_mean_ms": (1100 + 400 + 500 + 2000 + 2000)
        / 5,  # by when it came, not by what audio_end_ms says
    }
    measured = {name: told.measured[name].value for name in by_hand}
    assert measured == pytest.approx(by_hand, rel=0.03)  # events come between two frames of 20 ms
    assert told.modelled == {}
    assert told.way_ms is None


def test_when_an_event_came_is_told_on_the_audios_clock(semantic):
    first, *_ = semantic[0].heard[0].turns
    assert (first.start_ms, first.stop_ms) == (700, 3000)
    assert first.start_came_ms == pytest.approx(1000, abs=20)
    assert first.stop_came_ms == pytest.approx(4100, abs=20)


def truths_of(count):
    return [call.truth for call in composed(count)]


def test_the_servers_own_events_are_what_the_machine_that_made_them_is_measured_to_do():
    (told,) = observed(recordings(), listened(), truths_of(12), HEARING, resamples=50)
    assert (told.setting, told.calls) == (SETTING, 12)
    for name in DRAWN:
        assert abs(told.apart[name].value) < {"delay_mean_ms": 1}.get(name, 0.02), name
        assert told.measured[name].low <= told.measured[name].value <= told.measured[name].high


def test_a_local_model_that_hears_otherwise_is_seen_to():
    (told,) = observed(recordings(), listened(), truths_of(12), Hearing(lag_ms=-200), resamples=200)
    assert told.apart["delay_mean_ms"].low > 100


def test_a_shadow_is_judged_by_what_it_could_hear():
    whole = recordings()[0]
    (real,) = whole.heard
    late = evolve(
        real, leg=SHADOW, starts_at_ms=2000, ends_at_ms=whole.length_ms - 1000,
        turns=tuple(ServerTurn(turn.start_ms - 2000, turn.stop_ms - 2000) for turn in real.turns
                    if turn.start_ms >= 2000 and turn.stop_ms < whole.length_ms - 1000),
    )  # fmt: skip
    both = evolve(whole, heard=(real, late))
    truth = truths_of(1)[0]
    here, there = observed([both], listened()[:1], [truth], HEARING, resamples=5)
    inside = [
        one for one in truth.turns if one.span.start_ms >= 2000 and one.span.end_ms <= whole.length_ms - 1000
    ]
    assert (here.leg, there.leg) == ("openai_ws", SHADOW)
    assert there.totals["turns"] == len(inside)
    assert there.totals["hours"] == pytest.approx(
        (whole.length_ms - 3000) / 3_600_000, rel=0.002
    )  # to a window


def test_no_server_is_blamed_for_an_imported_call():
    alone = evolve(recordings()[0], heard=(Heard(None, (ServerTurn(0, 500),)),))
    assert observed([alone], listened()[:1], truths_of(1), HEARING) == ()
