"""How measures are written for people: values with their units, and what a verdict says in a sentence. Pure."""

from typing import Final

from replay.judge.verdict import Verdict

GAP: Final = "\u00a0"
"""Between a value and its unit, where no line may be broken."""

DEPARTS: Final = {
    "max_greeting_change": "greet with other words than the baseline does",
    "max_tools_change": "call other tools, or in another order, than the baseline usually does",
    "max_format_change": "write a tool argument in another form than the baseline usually does",
    "max_argument_change": "give a tool argument another value than the baseline usually does",
    "max_free_argument_change": "say in a free argument something else than the baseline usually does",
    "max_ending_change": "end otherwise than the baseline usually does",
    "max_unsaid_change": "leave out what must be said",
    "max_new_facts_change": "tell a number, time, date or name that the baseline never told this caller",
    "max_judged_change": "are not as they should be by the judge",
    "max_failed_calls": "failed",
}


def amount(value: float, unit: str) -> str:
    """Return a value with its unit."""
    match unit:
        case "share" | "of calls":
            return f"{value * 100:.0f}{GAP}%"
        case "USD":
            return f"${value:.4f}"
        case "ms" | "tokens":
            return f"{value:.0f}{GAP}{unit}"
    return f"{value:.2f}{GAP}{unit}"


def change(verdict: Verdict) -> str:
    """Return what became of a measure: "180 ms -> 480 ms", "3 of 15 calls"."""
    if verdict.was is None or verdict.now is None:
        return "nothing to compare"
    if verdict.is_trait:
        return f"{round(verdict.now * verdict.pairs)} of {verdict.pairs} calls"
    was = amount(verdict.was, verdict.unit).partition(GAP)[0]  # the unit once is enough
    return f"{was} \u2192 {amount(verdict.now, verdict.unit)}"


def proof(verdict: Verdict) -> str:
    """Return by how much it is worse or better, between which bounds, what is borne, and what would have been seen."""
    if verdict.low is None or verdict.high is None or verdict.now is None:
        return "no call of one side has it"
    if verdict.pairs < 2:
        return "one call a side proves nothing"
    allowed = f"{amount(verdict.tolerance, verdict.unit)} is allowed"
    told = [_shares(verdict) if verdict.is_trait else _moved(verdict), allowed]
    if verdict.status == "unclear" and verdict.low > verdict.tolerance:
        told.append(f"chance makes as much of some measure in {_percent(verdict.chance)} of comparisons")
    return "; ".join([*told, *([sight(verdict)] if verdict.status in ("same", "unclear") else [])])


def _moved(verdict: Verdict) -> str:
    assert verdict.low is not None
    assert verdict.high is not None
    if verdict.low == verdict.high == 0:
        return "no difference"
    ends = _ends(verdict.low, verdict.high, verdict.unit)
    return f"{worse_by(verdict.difference, verdict.unit)} ({ends})"


def _shares(verdict: Verdict) -> str:
    own = f"{_count(verdict.was or 0, verdict.pairs)} of the baseline's"
    if not verdict.now:
        return f"none of {verdict.pairs} calls; {own}"
    low, high = (amount(end or 0, "share") for end in (verdict.low, verdict.high))
    return f"{change(verdict)} {DEPARTS[verdict.name]}, {own} ({low} to {high} more of all such calls)"


def _count(share: float, calls: int) -> str:
    return str(round(share * calls)) if share else "none"


def _percent(share: float | None) -> str:
    return f"{(share or 0) * 100:.0f}{GAP}%"


def sight(verdict: Verdict) -> str:
    """Return which change these calls would have shown in eight of ten comparisons."""
    if verdict.seen is None:
        return "these calls would show no change of it surely"
    if verdict.is_trait:
        return f"a change {size(verdict)} would have been seen in 8 of 10 comparisons"
    more = "" if verdict.name.endswith("_percent") else " less" if verdict.is_better_up else " more"
    return f"{size(verdict)}{more} would have been seen in 8 of 10 comparisons"


def size(verdict: Verdict) -> str:
    """Return the smallest change that is seen, in words."""
    seen = verdict.seen or 0.0
    if verdict.is_trait:
        return f"in {_percent(seen)} more of the calls"
    if verdict.name.endswith("_percent") and verdict.was:
        return f"{_percent(seen / verdict.was)} more"
    return amount(seen, verdict.unit)


def _ends(low: float, high: float, unit: str) -> str:
    if low == high:
        return "each time"
    if low < 0 < high:
        return f"{amount(-low, unit)} better to {amount(high, unit)} worse"
    return f"{amount(min(abs(low), abs(high)), unit)} to {amount(max(abs(low), abs(high)), unit)}"


def worse_by(value: float, unit: str) -> str:
    """Return a difference in words; more is worse."""
    return f"{amount(abs(value), unit)} {'worse' if value >= 0 else 'better'}"


def who(verdict: Verdict, most: int = 3) -> str:
    """Return with which callers it is worst."""
    ranked = sorted(verdict.by_caller.items(), key=lambda pair: -pair[1])
    if verdict.is_trait:
        ranked = [pair for pair in ranked if pair[1] > 0]
    if not ranked:
        return ""
    tell = amount if verdict.is_trait else worse_by
    more = f", and {len(ranked) - most} more callers" if len(ranked) > most else ""
    return ", ".join(f"{name} {tell(value, verdict.unit)}" for name, value in ranked[:most]) + more
