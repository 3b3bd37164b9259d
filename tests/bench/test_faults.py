"""The fault matrix: how an outcome is judged, and a few cells over real sockets."""

from pathlib import Path

import pytest
import trio
from attrs import evolve
from click.testing import CliRunner

from bench import faults
from bench.fault_calls import FAULTS, PHASES, run_phase, work
from bench.fault_cells import PHASES as NAMES
from bench.fault_cells import Outcome

GOOD = Outcome("a fault", "speaking", "caller|tool", ended="tool: all said", records=1)


def test_a_good_cell_has_one_record_one_whole_tape_and_no_harm_beside_it() -> None:
    assert GOOD.is_good
    bad = {
        "ended by model, not caller|tool": evolve(GOOD, ended="model: gone"),
        "0 records": evolve(GOOD, records=0),
        "2 records": evolve(GOOD, records=2),
        "tape is torn": evolve(GOOD, tape="is torn"),
        "others: a hole of 60 ms": evolve(GOOD, others="a hole of 60 ms"),
        "260 ms lost": evolve(GOOD, lost_ms=260),
    }
    assert {text: one.problems for text, one in bad.items()} == {text: [text] for text in bad}
    assert evolve(GOOD, lost_ms=240).is_good


def test_every_fault_says_what_it_expects_in_phases_that_there_are() -> None:
    for fault in FAULTS:
        assert set(fault.phases) <= set(NAMES) == set(PHASES)
        assert set("|".join(fault.expects.values()).split("|")) <= {"caller", "model", "tool", "limit"}


def test_the_table_has_a_cell_for_each_phase_and_the_exit_code_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [GOOD, evolve(GOOD, fault="another", phase="tool", records=0)]
    monkeypatch.setattr(faults.Matrix, "run", lambda matrix, folder: matrix.outcomes.extend(outcomes))
    done = CliRunner().invoke(faults.main, [])
    assert done.exit_code == 1
    assert "FAULT: another, tool: 0 records" in done.stdout
    assert "1 of 2 cells as declared" in done.stdout
    listed = CliRunner().invoke(faults.main, ["--list"]).stdout.splitlines()
    assert {"kill -9", "disk full", "DNS gone", "model: TCP reset", "tool: hangs"} <= set(listed)


async def test_two_faults_at_once_harm_nobody_beside_them(tmp_path: Path) -> None:
    chosen = [one for one in FAULTS if one.name in ("model: closes with 1011", "Twilio: TCP reset")]
    with trio.fail_after(60):
        outcomes = await run_phase(
            tmp_path, PHASES["listening"], chosen, {"work": work}, story="agent_greeting"
        )
    assert [one.ended.split(":")[0] for one in outcomes] == ["model", "caller"]
    assert [one.problems for one in outcomes] == [[], []]
