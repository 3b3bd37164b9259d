import gzip
from pathlib import Path

import pytest

from bridge.errors import TapeError
from bridge.tapes.reader import read_tape
from replay.callers.recorded_line import NoCallerError, recorded_call
from replay.conformance.recorded import call_of, calls_of
from replay.model.script import Say
from replay.phone.script import WaitForStream

TAPES = Path(__file__).parents[2] / "tapes"


@pytest.mark.parametrize("name", ["interrupted", "hung_up", "late_model"])
def test_the_agent_speaks_for_as_long_as_the_caller_had_heard_and_not_heard_it(name: str) -> None:
    tape = read_tape(TAPES / f"{name}.jsonl.gz")
    situation, moments = call_of(tape), recorded_call(tape).moments
    assert isinstance(situation.caller.steps[0], WaitForStream)
    replies = [reply for reply in (situation.script.opening, *situation.script.turns) if reply]
    lengths = [len(said.audio) // 8 for reply in replies for said in reply if isinstance(said, Say)]
    spoken = [one.spoken_ms + one.unheard_ms for one in moments if one.was_heard]
    assert lengths == [max(ms, 800) // 20 * 20 for ms in spoken]


def test_what_is_odd_or_has_nobody_on_it_costs_that_tape_alone(tmp_path: Path) -> None:
    odd, quiet, good = tmp_path / "odd.jsonl", tmp_path / "quiet.jsonl", TAPES / "interrupted.jsonl.gz"
    odd.write_text("hello\n")
    lines = gzip.decompress(good.read_bytes()).splitlines(keepends=True)
    quiet.write_bytes(b"".join(line for line in lines if b'"twilio_ws"' not in line))
    faults, silent = list[TapeError](), list[NoCallerError]()
    (made,) = calls_of([odd, quiet, good], faults, silent)
    assert made == call_of(read_tape(good))
    assert [str(odd) in str(one) for one in faults] == [True]
    assert [str(quiet) in str(one) for one in silent] == [True]
