"""How well the local machine stands for the server's turn detection, and the hearing with which it does so best. Pure.

Which detector a server runs is not published. But each tape has its events: what it said of this very audio, under a
known setting. The local machine is fitted to them, and how far it is off is measured on calls that were not used for
the fit (`trust`). A recommendation stands on that, or there is none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from replay.vad.engine.machine import Hearing, Setting
from replay.vad.study.agreement import TOLERANCE_MS, Agreement, Case, agreement_of, together
from replay.vad.study.fit import FEWEST_EVENTS, fit
from replay.vad.study.sweep import Measured
from replay.vad.study.trust import in_words, moves, too_far

BEYOND: Final = 0.1
"""How far from a threshold that was in force another may be recommended: the server's scale may be another."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@frozen
class Calibration:
    """What was fitted, and how well it stands for the server.

    agreement: of the hearing, on the calls it was fitted to. held_out: of hearings fitted to one half of the calls, on
    the other half; others: those, by the calls that they were not fitted to. apart: how far, on these calls, what the
    server did is above what the model says of it, by metric; this is what counts. calls: how many had events.
    """

    hearing: Hearing
    agreement: Agreement
    held_out: Agreement
    calls: int
    settings: tuple[Setting, ...]
    others: Mapping[str, Hearing] = field(factory=dict, repr=False)
    apart: Mapping[str, Measured] = field(factory=dict)

    @property
    def known(self) -> tuple[float, float]:
        """Return between which of the server's thresholds this says how it hears: a little beyond those in force."""
        seen = [setting.threshold for setting in self.settings]
        return max(0.0, min(seen) - BEYOND), min(1.0, max(seen) + BEYOND)

    @property
    def is_good(self) -> bool:
        """Say whether a recommendation may stand on it."""
        return self.held_out.server >= FEWEST_EVENTS and not too_far(self.apart)

    def verdict(self) -> str:
        """Return what it says about the tool's right to recommend anything, for people."""
        told = self.held_out
        if told.server < FEWEST_EVENTS:
            return (
                f"{told.server} events in calls that were not used for the fit are too few to calibrate on: "
                f"at least {FEWEST_EVENTS} are needed"
            )
        share = f"{told.share * 100:.0f} % of all events are within {TOLERANCE_MS} ms"
        if far := too_far(self.apart):
            return (
                f"the local model does not hear as the server does: on calls not used for the fit it may be off by "
                f"{in_words(far)} ({share})"
            )
        off = {name: moves(one) for name, one in self.apart.items() if name != "missed"}
        may = f"it may be off by {in_words(off)}; " if off else ""
        return f"the local model stands for the server: on calls not used for the fit {may}{share}"


# ---------------------------------------------------------------- the fit


def calibrate(cases: Sequence[Case], *, mapped: Map = map) -> Calibration:
    """Fit a hearing to what the server said, and measure how far it agrees on calls it was not fitted to.

    `mapped` may be an executor's map: it is given the three fits. Raises `ValueError` for no cases at all.
    """
    if not cases:
        raise ValueError("nothing to calibrate on: no session had server_vad")
    calls = list(dict.fromkeys(case.call_id for case in cases))
    halves = [[case for case in cases if calls.index(case.call_id) % 2 == half] for half in range(2)]
    hearing, *others = mapped(fit, [cases, *(halves if all(halves) else [])])
    held_out = [agreement_of(halves[1 - half], other) for half, other in enumerate(others)]
    settings = tuple(dict.fromkeys(case.setting for case in cases))
    apart = {call: others[1 - number % 2] for number, call in enumerate(calls)} if others else {}
    return Calibration(hearing, agreement_of(cases, hearing), together(held_out), len(calls), settings, apart)
