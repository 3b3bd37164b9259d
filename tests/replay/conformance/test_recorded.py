from pathlib import Path

import pytest

from bridge.tapes.reader import read_tape
from replay.callers.recorded_line import recorded_call
from replay.conformance.recorded import call_of
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
