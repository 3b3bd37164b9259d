"""What a caller did, worked out from calls made by hand: a rule a test. Times are ms of the caller's audio."""

from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from bridge.heart.audio import silence
from bridge.settings.turn_detection import SemanticVad
from bridge.tapes.reader import read_tape
from replay.sound import silero
from replay.sound.silero_network import WINDOW_MS, Floats
from replay.vad.engine.machine import Setting
from replay.vad.truth.derive import ENDS_LATE_MS, STARTS_LATE_MS, derive
from replay.vad.truth.moments import moments
from replay.vad.truth.recording import Heard, Recording, ServerTurn, read_recording
from replay.vad.truth.truth import Span, Truth, Turn

INTERRUPTED = Path(__file__).parents[3] / "tapes" / "interrupted.jsonl.gz"
SETTING = Setting(threshold=0.5, silence_duration_ms=500, prefix_padding_ms=300)
LENGTH_MS = 500 * WINDOW_MS


def at(window: int) -> int:
    return window * WINDOW_MS


def span(first: int, end: int) -> Span:
    return Span(at(first), at(end))


def said(first: int, end: int) -> Span:
    """What was said, when the engine hears it in these windows: it notices both ends late."""
    return Span(at(first) - STARTS_LATE_MS, max(at(end) - ENDS_LATE_MS, at(first) + WINDOW_MS))


def sounds(*stretches: tuple[int, int, float]) -> Floats:
    """Probabilities of 500 windows, 0 but for these (first, end, probability)."""
    found = np.zeros(LENGTH_MS // WINDOW_MS, np.float32)
    for first, end, probability in stretches:
        found[first:end] = probability
    return found


def server_turn(first: int, end: int, words: str | None = None) -> ServerTurn:
    """The server's turn for speech in these windows, had it heard it as we do."""
    return ServerTurn(max(0, at(first) - 300), at(end) + 500, words=words)


def call(*turns: ServerTurn, agent: tuple[Span, ...] = (), prompts: tuple[int, ...] = ()) -> Recording:
    heard = (Heard(SETTING, turns),)
    return Recording("CA1", "CA1.jsonl", "desk", silence(LENGTH_MS), "none", heard, agent, prompts)


def spans_of(recording: Recording, probabilities: Floats) -> tuple[list[Span], list[Span]]:
    truth = derive(recording, probabilities)
    return [turn.span for turn in truth.turns], list(truth.unsure)


# ---------------------------------------------------------------- what is speech


def test_two_loud_windows_are_speech_and_one_is_not() -> None:
    assert spans_of(call(), sounds((20, 22, 0.5), (90, 91, 0.9))) == ([said(20, 22)], [])


def test_speech_lasts_until_it_falls_below_the_release_mark() -> None:
    assert spans_of(call(), sounds((20, 24, 0.8), (24, 30, 0.36), (30, 40, 0.34)))[0] == [said(20, 30)]


def test_speech_at_the_end_ends_with_the_recording() -> None:
    recording = evolve(call(), audio=silence(at(400) + 7))
    truth = derive(recording, sounds((390, 400, 0.9))[:400])
    assert truth.turns == (Turn(said(390, 400)),)
    assert truth.length_ms == at(400) + 7


def test_what_is_faint_for_150_ms_may_be_speech() -> None:
    assert spans_of(call(), sounds((20, 25, 0.3), (90, 94, 0.45))) == ([], [span(20, 25)])


def test_what_is_faint_is_speech_when_the_server_read_words_in_it() -> None:
    assert spans_of(call(server_turn(20, 25, "Yes.")), sounds((20, 25, 0.3))) == ([said(20, 25)], [])


def test_what_is_faint_around_sure_speech_is_no_stretch_of_its_own() -> None:
    assert spans_of(call(), sounds((10, 20, 0.3), (20, 25, 0.9), (25, 40, 0.34))) == ([said(20, 25)], [])


@pytest.mark.parametrize("words", ["", " ", ".", "…", " - "])
@pytest.mark.parametrize("loudness", [0.3, 0.99])
def test_what_the_server_read_nothing_in_is_no_speech(words: str, loudness: float) -> None:
    assert spans_of(call(server_turn(20, 40, words)), sounds((20, 40, loudness))) == ([], [])


def test_a_transcript_that_never_came_says_nothing() -> None:
    assert spans_of(call(server_turn(20, 40)), sounds((20, 40, 0.9))) == ([said(20, 40)], [])


def test_long_speech_is_not_undone_by_an_empty_transcript_of_a_little_of_it() -> None:
    assert spans_of(call(server_turn(20, 30, "")), sounds((20, 90, 0.9)))[0] == [said(20, 90)]


def test_of_two_transcripts_that_of_the_turn_with_more_of_the_speech_counts() -> None:
    recording = call(server_turn(20, 60, "Yes."), server_turn(64, 70, ""))
    assert spans_of(recording, sounds((20, 66, 0.9)))[0] == [said(20, 66)]


def test_what_may_be_the_agents_echo_is_unsure() -> None:
    agent = (span(0, 200),)
    assert spans_of(call(agent=agent), sounds((20, 30, 0.79))) == ([], [span(20, 30)])
    assert spans_of(call(agent=agent), sounds((20, 30, 0.8))) == ([said(20, 30)], [])
    assert spans_of(call(agent=agent), sounds((195, 205, 0.79))) == ([said(195, 205)], [])
    assert spans_of(call(server_turn(20, 30, "No"), agent=agent), sounds((20, 30, 0.79)))[0] == [said(20, 30)]


# ---------------------------------------------------------------- what is a turn


def test_who_goes_on_within_1200_ms_had_not_ended() -> None:
    pause = (1200 - ENDS_LATE_MS + STARTS_LATE_MS) // WINDOW_MS
    (turn,) = derive(call(), sounds((20, 30, 0.9), (30 + pause, 90, 0.9))).turns
    silent = Span(said(20, 30).end_ms, said(30 + pause, 90).start_ms)
    assert turn == Turn(said(20, 90), pauses=(silent,))
    assert len(derive(call(), sounds((20, 30, 0.9), (31 + pause, 90, 0.9))).turns) == 2


def test_a_gap_of_one_window_is_no_pause_and_of_two_is_one() -> None:
    assert derive(call(), sounds((20, 30, 0.9), (31, 40, 0.9))).turns == (Turn(said(20, 40)),)
    (turn,) = derive(call(), sounds((20, 30, 0.9), (32, 40, 0.9))).turns
    assert turn.pauses == (Span(said(20, 30).end_ms, said(32, 40).start_ms),)


def test_an_answer_that_is_heard_in_between_ends_the_turn() -> None:
    speech = sounds((20, 30, 0.9), (40, 50, 0.9))
    assert len(derive(call(agent=(span(35, 60),)), speech).turns) == 2
    assert len(derive(call(agent=(span(30, 32),)), speech).turns) == 2


def test_an_agent_that_was_speaking_already_ends_no_turn() -> None:
    assert len(derive(call(agent=(span(10, 35),)), sounds((20, 30, 0.9), (40, 50, 0.9))).turns) == 1


def test_a_turn_has_the_words_of_all_server_turns_in_it() -> None:
    recording = call(
        server_turn(20, 50, " A table "), server_turn(70, 90, "for two."), server_turn(200, 220, ".")
    )
    truth = derive(recording, sounds((20, 50, 0.9), (70, 90, 0.9), (200, 220, 0.9)))
    assert [turn.words for turn in truth.turns] == ["A table for two."]


def test_what_other_sessions_heard_is_no_witness() -> None:
    recording = call(server_turn(20, 40, "Yes."))
    shadow = Heard(SETTING, (server_turn(20, 40, ""),), leg="shadow")
    recording = evolve(recording, heard=(*recording.heard, shadow))
    assert spans_of(recording, sounds((20, 40, 0.9)))[0] == [said(20, 40)]


def test_silence_and_nothing_at_all_have_no_turns() -> None:
    assert derive(call(), sounds()).turns == ()
    assert derive(evolve(call(), heard=()), np.zeros(0, np.float32)).turns == ()


def test_a_recorded_call_has_the_two_turns_that_were_said() -> None:
    recording = read_recording(read_tape(INTERRUPTED))
    truth = derive(recording, silero.probabilities(recording.audio, "reset"))
    assert [turn.words for turn in truth.turns] == ["Yes.", "Wait, stop."]
    assert (truth.source, truth.unsure, truth.agent) == ("derived", (), recording.agent)
    assert moments(recording, truth) == []


# ---------------------------------------------------------------- what went wrong


def truth_of(
    *turns: Turn, source: str = "labels", unsure: tuple[Span, ...] = (), agent: tuple[Span, ...] = ()
) -> Truth:
    return Truth(turns, source, LENGTH_MS, agent, unsure)  # type: ignore[arg-type]


def found(recording: Recording, truth: Truth) -> list[tuple[str, int, str]]:
    return [(moment.kind, moment.at_ms, moment.text) for moment in moments(recording, truth)]


def test_a_call_that_went_well_has_no_moments() -> None:
    recording = call(server_turn(20, 40, "Yes."), server_turn(100, 150, "A table, please."))
    assert moments(recording, truth_of(Turn(span(20, 40)), Turn(span(100, 150)))) == []


def test_a_stop_inside_a_turn_is_a_cut() -> None:
    recording = call(server_turn(20, 40, "A table"), server_turn(65, 90, "for two."))
    truth = derive(recording, sounds((20, 40, 0.9), (65, 90, 0.9)))
    text = 'the server ended the turn after "A table", and the caller went on 0.3 s later'
    assert found(recording, truth) == [("cut", at(40) + 500, text)]


def test_a_stop_while_somebody_speaks_is_a_cut() -> None:
    recording = call(server_turn(20, 40))
    text = "the server ended the turn, and the caller was still speaking"
    assert found(recording, truth_of(Turn(span(20, 90)))) == [("cut", at(40) + 500, text)]


def test_who_goes_on_soon_after_the_stop_was_cut_unless_a_person_says_otherwise() -> None:
    recording = call(server_turn(20, 40, "A table"), server_turn(80, 90, "for two."))
    turns = (Turn(span(20, 40)), Turn(span(80, 90)))
    assert [kind for kind, _, _ in found(recording, truth_of(*turns, source="derived"))] == ["cut"]
    assert found(recording, truth_of(*turns)) == []
    assert found(recording, truth_of(*turns, source="derived", agent=(span(70, 75),))) == []


def test_a_turn_that_the_server_did_not_hear_is_missed() -> None:
    text = 'the server did not hear "Yes.", 0.3 s of speech'
    assert found(call(), truth_of(Turn(span(20, 30), words="Yes."))) == [("missed", at(20), text)]


def test_an_idle_prompt_after_a_short_reply_is_told() -> None:
    recording = call(prompts=(at(30) + 5000, at(30) + 9000))
    ((_, _, text),) = found(recording, truth_of(Turn(span(20, 30))))
    assert text == "the server did not hear 0.3 s of speech; its idle prompt came 5.0 s later"


def test_an_idle_prompt_makes_a_miss_of_what_was_unsure() -> None:
    truth = truth_of(unsure=(span(20, 30),))
    (miss,) = moments(call(prompts=(at(30) + 5000,)), truth)
    assert (miss.kind, miss.at_ms) == ("missed", at(20))
    assert moments(call(), truth) == []
    assert moments(call(prompts=(at(30) + 10_001,)), truth) == []
    assert moments(call(prompts=(at(30) + 5000,)), evolve(truth, agent=(span(0, 40),))) == []


def test_an_idle_prompt_after_another_turn_has_other_reasons() -> None:
    recording = call(server_turn(60, 70, "Hello?"), prompts=(at(70) + 4000,))
    assert moments(recording, truth_of(Turn(span(60, 70)), unsure=(span(20, 30),))) == []


def test_a_turn_heard_where_nobody_spoke_is_false() -> None:
    recording = call(server_turn(20, 30), server_turn(100, 110, "Thank you."))
    assert found(recording, truth_of()) == [
        ("false", at(20), "the server heard a turn where nobody spoke"),
        ("false", at(100), 'the server heard "Thank you." where nobody spoke'),
    ]


def test_a_turn_without_words_is_false_and_says_whether_the_agent_was_interrupted() -> None:
    recording = call(server_turn(20, 30, ""), server_turn(200, 210, "."), agent=(span(10, 22),))
    truth = derive(recording, sounds((20, 30, 0.9), (200, 210, 0.9)))
    assert [(moment.kind, moment.agent_speaking) for moment in moments(recording, truth)] == [
        ("false", True),
        ("false", False),
    ]


def test_a_person_who_heard_a_turn_knows_better_than_an_empty_transcript() -> None:
    assert moments(call(server_turn(20, 30, "")), truth_of(Turn(span(20, 30)))) == []


def test_what_is_unsure_is_neither_right_nor_wrong() -> None:
    assert moments(call(server_turn(20, 30)), truth_of(unsure=(span(20, 30),))) == []


def test_moments_come_in_order_with_their_place_in_the_wav() -> None:
    frames = np.arange(0, LENGTH_MS, 20, dtype=np.int64)
    recording = evolve(call(server_turn(100, 110)), places=(frames, frames + 700))
    there = moments(recording, truth_of(Turn(span(300, 310)), Turn(span(20, 30))))
    assert [(moment.kind, moment.wav_ms - moment.at_ms) for moment in there] == [
        ("missed", 700),
        ("false", 700),
        ("missed", 700),
    ]


def test_semantic_turn_detection_is_judged_by_its_own_times() -> None:
    heard = Heard(SemanticVad(), (ServerTurn(at(20), at(40), words="Yes."),))
    recording = evolve(call(), heard=(heard,))
    assert moments(recording, truth_of(Turn(span(20, 40)))) == []


def test_without_turn_detection_nothing_went_wrong() -> None:
    recording = evolve(call(), heard=(Heard(None, ()),))
    assert moments(recording, truth_of(Turn(span(20, 40)))) == []
