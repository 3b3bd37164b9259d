"""How measures are written for people: values with their units, and what a verdict says in a sentence. Pure."""

from typing import Final

from replay.compare.verdict import Verdict

GAP: Final = "\u00a0"
"""Between a value and its unit, where no line may be broken."""

DOES: Final = {
    "max_greeting_change": "greet with words that no call of the baseline uses",
    "max_tools_change": "call other tools, or in another order, than any call of the baseline",
    "max_format_change": "write a tool argument in a form that no call of the baseline uses",
    "max_argument_change": "give a tool argument a value that no call of the baseline gives",
    "max_ending_change": "end otherwise than any call of the baseline",
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
    """Return by how much it is worse or better, between which bounds, and what would have been borne."""
    if verdict.low is None or verdict.high is None or verdict.now is None:
        return "no call of one side has it"
    allowed = f"{amount(verdict.tolerance, verdict.unit)} is allowed"
    if verdict.is_trait:
        return f"{_share(verdict)}; {allowed}"
    if verdict.pairs < 2:
        return "one call a side proves nothing"
    if verdict.low == verdict.high == 0:
        return f"no difference; {allowed}"
    ends = _ends(verdict.low, verdict.high, verdict.unit)
    return f"{worse_by(difference(verdict), verdict.unit)} ({ends}); {allowed}"


def _share(verdict: Verdict) -> str:
    own = f"; {amount(verdict.was, 'share')} of its own do so too" if verdict.was else ""
    if not verdict.now:
        return f"none of {verdict.pairs} calls{own}"
    low, high = amount(verdict.low or 0, "share"), amount(verdict.high or 0, "share")
    return f"{change(verdict)} {DOES[verdict.name]} ({low} to {high} of all such calls{own})"


def _ends(low: float, high: float, unit: str) -> str:
    if low == high:
        return "each time"
    if low < 0 < high:
        return f"{amount(-low, unit)} better to {amount(high, unit)} worse"
    return f"{amount(min(abs(low), abs(high)), unit)} to {amount(max(abs(low), abs(high)), unit)}"


def worse_by(value: float, unit: str) -> str:
    """Return a difference in words; more is worse."""
    return f"{amount(abs(value), unit)} {'worse' if value >= 0 else 'better'}"


def difference(verdict: Verdict) -> float:
    """Return the mean difference over all pairs; more is worse."""
    if verdict.is_trait or verdict.was is None or verdict.now is None:
        return verdict.now or 0.0
    return (verdict.was - verdict.now) if verdict.is_better_up else (verdict.now - verdict.was)


def who(verdict: Verdict, most: int = 3) -> str:
    """Return with which callers it is worst."""
    ranked = sorted(verdict.by_caller.items(), key=lambda pair: -pair[1])
    if verdict.is_trait:
        ranked = [pair for pair in ranked if pair[1]]
    if not ranked:
        return ""
    tell = amount if verdict.is_trait else worse_by
    more = f", and {len(ranked) - most} more callers" if len(ranked) > most else ""
    return ", ".join(f"{name} {tell(value, verdict.unit)}" for name, value in ranked[:most]) + more
