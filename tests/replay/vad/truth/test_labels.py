"""Label files: what they may say, what is wrong with those that can't be used, and that nothing is lost on the way."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.heart.audio import silence
from replay.vad.truth.labels import (
    LabelError,
    default_path,
    find_labels,
    labels_beside,
    read_labels,
    write_labels,
)
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Span, Truth, Turn

LENGTH_MS = 10_000
RECORDING = Recording(
    "CA1", "CA1.jsonl.gz", "front-desk", silence(LENGTH_MS), "none", agent=(Span(100, 900),)
)


def recording_with(places: list[tuple[int, int]]) -> Recording:
    """A recording whose frames begin at these (audio ms, wav ms)."""
    audio, wav = (np.array(side, np.int64) for side in zip(*places, strict=True))
    return evolve(RECORDING, places=(audio, wav))


def late_and_holed() -> Recording:
    """The model listens from 1 s of the wav on; after the 5th s of its audio, 2 s of frames were lost."""
    frames = range(0, LENGTH_MS, 20)
    return recording_with([(ms, ms + 1000 + 2000 * (ms >= 5000)) for ms in frames])


def read(tmp_path: Path, text: str | bytes, recording: Recording = RECORDING) -> Truth:
    path = tmp_path / "CA1.labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path, recording)


def fault(tmp_path: Path, text: str | bytes, recording: Recording = RECORDING) -> str:
    with pytest.raises(LabelError) as caught:
        read(tmp_path, text, recording)
    (told,) = caught.value.faults
    assert told.startswith(str(tmp_path / "CA1.labels.txt:"))
    return told.removeprefix(str(tmp_path / "CA1.labels.txt:"))


# ---------------------------------------------------------------- what they say


def test_turns_pauses_and_what_nobody_knows_are_read(tmp_path: Path) -> None:
    text = "1.0\t3.5\tturn: yes please\n1.5\t2.25\tpause\n4\t4.5\tunsure: a mumble\n5.000000\t5.4\tTurn\n"
    assert read(tmp_path, text) == Truth(
        turns=(
            Turn(Span(1000, 3500), (Span(1500, 2250),), "yes please"),
            Turn(Span(5000, 5400)),
        ),
        source="labels",
        length_ms=LENGTH_MS,
        agent=(Span(100, 900),),
        unsure=(Span(4000, 4500),),
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff1.0\t2.0\tturn\r\n\r\n",
        "start\tend\tlabel\n1.0\t2.0\tturn\n",
        "start_s\tend_s\tlabel\n1.0\t2.0\tturn\n",
        "# by Ann\n1.0\t2.0\tturn\n\\\t300.0\t3400.0\n",
        "1.0\t2.0\t TURN \n",
        "0.5\t0.9\tagent\n1.0\t2.0\tturn\n3\t4\tnoise: cough\n1.2\t1.2\tcomment: well said\n",
    ],
    ids=["windows", "headings", "headings_s", "frequencies", "capitals", "ignored"],
)
def test_everything_that_editors_write_is_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).turns == (Turn(Span(1000, 2000)),)


def test_the_order_of_lines_is_no_matter(tmp_path: Path) -> None:
    text = "5.0\t6.0\tturn: b\n5.2\t5.4\tpause\n1.0\t2.0\tturn: a\n"
    assert [turn.words for turn in read(tmp_path, text).turns] == ["a", "b"]


def test_a_composed_calls_labels_say_so(tmp_path: Path) -> None:
    assert read(tmp_path, "# composed\n1.0\t2.0\tturn\n").source == "composed"


def test_what_nobody_has_checked_is_no_label_by_hand(tmp_path: Path) -> None:
    derived = Truth((Turn(Span(1000, 2000)),), "derived", LENGTH_MS)
    path = tmp_path / "CA1.labels.txt"
    write_labels(path, derived, RECORDING)
    notice, rest = path.read_text().split("\n", 1)
    assert notice.startswith("0.000\t0.000\tcomment: not checked")
    assert read_labels(path, RECORDING).source == "derived"
    assert read(tmp_path, rest).source == "labels"


def test_what_overhangs_a_little_is_clipped(tmp_path: Path) -> None:
    text = "-0.2\t0.5\tturn\n9.0\t10.4\tturn\n9.2\t9.8\tpause\n"
    assert [turn.span for turn in read(tmp_path, text).turns] == [Span(0, 500), Span(9000, 10_000)]


def test_a_turn_whose_end_was_not_recorded_ends_before_its_last_pause(tmp_path: Path) -> None:
    assert read(tmp_path, "9.0\t10.4\tturn\n9.5\t10.2\tpause\n").turns == (Turn(Span(9000, 9500)),)


def test_labels_are_on_the_clock_of_the_wav(tmp_path: Path) -> None:
    text = "2.0\t3.0\tturn\n5.5\t8.5\tturn\n9\t10\tturn\n"
    turns = read(tmp_path, text, late_and_holed()).turns
    assert [turn.span for turn in turns] == [Span(1000, 2000), Span(4500, 5500), Span(6000, 7000)]


def test_what_was_said_where_frames_were_lost_was_not_given_to_the_model(tmp_path: Path) -> None:
    assert read(tmp_path, "6.2\t7.8\tturn\n", late_and_holed()).turns == ()


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1.0\t2.0\tspeech\n", "1: found the label 'speech': use turn, pause, unsure, agent, noise: ... or"),
        ("1.0\t2.0\t\n", "1: found the label ''"),
        ("\n1.0 2.0 turn\n", "2: found '1.0 2.0 turn': write start, end and label with a tab between"),
        ("1,5\t2.0\tturn\n", "1: found 1,5: seconds have a decimal point, 1.5"),
        ("0:01\t2.0\tturn\n", "1: found '0:01' where seconds should stand"),
        ("nan\t2.0\tturn\n", "1: found 'nan' where seconds should stand"),
        ("2.0\t1.0\tcomment: x\n", "1: comment 2.000 to 1.000 s ends before it starts"),
        ("2.0\t2.0\tturn\n", "1: turn 2.000 to 2.000 s has no length"),
        ("3.0\t4.0\tturn\n1.0\t3.2\tturn\n", "1: turn 3.000 to 4.000 s begins before the turn of line 2 is over"),
        ("1.0\t2.0\tturn\n2.0\t2.5\tpause\n", "2: pause 2.000 to 2.500 s is not inside a turn"),
        ("1.0\t2.0\tturn\n1.5\t2.0\tpause\n", "2: pause 1.500 to 2.000 s is not inside a turn"),
        ("1\t3\tturn\n1.4\t2\tpause\n1.5\t2.5\tpause\n", "3: pause 1.500 to 2.500 s begins before the pause of"),
        ("9.0\t10.501\tturn\n", "1: turn 9.000 to 10.501 s is outside the recording: the model was given"),
        ("-0.501\t1.0\tunsure\n", "1: unsure -0.501 to 1.000 s is outside the recording"),
        (b"1.0\t2.0\tturn\n3.0\t4.0\tturn: ol\xe9\n", "2: this is not UTF-8"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line_and_what_to_do(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert fault(tmp_path, text).startswith(told)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        read(tmp_path, "1,0\t2.0\tturn\n3.0\t4.0\tword\n5.0\t6.0\tpause\n")
    assert [fault.split(":")[1] for fault in caught.value.faults] == ["1", "2", "3"]


def test_a_file_that_is_not_there_is_a_label_error(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="can't be read: No such file"):
        read_labels(tmp_path / "CA1.labels.txt", RECORDING)


@settings(max_examples=300)
@given(
    content=st.binary(max_size=60) | st.text("0123456789.,-\t\n:#\\turnpase ", max_size=80).map(str.encode)
)
def test_whatever_is_in_a_file_it_is_read_or_its_faults_are_told(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "CA1.labels.txt"
    path.write_bytes(content)
    with suppress(LabelError):
        turns = read_labels(path, RECORDING).turns
        assert all(one.span.end_ms <= two.span.start_ms for one, two in pairwise(turns))


# ---------------------------------------------------------------- there and back


@st.composite
def spans(draw: st.DrawFn, most: int) -> list[Span]:
    count = 2 * draw(st.integers(0, most))
    edges = draw(st.sets(st.integers(0, LENGTH_MS), min_size=count, max_size=count).map(sorted))
    return [Span(start, end) for start, end in zip(edges[0::2], edges[1::2], strict=True)]


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    turns: list[list[Span]] = []
    for span in draw(spans(most=12)):
        if turns and draw(st.booleans()):
            turns[-1].append(span)
        else:
            turns.append([span])
    words = st.text(max_size=12).map(lambda text: " ".join(text.split()))
    return Truth(
        turns=tuple(Turn.of_speech(speech, draw(words)) for speech in turns),
        source=draw(st.sampled_from(["labels", "composed", "derived"])),
        length_ms=LENGTH_MS,
        agent=RECORDING.agent,
        unsure=tuple(draw(spans(most=4))),
    )


@st.composite
def clocks(draw: st.DrawFn) -> Recording:
    """The audio's clock and the wav's are one, or frames were lost here and there, or before the model listened."""
    lost = draw(st.dictionaries(st.integers(0, LENGTH_MS // 20 - 1), st.integers(1, 3000), max_size=5))
    if not lost:
        return RECORDING
    shifts = [sum(ms for frame, ms in lost.items() if frame <= n) for n in range(LENGTH_MS // 20)]
    return recording_with([(20 * n, 20 * n + shift) for n, shift in enumerate(shifts)])


@settings(max_examples=400)
@given(truth=truths(), recording=clocks())
def test_what_is_written_is_read_again_to_the_millisecond(
    tmp_path_factory: pytest.TempPathFactory, truth: Truth, recording: Recording
) -> None:
    path = tmp_path_factory.getbasetemp() / "CA1.labels.txt"
    write_labels(path, truth, recording)
    assert read_labels(path, recording) == truth


def test_where_frames_were_lost_time_does_not_run_backwards() -> None:
    recording = late_and_holed()
    there = [recording.audio_ms(ms) for ms in range(0, 14_000, 5)]
    assert there == sorted(there)
    assert recording.audio_ms(6500) == recording.audio_ms(8000) == 5000


# ---------------------------------------------------------------- where they lie


@pytest.mark.parametrize("tape", ["CA1.jsonl", "CA1.jsonl.gz"])
def test_labels_lie_beside_the_tape(tmp_path: Path, tape: str) -> None:
    assert labels_beside(tmp_path / tape) is None
    for name in ("CA1.labels.tsv", "CA1.labels.txt"):
        (tmp_path / name).touch()
        assert labels_beside(tmp_path / tape) == tmp_path / name
    assert default_path(tmp_path / tape) == tmp_path / "CA1.labels.txt"


def test_a_folder_of_labels_goes_before_the_tapes_own(tmp_path: Path) -> None:
    folder, tape, beside = tmp_path / "checked", tmp_path / "CA1.jsonl.gz", tmp_path / "CA1.labels.txt"
    folder.mkdir()
    assert find_labels(tape, folder) is None
    beside.touch()
    assert find_labels(tape, folder) == beside
    (folder / "CA1.labels.tsv").touch()
    assert find_labels(tape, folder) == folder / "CA1.labels.tsv"
    assert find_labels(tape, None) == beside


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_a_file_with_nothing_in_it_is_a_failed_export_and_no_silent_caller(tmp_path: Path, text: str) -> None:
    with pytest.raises(LabelError, match="there is nothing in it"):
        read(tmp_path, text)
    assert read(tmp_path, "# nobody speaks\n").turns == ()
