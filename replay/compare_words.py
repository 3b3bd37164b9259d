"""How measures are written for people: values with their units, and what a verdict says in a sentence. Pure."""

from replay.compare_verdict import Verdict

MARKS = {"worse": "worse", "unclear": "unclear", "better": "better", "same": "same", "no data": "no data"}


def amount(value: float, unit: str) -> str:
    """Return a value with its unit."""
    match unit:
        case "ms":
            return f"{value:.0f} ms"
        case "share" | "of calls":
            return f"{value * 100:.0f} %"
        case "USD":
            return f"${value:.4f}"
        case "tokens":
            return f"{value:.0f} tokens"
        case "items":
            return f"{value:.2f} items"
    return f"{value:.2f} {unit}"


def change(verdict: Verdict) -> str:
    """Return what became of a measure: "180 ms -> 480 ms"."""
    if verdict.was is None or verdict.now is None:
        return "nothing to compare"
    if verdict.is_trait:
        return f"{amount(verdict.now, 'of calls')} of calls differ"
    return f"{amount(verdict.was, verdict.unit)} \u2192 {amount(verdict.now, verdict.unit)}"


def proof(verdict: Verdict) -> str:
    """Return by how much it is worse or better, between which bounds, and what would have been borne."""
    if verdict.low is None or verdict.high is None or verdict.now is None or verdict.was is None:
        return "no call of one side has it"
    if verdict.is_trait:
        calls = f"{round(verdict.now * verdict.pairs)} of {verdict.pairs} calls"
        what = "failed" if verdict.name == "max_failed_calls" else "do what no call of the baseline does"
        own = f", {amount(verdict.was, 'share')} do in the baseline itself" if verdict.was else ""
        range_ = f"{amount(verdict.low, 'share')} to {amount(verdict.high, 'share')}"
        return f"{calls} {what} ({range_} of all such calls{own}); {amount(verdict.tolerance, 'share')} is allowed"
    if verdict.pairs < 2:
        return "one call a side proves nothing"
    mean = difference(verdict)
    word = "worse" if mean >= 0 else "better"
    low, high = (
        sorted((abs(verdict.low), abs(verdict.high))) if verdict.low * verdict.high > 0 else (None, None)
    )
    if low is None or high is None:
        ends = f"between {amount(-verdict.low, verdict.unit)} better and {amount(verdict.high, verdict.unit)} worse"
    else:
        ends = f"between {amount(low, verdict.unit)} and {amount(high, verdict.unit)}"
    if word == "better" and round(mean, 6) == 0:
        return f"no difference; {amount(verdict.tolerance, verdict.unit)} is allowed"
    return f"{amount(abs(mean), verdict.unit)} {word} ({ends}); {amount(verdict.tolerance, verdict.unit)} is allowed"


def difference(verdict: Verdict) -> float:
    """Return the mean difference over all pairs; more is worse."""
    if verdict.is_trait or verdict.was is None or verdict.now is None:
        return verdict.now or 0.0
    return (verdict.was - verdict.now) if verdict.is_better_up else (verdict.now - verdict.was)


def who(verdict: Verdict) -> str:
    """Return with which callers it is worst, or that all are alike."""
    if not verdict.by_caller:
        return ""
    if verdict.blamed:
        return f"proved with {', '.join(verdict.blamed)} alone"
    worst = sorted(verdict.by_caller.items(), key=lambda pair: -pair[1])
    unit = "of calls" if verdict.is_trait else verdict.unit
    told = [
        f"{name} {amount(value, unit) if verdict.is_trait else signed(value, unit)}"
        for name, value in worst[:3]
    ]
    more = f", and {len(worst) - 3} more" if len(worst) > 3 else ""
    return f"by caller: {', '.join(told)}{more}"


def signed(value: float, unit: str) -> str:
    """Return a difference with its sign."""
    return ("+" if value >= 0 else "\u2212") + amount(abs(value), unit).removeprefix("$")
