"""The report card of a bridge, as values: what was looked for, what was found, and the lines that prove it.

It judges nothing and prints nothing; `card_json` writes and reads it."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import Final, Literal

import attrs

Side = Literal["phone", "model"]
SpanKind = Literal["open", "caller", "agent", "tool"]
Result = Literal["passed", "failed", "unknown"]
Hindrance = Literal["", "machine", "bridge"]

WORST_FIRST: Final[Mapping[Result, int]] = {"failed": 0, "unknown": 1, "passed": 2}


@attrs.frozen
class Check:
    """One thing that is looked for in the calls. `title` says what a good bridge does."""

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[a-z]+(-[a-z]+)*"))
    title: str
    caller_notices: str
    """What whoever is on the line notices where it fails."""
    others_do: str
    """How bridges that pass do it."""


@attrs.frozen
class Evidence:
    """One line of one side's log; at_ms counts from the ring of its call, on a clock that both sides share."""

    side: Side
    at_ms: int
    line: str


@attrs.frozen
class Finding:
    """What one call says about one check. `why` is a sentence; of a finding about all calls `call` is empty."""

    check: str
    call: str
    result: Result
    why: str
    phone: Evidence | None = None
    model: Evidence | None = None
    hindrance: Hindrance = ""
    """Who had no time left, if that is why it could not be told: this machine, or the bridge with so many calls."""
    ms: int | None = None
    """What was measured, where a check is about a length of time."""


@attrs.frozen
class Span:
    """A stretch of one side's time: how long its line or session was open, who spoke, how long a tool ran."""

    side: Side
    kind: SpanKind
    from_ms: int
    to_ms: int


@attrs.frozen
class JudgedCall:
    """One call that was made, with what both sides have to tell, in the order in which it happened."""

    name: str
    title: str
    lines: tuple[Evidence, ...] = attrs.field(default=(), repr=False)
    spans: tuple[Span, ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Measure:
    """What the calls measured for one check: as callers have it, the middle and the worst of so many."""

    check: str
    times: int
    median_ms: int
    worst_ms: int


@attrs.frozen(kw_only=True)
class ReportCard:
    """What became of all calls to one bridge."""

    bridge: str
    """Its name, or the command that starts it."""
    url: str
    date: str
    """When the first call was made, in UTC, as ISO 8601 has it."""
    took_seconds: float
    checks: tuple[Check, ...] = attrs.field(repr=False)
    """Those that were looked for, in the order in which they are shown."""
    calls: tuple[JudgedCall, ...] = attrs.field(repr=False)
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    """What whoever reads it should know besides: what the bridge printed when it died, a machine that was busy."""

    measures: tuple[Measure, ...] = ()
    """Of the checks that are about a length of time and were measured more than once."""

    was_connected: bool = True
    """Whether any call came about."""

    def of(self, check: str) -> tuple[Finding, ...]:
        """Return what was found about a check, what failed first."""
        found = [finding for finding in self.findings if finding.check == check]
        return tuple(sorted(found, key=lambda finding: WORST_FIRST[finding.result]))

    def measured(self, check: str) -> Measure | None:
        """Return what was measured for a check that passed; of one that failed its failures tell more."""
        if self.result_of(check) != "passed":
            return None
        return next((one for one in self.measures if one.check == check), None)

    def result_of(self, check: str) -> Result:
        """Say how a check went: it failed if it did so once, and passed only if it did so at least once."""
        results = {finding.result for finding in self.of(check)}
        if "failed" in results:
            return "failed"
        return "passed" if "passed" in results else "unknown"

    @property
    def results(self) -> dict[str, Result]:
        """How each check went, by its name."""
        return {check.name: self.result_of(check.name) for check in self.checks}

    @property
    def tells_anything(self) -> bool:
        """Whether any check passed or failed."""
        return any(result != "unknown" for result in self.results.values())

    def named(self, result: Result) -> tuple[str, ...]:
        """Return the names of the checks that went so."""
        return tuple(name for name, found in self.results.items() if found == result)


def measures_of(findings: Iterable[Finding]) -> tuple[Measure, ...]:
    """Return what was measured, check by check, of those that were measured more than once."""
    measured: dict[str, list[int]] = {}
    for finding in findings:
        if finding.ms is not None:
            measured.setdefault(finding.check, []).append(finding.ms)
    return tuple(
        Measure(check, len(all_ms), median_low(all_ms), max(all_ms))
        for check, all_ms in measured.items()
        if len(all_ms) > 1
    )


def worse_than(card: ReportCard, before: Mapping[str, Result], *, strict: bool) -> tuple[str, ...]:
    """Return the checks that are worse than in an earlier card; a check that it does not have counts as passed there.

    Not to be able to tell any more is worse only if that counts as failed."""
    bad: Sequence[Result] = ("failed", "unknown") if strict else ("failed",)
    results = card.results.items()
    return tuple(name for name, now in results if now in bad and before.get(name, "passed") not in bad)
