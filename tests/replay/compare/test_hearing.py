"""The same turn of every variant, to be heard side by side: what was on the line, chosen, and bounded."""

import re
from base64 import b64decode
from pathlib import Path

import pytest
from attrs import evolve
from hostile import hostile_tape
from measured import compared
from shown_calls import restaurant_call

from bridge.page.facts import told
from bridge.sound.wave_file import read_wave
from bridge.tapes.header import encode_header
from bridge.tapes.reader import Tape, read_tape
from replay.compare import hearing
from replay.compare.hearing import Turn, turns_to_hear
from replay.compare.outcome import Comparison
from replay.compare.report import page
from replay.tapes.rewrite import write_tape


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    return read_tape(restaurant_call(tmp_path_factory.mktemp("tapes")).path)


def heard_of(tape: Tape) -> Comparison:
    """Return a comparison all of whose calls are this one."""
    found = compared()
    return evolve(found, calls=tuple(evolve(call, tape=str(tape.path)) for call in found.calls))


def turns_of(comparison: Comparison) -> list[Turn]:
    return turns_to_hear(comparison.calls, comparison.baseline)


def test_what_is_heard_is_both_sides_of_the_line_around_an_answer(tape: Tape, tmp_path: Path) -> None:
    turns = turns_of(heard_of(tape))
    facts, sound = told(tape)
    assert [one.variant for one in turns[0].heard] == ["old", "new"]
    first = next(turn for turn in turns if turn.number == 1).heard[0]
    wait = facts["waits"][0]
    assert first.answer.waited_ms == wait["to_ms"] - wait["from_ms"]
    assert first.answer.from_ms == max(0, wait["from_ms"] - 2000)
    (tmp_path / "turn.wav").write_bytes(first.wave)
    (samples,) = read_wave(tmp_path / "turn.wav", channels=1).channels
    assert len(samples) == (first.answer.to_ms - first.answer.from_ms) * 8
    assert max(samples[: 2000 * 8]) > 1000  # the caller
    assert max(samples[(wait["to_ms"] - first.answer.from_ms) * 8 :]) > 1000  # the agent
    assert any(sound.agent)


def test_every_caller_is_heard_before_any_is_heard_again_and_all_within_a_bound(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = heard_of(tape)
    everything = turns_of(comparison)
    assert {turn.caller for turn in everything} == {"asks-hours", "books-table", "interrupts"}
    once = sum(turn.size for turn in everything if turn.caller == "asks-hours")
    monkeypatch.setattr(hearing, "MOST_BYTES", once)
    fewer = turns_of(comparison)
    assert sum(turn.size for turn in fewer) <= once
    assert len({turn.caller for turn in fewer}) > 1


def test_a_call_without_a_tape_is_not_heard_and_takes_nothing_from_the_rest(tape: Tape) -> None:
    comparison = heard_of(tape)
    calls = [
        evolve(call, tape="gone.jsonl.gz") if call.caller == "interrupts" else call
        for call in comparison.calls
    ]
    assert {turn.caller for turn in turns_to_hear(calls, "old")} == {"asks-hours", "books-table"}


def test_the_page_has_it_within_itself(tape: Tape) -> None:
    text = page(heard_of(tape), Path())
    sounds = re.findall(
        r'<audio controls preload="none" aria-label="(\w+)" src="data:audio/wav;base64,([^"]+)"', text
    )
    assert {name for name, _ in sounds} == {"old", "new"}
    assert all(b64decode(data).startswith(b"RIFF") for _, data in sounds)
    assert "http" not in text
    assert len(text) < 4 * 2**20


def test_what_was_said_in_a_turn_adds_no_element(tmp_path: Path) -> None:
    hostile = hostile_tape()
    path = tmp_path / "hostile.jsonl.gz"
    write_tape(path, [encode_header(hostile.header), *hostile.lines])
    text = page(heard_of(evolve(hostile, path=path)), Path())
    assert "<h2>Listen</h2>" in text
    assert "<script" not in text
    assert "<img" not in text
