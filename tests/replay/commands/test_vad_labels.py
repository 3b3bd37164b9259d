"""`replay vad labels`: a file to begin with, never over somebody's work, and a check of what came of it."""

import json
import shutil
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vad_calls import write_calls

from replay.commands.vad_labels import labels

TAPES = Path(__file__).parents[2] / "tapes"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return Path(shutil.copy(TAPES / "interrupted.jsonl.gz", tmp_path / "CA1.jsonl.gz"))


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(labels, [str(arg) for arg in args])


def test_labels_are_written_beside_the_tape_with_what_was_found(tape: Path, tmp_path: Path) -> None:
    result = run(tape)
    assert result.exit_code == 0, result.output
    path = tmp_path / "CA1.labels.txt"
    assert result.output.splitlines() == [
        str(path),
        "2 turns (2 short), 0 pauses, 0 unsure: worked out from the call; nobody has checked it",
    ]
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert [label for _, _, label in rows if label.startswith("turn")] == ["turn: Yes.", "turn: Wait, stop."]


def test_the_sound_to_listen_to_is_written_too(tape: Path, tmp_path: Path) -> None:
    result = run(tape, "--wav", tmp_path / "call.wav", "-o", tmp_path / "mine.txt")
    assert result.output.splitlines()[:2] == [str(tmp_path / "mine.txt"), str(tmp_path / "call.wav")]
    with wave.open(str(tmp_path / "call.wav"), "rb") as file:
        assert file.getnchannels() == 2
    assert not (tmp_path / "CA1.labels.txt").exists()


@pytest.mark.parametrize("name", ["CA1.labels.txt", "CA1.labels.tsv"])
def test_somebodys_work_is_not_overwritten_unless_told(tape: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("1\t2\tturn\n")
    result = run(tape)
    assert result.exit_code == 2
    assert f"{name} is there already" in result.stderr
    assert "--force" in result.stderr
    assert path.read_text() == "1\t2\tturn\n"
    assert run(tape, "--force").output.startswith(str(path))
    assert "turn: Wait, stop." in path.read_text()


def test_a_check_counts_what_a_person_labelled(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "CA1.labels.txt").write_text("0.9\t1.4\tturn\n2.4\t3.3\tturn\n2.6\t2.7\tpause\n")
    result = run(tape, "--check")
    assert (result.exit_code, result.output.splitlines()[1:]) == (
        0, ["2 turns (1 short), 1 pause, 0 unsure: labels by hand"],
    )  # fmt: skip


def test_a_check_tells_what_turn_detection_did_wrong_and_where_to_listen(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "CA1.labels.txt").write_text("0.9\t1.4\tturn\n")
    (line,) = run(tape, "--check").output.splitlines()[2:]
    assert (
        line
        == '    2.464 s  false   the server heard "Wait, stop." where nobody spoke while the agent was heard'
    )


def test_a_check_tells_all_faults(tape: Path, tmp_path: Path) -> None:
    path = tmp_path / "CA1.labels.txt"
    path.write_text("0.9\t1.4\tturn\n2,4\t3.3\tturn\n90\t91\tturn\n")
    result = run(tape, "--check")
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith(f"Error: {path}:2: found 2,4")
    assert second.startswith(f"Error: {path}:3: turn 90.000 to 91.000 s is outside the recording")
    assert len(json.loads(run(tape, "--check", "--json").stdout)["faults"]) == 2


def test_json_has_counts_and_moments(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "CA1.labels.txt").write_text("0.9\t1.4\tturn\n")
    told = json.loads(run(tape, "--check", "--json").output)
    (moment,) = told.pop("moments")
    assert told == {
        "labels": str(tmp_path / "CA1.labels.txt"), "source": "labels", "length_ms": 4280,
        "turns": 1, "short_turns": 1, "pauses": 0, "unsure": 0,
    }  # fmt: skip
    assert (moment["kind"], moment["agent_speaking"]) == ("false", True)


def test_a_check_without_labels_says_how_to_get_some(tape: Path, tmp_path: Path) -> None:
    for options in ((), ("-o", tmp_path / "other.txt")):
        result = run(tape, "--check", *options)
        assert result.exit_code == 2
        assert "writes one to begin with" in result.stderr


def test_a_check_writes_nothing(tape: Path) -> None:
    assert "leave --wav and --force out" in run(tape, "--check", "--force").stderr


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls that a server has heard and nobody labelled."""
    folder = tmp_path_factory.mktemp("calls")
    write_calls(folder, heard=True)
    for path in folder.glob("*.labels.txt"):
        path.unlink()
    return folder


def test_of_many_calls_the_moments_are_asked_about_that_would_tell_most(calls: Path, tmp_path: Path) -> None:
    options = ("--html", tmp_path / "labels.html", "--data", tmp_path)
    result = run(calls, *options, "--audacity", tmp_path / "mine", "--json")
    assert result.exit_code == 0, result.output
    asked = json.loads(result.stdout)["moments"]
    assert asked
    assert {one["kind"] for one in asked} <= {"one or two", "speech"}
    assert "Be surer" in (tmp_path / "labels.html").read_text()
    call = asked[0]["call_id"]
    assert (tmp_path / "mine" / f"{call}.wav").exists()
    labels = (tmp_path / "mine" / f"{call}.labels.txt").read_text()
    assert f"{asked[0]['wav_ms'] / 1000:.3f}\t{asked[0]['wav_end_ms'] / 1000:.3f}\task: " in labels
    assert run(*sorted(calls.glob("*.gz")), *options).output.count("turn") >= len(asked)


def test_answers_of_the_page_are_taken_beside_the_tapes(calls: Path, tmp_path: Path) -> None:
    call = sorted(calls.glob("*.gz"))[0].name.removesuffix(".jsonl.gz")
    (tmp_path / "answers.txt").write_text(f"# call {call}\n0.5\t1.0\tchecked\n")
    result = run(calls, "--take", tmp_path / "answers.txt", "--data", tmp_path)
    assert (result.exit_code, result.output) == (0, f"{calls / call}.labels.txt: 1 moment\n")
    checked = run(calls / f"{call}.jsonl.gz", "--check")
    assert "worked out from the call, but for 1 moment that a person checked" in checked.output
    (tmp_path / "answers.txt").write_text(f"# call {call}\n0,5\t1.0\tchecked\n")
    assert run(calls, "--take", tmp_path / "answers.txt", "--data", tmp_path).exit_code == 2


def test_a_file_that_is_no_page_s_answers_is_refused_with_the_command_that_makes_one(
    calls: Path, tmp_path: Path
) -> None:
    (tmp_path / "answers.txt").write_text("hello\n")
    result = run(calls, "--take", tmp_path / "answers.txt", "--data", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "save it from the page of `replay vad labels`" in result.stderr


def test_what_is_for_one_call_is_for_one_call(calls: Path) -> None:
    assert "are for one call: name its tape" in run(calls, "--wav", "x.wav").stderr


def test_a_tape_without_speech_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"hello\n")
    result = run(tmp_path / "x.jsonl")
    assert result.exit_code == 2
    assert "x.jsonl: not a tape" in result.stderr


def test_a_file_that_cant_be_written_is_named(tape: Path, tmp_path: Path) -> None:
    for options in (("-o", tmp_path / "no" / "x.txt"), ("--wav", tmp_path / "no" / "x.wav")):
        result = run(tape, *options)
        assert result.exit_code == 2
        assert "can't be written" in result.stderr
