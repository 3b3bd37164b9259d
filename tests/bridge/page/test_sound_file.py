"""A call's sound, written while its tape is read: what is given early is what the whole file has."""

from pathlib import Path

import pytest

from bridge.page.beside import write_beside
from bridge.page.facts import told
from bridge.page.sound_file import HEAD, SoundFile, size_in
from bridge.store.line_sound import Listener
from bridge.store.peaks import WINDOW
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.restore import Restorer
from bridge.tapes.tape import decode

TAPES = Path(__file__).parents[2] / "tapes"


@pytest.fixture(params=["interrupted", "late_stream", "late_model"])
def tape(request: pytest.FixtureRequest) -> Tape:
    return read_tape(TAPES / f"{request.param}.jsonl.gz")


def poured(tape: Tape, length_ms: int, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """Return what is given while the tape is read, with a second's patience, and the whole file."""
    monkeypatch.setattr("bridge.page.sound_file.LATE_MS", 1000)
    listener = Listener(audio=Restorer(tape.header.agent_settings().clips))
    file, early = SoundFile(listener, length_ms), b""
    early = file.head()
    for line in map(decode, tape.lines):
        listener.take(line)
        early += file.settled(line.t_ms)
    return early, b"".join(file.whole())


def test_what_is_given_early_is_the_beginning_of_the_whole(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, sound = told(tape)
    early, whole = poured(tape, facts["call"]["duration_ms"], monkeypatch)
    assert len(early) > 8000
    assert abs(len(whole) - HEAD.size - 2 * len(sound.caller)) <= 4 * WINDOW
    assert whole.startswith(early)
    assert len(whole) == size_in(whole)
    assert whole[HEAD.size :: 2][: len(sound.caller)] == sound.caller
    assert whole[HEAD.size + 1 :: 2][: len(sound.agent)] == sound.agent


def test_sound_beyond_the_length_that_was_told_is_in_the_file(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sound = told(tape)
    early, whole = poured(tape, 1000, monkeypatch)
    assert size_in(early) == HEAD.size + 2 * (8000 + 320)
    assert len(early) <= size_in(early)
    assert whole[HEAD.size :: 2] == sound.caller


def test_the_file_is_whole_at_the_end_and_the_only_one(tape: Tape, tmp_path: Path) -> None:
    _, sound = told(tape)
    write_beside(tape.path, 0, tmp_path / "sound.wav", tmp_path / "lines.json")
    assert (tmp_path / "sound.wav").read_bytes()[HEAD.size :: 2] == sound.caller
    assert {path.name for path in tmp_path.iterdir()} == {"sound.wav", "lines.json"}
