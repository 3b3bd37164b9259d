"""The power is cut in the middle of five calls: what a daemon finds that starts on what was synced until then."""

from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from bench.fault_cells import POWER_LOSS_MS, Outcome, Records
from bench.fault_machine import LIMITS, QUICK, SCRIPTS, Company, players, sid_of, work_tool
from bench.power import Power
from bench.stage import AGENT, Place, Stage, open_stage
from bridge.calls.live_call import LiveCall
from bridge.tapes.names import tapes_under
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode

STAYS_SECONDS: Final = 5
"""The calls do not feel the cut: each has only to be there still when the last of them has come to its phase."""


@frozen
class PowerCut:
    """What was not synced is gone. It is taken away from a copy; that the process dies too is what `kill -9` is for."""

    name: str = "power cut"

    async def run(self, folder: Path) -> list[Outcome]:
        """Cut it, start a daemon on what is left, and return what came of each call."""
        for name in ("before", "after"):
            (folder / name).mkdir(parents=True)
        power = Power(folder / "before" / "data")
        setup = Place(
            folder / "before",
            script=players(1),  # type: ignore[arg-type]
            limits=LIMITS,
            tools={"work": work_tool()},
            sync=power.sync,
            server={"max_calls": 100},
        )
        cut_ms: dict[str, int] = {}
        async with open_stage(setup) as stage:
            await stage.ring(QUICK, call_sid=sid_of("over"))
            await stage.wait_recorded()
            company = Company(stage.ring, stage.model, STAYS_SECONDS)
            company.number_from(1)
            await company.meet(lambda: _cut(stage, power, folder / "after" / "data", cut_ms))
            await stage.wait_recorded()
        power.close()
        await _start_on(folder / "after")
        return [_look(folder, phase, cut_ms.get(phase)) for phase in ("over", *SCRIPTS)]


async def _cut(stage: Stage, power: Power, into: Path, cut_ms: dict[str, int]) -> None:
    for phase in SCRIPTS:
        call = stage.daemon.switchboard.find((sid_of(phase), AGENT))
        assert isinstance(call, LiveCall)
        cut_ms[phase] = call.now_ms()
    power.cut(into)


async def _start_on(folder: Path) -> None:
    """Let a daemon find what is left, and take one more call."""
    async with open_stage(Place(folder, server={"max_calls": 100})) as stage:
        await stage.ring(QUICK)
        await stage.wait_recorded()


def _look(folder: Path, phase: str, cut_ms: int | None) -> Outcome:
    outcome = Outcome(
        "power cut", phase, "bridge" if phase in SCRIPTS else "caller", may_lose_ms=POWER_LOSS_MS
    )
    found = Records.of(folder / "after" / "data").look(outcome, sid_of(phase))
    lost = None if cut_ms is None else _lost_ms(folder, sid_of(phase), cut_ms)
    return evolve(found, heard="silence" if phase in SCRIPTS else "had hung up", lost_ms=lost)


def _lost_ms(folder: Path, call_sid: str, cut_ms: int) -> int:
    """Return how old the first line was, at the cut, that is on the tape as it went on and not on what is left."""
    went_on, left = (_lines(folder / name, call_sid) for name in ("before", "after"))
    both = next(
        (n for n, pair in enumerate(zip(went_on, left, strict=False)) if pair[0] != pair[1]), len(left)
    )
    return max(0, cut_ms - decode(went_on[both]).t_ms) if both < len(went_on) else 0


def _lines(folder: Path, call_sid: str) -> list[bytes]:
    (path,) = (path for path in tapes_under(folder) if call_sid in path.name)
    return read_tape(path).lines
