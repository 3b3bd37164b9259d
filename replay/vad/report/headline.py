"""The answer in one sentence, and what stands beside it: what is won and paid, or why there is no advice. Pure."""

from collections.abc import Iterator, Mapping
from math import isfinite

import numpy as np

from bridge.tapes.tape import SHADOW
from replay.vad.report.heard import in_force
from replay.vad.report.words import (
    METRICS,
    Metric,
    allowed,
    amount,
    difference,
    in_words,
    named,
    sentence,
    unknown_parts,
    written,
)
from replay.vad.study.recommend import Choice
from replay.vad.study.study import Study
from replay.vad.study.sweep import CLIPPED, Measured, Sweep
from replay.vad.study.unknown import tells_nothing


def headline(study: Study) -> str:
    """Return the answer in one sentence."""
    match study.status:
        case "change" if study.advised:
            return f"{_on_whose_word(study)}et {in_words(study.advised)}"
        case "keep" if study.advised:
            doubt = ", as far as these calls can tell" if unknown_parts(study) else ""
            return f"Keep what you have{doubt}: {in_words(study.advised)}"
        case "semantic" if study.semantic:
            verb = "Try" if study.semantic.leg == SHADOW else "Keep"
            return f"{verb} {named(study.semantic.setting)}"
        case "risky":
            return "No setting is within this budget surely enough"
        case "beyond":
            doubt = ", as far as these calls can tell," if unknown_parts(study) else ""
            return (
                f"No recommendation yet: what meets this budget{doubt} lies where this server was never heard"
            )
        case "impossible" if study.semantic:
            return "Neither server_vad, at any setting that was tried, nor semantic_vad meets this budget"
        case "impossible":
            return "No server_vad setting that was tried meets this budget; try semantic_vad"
        case "blind" if tells_nothing(study.sweep.unknown):
            return "No recommendation: not the caller alone is heard in these calls"
        case "blind":
            return "No recommendation: these calls can\u2019t tell how much silence is enough"
        case _:
            return "No recommendation: the local model is not shown to hear as the server does"


def _on_whose_word(study: Study) -> str:
    """Return how the sentence begins: on the engine's word alone, or on half a budget, not without an if."""
    if not study.calibration:
        return "If the server hears as the local engine does, s"
    return "As far as these calls can tell, s" if unknown_parts(study) else "S"


def beside(study: Study, shown: Choice | None) -> Iterator[str]:
    """Yield the sentences under the headline: what is set now, what is won and paid, or why there is no advice."""
    if study.why:
        yield sentence(study.why)
    if study.status == "semantic":
        yield "It is within the budget, as observed, and no server_vad setting within it answers sooner."
    real = None if tells_nothing(study.sweep.unknown) else study.semantic or in_force(study)
    if study.status in ("uncalibrated", "blind") and real and (over := _exceeding(study, real.measured)):
        yield f"What callers bear now is beyond the budget, as observed{over}."
    if study.status == "uncalibrated":
        yield "The curves below tell which setting is the better one, and not by how much."
    if study.status in ("change", "keep", "beyond") and (parts := unknown_parts(study)):
        yield (
            f"They can\u2019t tell of {' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))}, and the budget "
            "has limits on that: label some moments."
        )
    if study.status == "beyond":
        yield "A shadow is a second session that hears the calls, and that nobody hears."
    if study.status == "risky":
        yield "More calls may make it sure. Asked for without caution, it would be recommended."
    if study.status == "impossible" and shown:
        yield f"Nearest to it: {in_words(shown.setting)}{_exceeding(study, shown.measured)}."
    if study.current is None:
        yield _without_now(study)
    elif study.status == "keep":
        yield "No setting within the budget answers sooner."
    elif study.status in ("change", "impossible", "risky", "beyond"):
        yield f"Now: {in_words(study.current)}."
        yield from _bargain(study, shown)
    else:
        yield f"Now: {in_words(study.current)}."


def _exceeding(study: Study, measured: Mapping[str, Measured]) -> str:
    """Say in what something goes beyond the budget; empty for nothing."""
    most = allowed(study.sweep, study.recommendation.budget)
    parts = [
        f"{metric.title.lower()} {amount(measured[metric.name].value, metric.unit)}, at most "
        f"{amount(most[metric.name], metric.unit)} allowed"
        for metric in METRICS
        if metric.name in measured and measured[metric.name].value > most.get(metric.name, np.inf)
    ]
    return f", with {'; '.join(parts)}" if parts else ""


def _without_now(study: Study) -> str:
    """Say why nothing stands beside it that is set now."""
    if study.semantic:
        over = _exceeding(
            study, {name: one for name, one in study.semantic.measured.items() if name != CLIPPED}
        )
        return f"These calls had {named(study.semantic.setting)}, as observed{over}: more of it below."
    if not any(heard.setting for one in study.recordings for heard in one.heard):
        return "No turn detection heard these calls, so nothing is set now that could be compared."
    return "These calls had no server_vad, so there is nothing to compare with."


def _bargain(study: Study, shown: Choice | None) -> Iterator[str]:
    now = study.recommendation.current
    if shown is None or now is None or shown.place == now.place:
        return
    won: list[str] = []
    paid: list[str] = []
    for metric in METRICS:
        told = told_change(study.sweep, metric, now, shown)
        if told and metric.name != "delay_p90_ms":
            (won if told[0] else paid).append(told[1])
    if not won and not paid:
        yield "Nothing differs that these calls can show."
    wins, costs = ("Wins", "Costs") if study.advised else ("It would win", "It would cost")
    if won:
        yield f"{wins}: {', '.join(won)}."
    if paid:
        yield f"{costs}: {', '.join(paid)}."


def told_change(sweep: Sweep, metric: Metric, now: Choice, then: Choice) -> tuple[bool, str] | None:
    """Return whether it is a gain, and how large in words; None where chance alone may have done it, or nothing did."""
    apart = difference(sweep, metric.name, now, then)
    value = then.measured[metric.name].value - now.measured[metric.name].value
    if not isfinite(value) or not (_is_clear(apart) if apart else _are_apart(now, then, metric)):
        return None
    size = written(abs(value), metric.unit)
    if size.split()[0] in ("0", "0.0"):
        return None
    return (True, f"{size} {metric.smaller}") if value < 0 else (False, f"{size} {metric.larger}")


def _is_clear(apart: Measured) -> bool:
    return apart.low > 0 or apart.high < 0


def _are_apart(now: Choice, then: Choice, metric: Metric) -> bool:
    """Say whether two intervals have nothing in common: a stricter test, where no resamples were kept."""
    one, other = now.measured[metric.name], then.measured[metric.name]
    return one.high < other.low or other.high < one.low
