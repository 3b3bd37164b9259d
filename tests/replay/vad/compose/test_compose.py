"""Composed calls: the same for the same seed, and everything that is said about them is in their sound."""

import copy
import hashlib
import json
import subprocess
import sys
import wave
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pytest
import soxr
from click.testing import CliRunner, Result

from bridge.heart.audio import bytes_of, to_pcm16
from bridge.tapes.reader import read_tape
from replay.commands.vad_compose import compose as command
from replay.sound.clips import clip
from replay.sound.ears import Ear
from replay.sound.silero import Ears, probabilities
from replay.sound.silero_network import WINDOW_MS, Policy
from replay.tapes.player import replay_tape
from replay.vad.compose import material, noises
from replay.vad.compose.compose import (
    ComposedCall,
    ComposeError,
    PauseDistribution,
    Recipe,
    compose,
    composed_calls,
    fit_pauses,
)
from replay.vad.compose.composed_tape import heard_turns, labels_of, tape_of, write_composed
from replay.vad.compose.sound import RATE, Samples, gain_of, level_db, samples_of, spoken_level, ulaw_of
from replay.vad.engine.machine import Hearing, Setting, naive_segments
from replay.vad.truth.recording import Recording, ServerTurn, read_recording
from replay.vad.truth.truth import LONG_PAUSE_MS, Span

FSDD = Path(__file__).parents[3] / "vad_data" / "fsdd"
CLEAN = Recipe.clean()
DIFFICULT = Recipe(noises=("line", "hum", "office", "babble", "street"), music_seconds=3, turns=(2, 4))


def heard(call: ComposedCall, span: Span) -> Samples:
    return samples_of(call.audio[bytes_of(span.start_ms) : bytes_of(span.end_ms)])


def speech_of(call: ComposedCall) -> list[list[Span]]:
    """Return each turn's stretches of speech: what its pauses leave."""
    found = []
    for turn in call.truth.turns:
        edges = [turn.span.start_ms, *(ms for one in turn.pauses for ms in (one.start_ms, one.end_ms))]
        edges.append(turn.span.end_ms)
        found.append([Span(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True)])
    return found


def gaps_of(call: ComposedCall) -> list[Span]:
    """Return what is between the turns, well away from them."""
    turns = [turn.span for turn in call.truth.turns]
    return [Span(one.end_ms + 100, other.start_ms - 100) for one, other in pairwise(turns)]


def digest(calls: int) -> str:
    audio = b"".join(call.audio + call.agent_audio for call in composed_calls(DIFFICULT, 4, calls=calls))
    return hashlib.sha256(audio).hexdigest()


# ---------------------------------------------------------------- the same for the same seed


def test_a_seed_gives_the_same_calls_in_another_process() -> None:
    code = "import test_compose as t; print(t.digest(5))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(5)


def test_another_seed_or_number_gives_another_call() -> None:
    calls = {compose(CLEAN, seed, number).call_id for seed in (1, 2) for number in (0, 1)}
    assert len(calls) == 4


def test_a_call_is_the_same_whichever_were_made_before() -> None:
    assert list(composed_calls(CLEAN, 3, calls=3))[2] == compose(CLEAN, 3, 2)


def test_a_clip_that_the_lab_gets_for_something_else_is_in_no_call() -> None:
    assert [piece.text for piece in material.spoken()] == [
        "Hi there.", "What are your opening hours this week?", "Sorry",
        "do you have a table for four on Friday at seven?", "Perfect, thank you.", "Goodbye!", "Yes.", "No, thanks.",
        "Wait, stop.",
    ]  # fmt: skip


def test_calls_can_be_asked_for_by_the_minute() -> None:
    calls = list(composed_calls(CLEAN, 1, minutes=3))
    total_ms = sum(call.truth.length_ms for call in calls)
    assert 180_000 <= total_ms < 180_000 + calls[-1].truth.length_ms


def test_a_minute_of_call_is_composed_in_well_under_a_tenth_of_a_second() -> None:
    list(composed_calls(Recipe(), 2, calls=8))  # beds and pieces are made once
    begun = process_time()
    calls = list(composed_calls(Recipe(), 1, calls=8))
    minutes = sum(call.truth.length_ms for call in calls) / 60_000
    assert (process_time() - begun) / minutes < 0.1


# ---------------------------------------------------------------- the truth is in the sound


def test_turns_begin_and_end_where_they_are_heard() -> None:
    for call in composed_calls(CLEAN, 1, calls=10):
        for speech in speech_of(call):
            for span in speech:
                level = np.sqrt(np.mean(heard(call, span).reshape(-1, 80) ** 2, axis=1))
                # 30 dB, and what µ-law rounds.
                assert min(level[0], level[-1]) > level.max() * gain_of(-33)


def test_nothing_is_heard_outside_the_turns_of_a_clean_call() -> None:
    for call in composed_calls(CLEAN, 2, calls=10):
        outside = np.ones(len(call.audio), dtype=bool)
        for span in (one for speech in speech_of(call) for one in speech):
            outside[bytes_of(span.start_ms - 50) : bytes_of(span.end_ms + 50)] = False
        assert not samples_of(call.audio)[outside].any()


def test_pauses_are_much_quieter_than_the_speech_around_them() -> None:
    calls = list(composed_calls(CLEAN, 3, calls=15))
    pauses = [(call, pause) for call in calls for turn in call.truth.turns for pause in turn.pauses]
    assert len(pauses) > 50
    for call, pause in pauses:
        assert level_db(heard(call, pause)) < call.level_dbfs - 30


def test_pauses_are_as_long_as_they_should_be_and_end_before_the_agent_answers() -> None:
    turns = [turn for call in composed_calls(CLEAN, 4, calls=40) for turn in call.truth.turns]
    pauses = [pause.length_ms for turn in turns for pause in turn.pauses]
    assert min(pauses) >= LONG_PAUSE_MS
    assert max(pauses) == 1150
    assert np.median(pauses) == pytest.approx(200 + 1000 * np.exp(-2.09), abs=30)
    for call in composed_calls(CLEAN, 4, calls=10):
        answers = [span.start_ms for span in call.truth.agent[1:]]
        for turn, answer_ms in zip(call.truth.turns, answers, strict=True):
            assert 1200 <= answer_ms - turn.span.end_ms <= 2000


def test_as_many_turns_are_short_as_were_asked_for() -> None:
    turns = [turn for call in composed_calls(CLEAN, 5, calls=60) for turn in call.truth.turns]
    assert np.mean([turn.is_short for turn in turns]) == pytest.approx(0.47, abs=0.06)


def test_turns_and_agent_never_overlap_and_nothing_is_unsure() -> None:
    for call in composed_calls(Recipe(), 6, calls=10):
        spans = sorted([*(turn.span for turn in call.truth.turns), *call.truth.agent])
        assert all(one.end_ms <= other.start_ms for one, other in pairwise(spans))
        assert spans[-1].end_ms <= call.truth.length_ms
        assert call.truth.unsure == ()
        assert call.truth.source == "composed"
        assert len(call.audio) == len(call.agent_audio) == bytes_of(call.truth.length_ms)
        assert len(call.audio) % 160 == 0


# ---------------------------------------------------------------- levels


def test_the_caller_is_as_loud_as_was_drawn() -> None:
    for call in composed_calls(CLEAN, 7, calls=10):
        spoken = np.concatenate([heard(call, span) for speech in speech_of(call) for span in speech])
        frames = spoken[: len(spoken) // 80 * 80]
        assert 20 * np.log10(spoken_level(frames)) == pytest.approx(call.level_dbfs, abs=1)
        assert -36 <= call.level_dbfs <= -18


@pytest.mark.parametrize("noise", [one for one in noises.NOISES if one != "none"])
def test_noise_is_as_far_below_speech_as_was_drawn(noise: noises.Noise) -> None:
    recipe = Recipe.clean(noises=(noise,), snr_db=(12, 20), turns=(8, 12))
    for call in composed_calls(recipe, 8, calls=4):
        between = np.concatenate([heard(call, gap) for gap in gaps_of(call)])
        wanted = call.level_dbfs - (call.snr_db or 0)
        # Hiss and hum are as loud at every moment; people and cars come and go.
        margin = 1 if noise in ("line", "hum") else 3
        assert level_db(between) == pytest.approx(wanted, abs=margin)


@pytest.mark.parametrize("noise", [one for one in noises.NOISES if one != "none"])
def test_a_bed_has_its_level_over_the_whole_call_whatever_its_kind(noise: noises.Noise) -> None:
    rng = np.random.default_rng(1)
    for seconds in (2, 50):
        assert level_db(noises.bed(noise, seconds * RATE, rng)) == pytest.approx(0, abs=1e-9)


def test_everything_is_in_the_band_of_a_telephone_line() -> None:
    for noise in ("line", "street"):
        bed = noises.bed(noise, 8 * RATE, np.random.default_rng(1))
        power, hz = np.abs(np.fft.rfft(bed)) ** 2, np.fft.rfftfreq(len(bed), 1 / RATE)
        assert power[(hz > 300) & (hz < 3400)].sum() > 0.9 * power.sum()
        assert power[(hz < 150)].sum() < 0.01 * power.sum()


def test_the_agent_comes_back_so_much_weaker_and_later() -> None:
    call = compose(Recipe.clean(echo_loss_db=20, echo_delay_ms=160), 9)
    for span in call.truth.agent:
        later = Span(span.start_ms + 160, span.end_ms + 160)
        agent = samples_of(call.agent_audio[bytes_of(span.start_ms) : bytes_of(span.end_ms)])
        echo = heard(call, later)
        assert level_db(echo) - level_db(agent) == pytest.approx(-20, abs=0.5)
        assert np.corrcoef(echo, agent)[0, 1] > 0.99


def test_without_echo_the_caller_hears_nothing_of_the_agent() -> None:
    call = compose(CLEAN, 9)
    for span in call.truth.agent:
        assert not heard(call, span).any()


# ---------------------------------------------------------------- noises that come and go


@pytest.mark.parametrize("name", noises.KEYS)
def test_a_key_has_the_two_tones_of_its_row_and_column(name: str) -> None:
    row, column = divmod(noises.KEYS.index(name), 4)
    tone = samples_of(ulaw_of(noises.key(name, 1000) * gain_of(-20)))
    found = np.sort(np.argsort(np.abs(np.fft.rfft(tone)))[-2:])
    assert found.tolist() == [noises.ROWS_HZ[row], noises.COLUMNS_HZ[column]]


def test_noises_are_where_the_call_says_and_away_from_speech() -> None:
    recipe = Recipe.clean(coughs_per_minute=10, clicks_per_minute=10, keys_per_minute=10, music_seconds=2)
    for call in composed_calls(recipe, 10, calls=5):
        kinds = {kind for kind, _ in call.events}
        assert kinds == {"cough", "click", "dtmf", "music"}
        for _, span in call.events:
            assert level_db(heard(call, span)) > call.level_dbfs - 20
            assert all(
                span.end_ms <= turn.span.start_ms or span.start_ms >= turn.span.end_ms
                for turn in call.truth.turns
            )


def test_hold_music_lasts_as_long_and_is_as_loud_as_asked() -> None:
    call = compose(Recipe.clean(music_seconds=20, music_dbfs=(-30, -30)), 11)
    [(kind, span)] = call.events
    assert (kind, span.length_ms) == ("music", 20_000)
    assert level_db(heard(call, span)) == pytest.approx(-30, abs=0.5)


# ---------------------------------------------------------------- what a recipe can't be


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"snr_db": (30, 12)}, "the lower one first"),
        ({"snr_db": (12, 300)}, "snr_db = 12 to 300"),
        ({"short_share": 1.5}, "short_share = 1.5: use 0 to 1"),
        ({"turns": (0, 3)}, "turns = 0 to 3"),
        ({"level_dbfs": (-20, 0)}, "level_dbfs"),
        ({"noises": ("rain",)}, "line, hum, office, babble, street, none"),
        ({"noises": ()}, "nothing"),
        ({"answer_ms": (500, 900)}, "answer_ms = 500 to 900"),
    ],
)
def test_a_wrong_setting_is_an_error_that_says_what_is_right(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ComposeError, match=says):
        Recipe(**wrong)


def test_a_call_that_no_tape_can_hold_is_an_error() -> None:
    with pytest.raises(ComposeError, match="fewer turns or less music"):
        compose(Recipe.clean(turns=(200, 200), music_seconds=3000), 1)


def test_a_negative_seed_is_an_error() -> None:
    with pytest.raises(ComposeError, match="use 0 or more"):
        compose(CLEAN, -1)


# ---------------------------------------------------------------- pauses of one's own


def test_a_fit_finds_the_distribution_that_pauses_were_drawn_from() -> None:
    drawn, rng = PauseDistribution(-2.5, 1.0), np.random.default_rng(1)
    fitted = fit_pauses([50, 120, *(drawn.draw_ms(rng) for _ in range(3000))])
    assert fitted.mu == pytest.approx(-2.5, abs=0.1)
    assert fitted.sigma == pytest.approx(1.0, abs=0.1)


def test_too_few_pauses_are_an_error() -> None:
    with pytest.raises(ComposeError, match="20 or more"):
        fit_pauses([100] * 50 + [400] * 19)


@pytest.mark.parametrize("wrong", [{"sigma": -1}, {"longest_ms": 3000}, {"longest_ms": 100}])
def test_a_distribution_that_reaches_into_the_answers_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ComposeError, match="pauses of sigma"):
        PauseDistribution(**wrong)


# ---------------------------------------------------------------- recordings of one's own


def write_wav(path: Path, ulaw: bytes, *, rate: int = 8000, channels: int = 1) -> Path:
    pcm = np.frombuffer(to_pcm16(ulaw), dtype="<i2")
    if rate != 8000:
        pcm = np.rint(soxr.resample(pcm.astype(np.float64), 8000, rate)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(pcm, channels).tobytes())
    return path


def yes_folder(tmp_path: Path, **kind: int) -> Path:
    folder = tmp_path / "words"
    folder.mkdir()
    write_wav(folder / "yes_please.wav", clip("caller_yes").audio, **kind)
    return folder


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_short_replies_can_come_from_a_folder_at_any_rate(tmp_path: Path, rate: int) -> None:
    call = compose(Recipe.clean(words=yes_folder(tmp_path, rate=rate), short_share=1.0), 1)
    assert {turn.words for turn in call.truth.turns} == {"yes please"}
    assert {turn.span.length_ms for turn in call.truth.turns} <= {330, 340, 350}


def test_pauses_in_a_recording_of_ones_own_are_known(tmp_path: Path) -> None:
    write_wav(tmp_path / "Hello.wav", clip("caller_hours").audio)
    call = compose(Recipe.clean(phrases=tmp_path, short_share=0.0, pieces=(1, 1)), 1)
    assert {tuple(pause.length_ms for pause in turn.pauses) for turn in call.truth.turns} <= {
        (290,),
        (300,),
        (310,),
    }


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match="no WAV file in this folder; put recordings there"):
        compose(Recipe.clean(words=tmp_path), 1)


def test_a_stereo_file_is_an_error_that_says_how_to_change_it(tmp_path: Path) -> None:
    with pytest.raises(
        ComposeError, match=r"yes_please\.wav: 2 channels of 16 bits: 1 of 16 is needed; ffmpeg"
    ):
        compose(Recipe.clean(words=yes_folder(tmp_path, channels=2)), 1)


def test_a_silent_file_and_one_that_is_no_wav_are_errors(tmp_path: Path) -> None:
    write_wav(tmp_path / "nothing.wav", b"\xff" * 800)
    with pytest.raises(ComposeError, match="nothing is to be heard"):
        compose(Recipe.clean(words=tmp_path), 1)
    (tmp_path / "nothing.wav").write_bytes(b"no sound")
    with pytest.raises(ComposeError, match=r"is no WAV file and can\'t be read: ffmpeg"):
        compose(Recipe.clean(words=tmp_path), 1)


@pytest.mark.skipif(not FSDD.is_dir(), reason="the data set is in the repository")
def test_the_packaged_digits_are_those_of_the_data_set() -> None:
    assert len(material.digits()) == 60
    with np.load(material.DIGITS) as file:
        for name in file:
            with wave.open(str(FSDD / f"{name}.wav")) as recording:
                pcm = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2") / 32768
            coded = samples_of(file[name].tobytes())
            assert np.corrcoef(pcm, coded)[0, 1] > 0.99


# ---------------------------------------------------------------- on tape


def recording_of(tmp_path: Path, call: ComposedCall, **asked: Any) -> Recording:
    return read_recording(read_tape(write_composed(tmp_path, call, **asked)))


@pytest.mark.parametrize("recipe", [Recipe(), DIFFICULT, Recipe.clean(music_seconds=130, turns=(1, 1))])
def test_the_lab_reads_from_tape_what_was_composed(tmp_path: Path, recipe: Recipe) -> None:
    call = compose(recipe, 12)
    recording = recording_of(tmp_path, call)
    assert recording.audio == call.audio
    assert (recording.call_id, recording.agent_name) == (call.call_id, "composed")
    moments = [0, 1, 5003, recording.length_ms - 1]
    assert [recording.wav_ms(ms) for ms in moments] == moments
    assert len(recording.agent) == len(call.truth.agent)
    for found, true in zip(recording.agent, call.truth.agent, strict=True):
        assert abs(found.start_ms - true.start_ms) <= 20
        assert abs(found.end_ms - true.end_ms) <= 20


def test_a_composed_tape_says_that_turn_detection_was_off(tmp_path: Path) -> None:
    [heard] = recording_of(tmp_path, compose(CLEAN, 13)).heard
    assert (heard.setting, heard.turns) == (None, ())


def test_a_composed_tape_replays_without_a_difference_and_is_always_the_same(tmp_path: Path) -> None:
    call = compose(Recipe(), 14)
    path = write_composed(tmp_path, call, setting=Setting(0.5, 300), hearing=Hearing())
    assert replay_tape(path).difference is None
    assert tape_of(call) == tape_of(call)


def test_server_events_that_are_passed_in_are_on_the_tape(tmp_path: Path) -> None:
    call, setting = compose(CLEAN, 15), Setting(0.7, 400, 200)
    turns = [(turn.span.start_ms - 200, turn.span.end_ms + 400) for turn in call.truth.turns]
    recording = recording_of(tmp_path, call, setting=setting, server_turns=turns)
    [heard] = recording.heard
    assert heard.setting == setting
    assert [(turn.start_ms, turn.stop_ms) for turn in heard.turns] == turns
    assert recording.agent == call.truth.agent


def test_the_local_machine_can_stand_for_the_server(tmp_path: Path) -> None:
    call, setting = compose(CLEAN, 16), Setting(0.5, 500)
    hearing = Hearing(Ear(policy="reset"), lag_ms=40)
    [heard] = recording_of(tmp_path, call, setting=setting, hearing=hearing).heard
    wanted = heard_turns(call, setting, hearing)
    assert [(turn.start_ms, turn.stop_ms) for turn in heard.turns] == wanted
    assert isinstance(heard.turns[0], ServerTurn)
    assert len(wanted) >= len(call.truth.turns)


@pytest.mark.parametrize("turns", [[(500, 400)], [(100, 900), (300, 800)], [(0, 10**7)], [(-1, 50)]])
def test_server_events_that_cant_be_are_an_error(turns: list[tuple[int, int]]) -> None:
    with pytest.raises(ComposeError, match="give them in order"):
        tape_of(compose(CLEAN, 15), server_turns=turns)


# ---------------------------------------------------------------- labels


def test_labels_say_in_seconds_what_is_true(tmp_path: Path) -> None:
    call = compose(Recipe(coughs_per_minute=5), 17)
    tape = write_composed(tmp_path, call)
    first, *lines = (tmp_path / f"{call.call_id}.labels.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    assert first == "# composed"
    assert tape.name == f"{call.call_id}.jsonl.gz"
    assert rows == sorted(rows, key=lambda row: (float(row[0]), float(row[1])))
    for turn in call.truth.turns:
        start, end = f"{turn.span.start_ms / 1000:.3f}", f"{turn.span.end_ms / 1000:.3f}"
        assert [start, end, f"turn: {turn.words}"] in rows
    pauses = [row for row in rows if row[2] == "pause"]
    assert len(pauses) == sum(len(turn.pauses) for turn in call.truth.turns)
    assert sum(row[2].startswith("noise: ") for row in rows) == len(call.events)
    assert {row[2].split(":")[0] for row in rows} == {"turn", "pause", "noise"}


def test_a_label_is_one_line_whatever_was_said() -> None:
    label = labels_of(compose(Recipe.clean(turns=(1, 1)), 1))
    assert all(line.count("\t") == 2 for line in label.splitlines()[1:])


# ---------------------------------------------------------------- what a detector makes of them


def is_found(windows: np.ndarray, span: Span) -> bool:
    """Say whether a window at or above 0.5 is in a stretch, or just after it: the detector lags by 100 ms."""
    return bool((windows[span.start_ms // WINDOW_MS : span.end_ms // WINDOW_MS + 4] >= 0.5).any())


def test_silero_finds_the_turns_of_clean_calls() -> None:
    found = []
    for call in composed_calls(CLEAN, 18, calls=8):
        windows = probabilities(call.audio)
        found += [is_found(windows, turn.span) for turn in call.truth.turns]
    assert len(found) > 50
    assert np.mean(found) >= 0.95


def music_dbfs(level: float, tune: int) -> Samples:
    """Return a minute of a tune."""
    loop = noises._tune_on_the_line(tune)
    return np.resize(loop, 60 * RATE) * gain_of(level)


@pytest.mark.parametrize("tune", range(noises.TUNES))
@pytest.mark.parametrize("level", [-33, -24])
def test_hold_music_alone_is_no_speech_and_gives_no_turn(tune: int, level: float) -> None:
    windows = probabilities(ulaw_of(music_dbfs(level, tune)))
    assert (windows > 0.5).sum() == 0
    assert naive_segments(windows, Setting(0.5, 500), Hearing()) == []


def test_a_yes_after_a_minute_of_hold_music_is_heard(tmp_path: Path) -> None:
    recipe = Recipe.clean(
        words=yes_folder(tmp_path), short_share=1.0, turns=(1, 1), level_dbfs=(-26, -26),
        noises=("line",), snr_db=(24, 24), music_seconds=60, music_dbfs=(-33, -33), reaction_ms=(1000, 1000),
    )  # fmt: skip
    for call in composed_calls(recipe, 19, calls=2):
        recording = recording_of(tmp_path, call)
        segments = naive_segments(probabilities(recording.audio), Setting(0.5, 500), Hearing())
        [turn], [segment] = call.truth.turns, segments
        assert abs(segment.first * WINDOW_MS - turn.span.start_ms) < 150


def found_after_music(level: float, policy: Policy) -> int:
    """Return how many of 60 digits at -26 dBFS are found 1 s after a minute of music, on a line with hiss at -50."""
    hiss = noises.bed("line", 62 * RATE, np.random.default_rng(0)) * gain_of(-50)
    ears = Ears(policy)
    ears.hear(at_16_khz(music_dbfs(level, 0) + hiss[: 60 * RATE]))
    found = 0
    for digit in material.digits():
        reply = np.concatenate((np.zeros(RATE), digit.samples * gain_of(-26), np.zeros(RATE // 4)))
        windows = copy.deepcopy(ears).hear(at_16_khz(reply + hiss[60 * RATE :][: len(reply)]))
        found += is_found(windows, Span(1000, 1000 + 1000 * len(digit.samples) // RATE))
    return found


def at_16_khz(samples: Samples) -> Any:
    narrow = samples_of(ulaw_of(samples)).astype(np.float32)
    return soxr.resample(narrow, RATE, 2 * RATE, quality="HQ")


def test_recorded_digits_are_heard_after_a_minute_of_hold_music() -> None:
    assert found_after_music(-33, "carry") == 60
    assert found_after_music(-30, "carry") >= 50


def test_loud_hold_music_deafens_a_detector_that_forgets_nothing() -> None:
    """Real hold music does so too, and more: that is what the policy "reset" is for."""
    assert found_after_music(-24, "carry") < 30
    assert found_after_music(-24, "reset") >= 55


# ---------------------------------------------------------------- the command


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args])


def test_the_command_writes_tapes_and_labels_and_says_what_they_are(tmp_path: Path) -> None:
    result = run("-n", "2", "--seed", "5", "--turns", "2:3", "-o", tmp_path / "made")
    assert result.exit_code == 0, result.output
    assert "2 calls," in result.output
    assert "short replies" in result.output
    tapes, labels = (sorted((tmp_path / "made").glob(f"*.{end}")) for end in ("jsonl.gz", "labels.txt"))
    assert len(tapes) == len(labels) == 2
    assert read_recording(read_tape(tapes[0])).audio


def test_the_command_prints_json(tmp_path: Path) -> None:
    arguments = ("--turns", "1:2", "--echo-loss", "none", "--noise", "none", "--json")
    result = run("--minutes", "0.3", *arguments, "-o", tmp_path)
    found = json.loads(result.stdout)
    assert found["calls"] == len(found["tapes"]) >= 1
    assert found["turns"] == sum(tape["turns"] for tape in found["tapes"])
    assert found["tapes"][0]["noise"] == "none"
    assert found["tapes"][0]["snr_db"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--snr", "30:12"), "the lower one first"),
        (("--snr", "loud"), "LOW:HIGH"),
        (("--echo-loss", "some"), "a number of dB, or none"),
        (("--short-share", "2"), "use 0 to 1"),
        (("--music-seconds", "nan"), "use 0 to 3000"),
        (("--turns", "0:3"), "turns = 0 to 3"),
    ],
)
def test_a_wrong_option_is_an_error_that_says_what_is_right(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments, "-o", tmp_path / "made")
    assert result.exit_code == 2
    assert says in result.stderr


def test_an_empty_folder_of_words_is_an_error(tmp_path: Path) -> None:
    result = run("--words", tmp_path, "-o", tmp_path / "made")
    assert result.exit_code == 2
    assert "no WAV file" in result.stderr
    assert "Try:" in result.stderr


def test_a_folder_that_cant_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("-o", tmp_path / "file" / "made")
    assert result.exit_code == 2
    assert "another folder with -o FOLDER" in result.stderr
