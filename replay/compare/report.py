"""A comparison as one HTML page that needs nothing else: the answer first, then the proof, then every call."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Final
from urllib.parse import quote

from bridge.text.visible import visible
from bridge.text.wording import counted, short_id
from replay.compare.hearing import Heard, Turn, turns_to_hear
from replay.compare.outcome import Comparison
from replay.compare.plots import COLOURS, Dot, interval_plot, strips
from replay.compare.words import amount, change, proof, who
from replay.judge.call import Call
from replay.judge.table import NUMBERS, Number
from replay.judge.verdict import Verdict

STYLE: Final = Path(__file__).with_name("report.css")
MOST_FINDINGS: Final = 6
"""Findings on the first screen; the rest stands in the table below it."""


def page(comparison: Comparison, folder: Path) -> str:
    """Return the page; tapes are linked relative to the folder that it will stand in."""
    body = "".join(
        (
            _top(comparison),
            _listening(turns_to_hear(comparison.calls, comparison.baseline), folder),
            _all_measures(comparison),
            _plots(comparison),
            _calls(comparison, folder),
        )
    )
    title = f"{' and '.join(comparison.verdicts)} against {comparison.baseline}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style><body>{body}\n"
    )


# ---------------------------------------------------------------- the first screen


def _top(comparison: Comparison) -> str:
    conditions = comparison.conditions
    who_called = ", ".join(conditions.callers)
    calls = sum(call.variant == comparison.baseline for call in comparison.calls)
    callers = counted(len(conditions.callers), "recorded caller")
    is_even = calls == len(conditions.callers) * conditions.repeats
    times = f"{conditions.repeats} times each" if is_even else f"up to {conditions.repeats} times"
    several = "once" if conditions.repeats == 1 else times
    head = (
        f"<h1>May agent <b>{escape(conditions.agent)}</b> be switched from <b>{escape(comparison.baseline)}</b> to "
        f"<b>{escape(' or '.join(comparison.verdicts))}</b>? The same {callers} "
        f"called each of them, {several}: {escape(who_called)}. {counted(calls, 'call')} a side.</h1>"
    )
    head += "".join(f'<p class="remark">{escape(remark)}</p>' for remark in comparison.remarks)
    return (
        head + "".join(_answer(comparison, variant) for variant in comparison.verdicts) + _drift(comparison)
    )


def _drift(comparison: Comparison) -> str:
    """Return what the same variant did otherwise on later days: the part of a change that is nobody's here."""
    if not comparison.drift:
        return ""
    parts = "".join(_drift_of(name, verdicts) for name, verdicts in comparison.drift.items())
    return f"<h2>What the server changed by itself</h2>{parts}"


def _drift_of(name: str, verdicts: Sequence[Verdict]) -> str:
    found = [verdict for verdict in verdicts if verdict.status in ("worse", "better")]
    if found:
        rest = len(found) - MOST_FINDINGS
        more = f'<p class="dim">and {rest} more</p>' if rest > 0 else ""
        shown = "".join(_finding(verdict) for verdict in found[:MOST_FINDINGS])
        return f"<h3>{escape(name)}, against day 1</h3>{shown}{more}"
    unclear = sum(verdict.status == "unclear" for verdict in verdicts)
    blind = f"; {counted(unclear, 'measure')} of {len(verdicts)} can't be told" if unclear else ""
    return f'<p class="note">{escape(name)}: nothing is proved to differ from day 1{blind}.</p>'


def _answer(comparison: Comparison, variant: str) -> str:
    answer = comparison.answer(variant)
    worse, unclear, better = (
        comparison.with_status(variant, name) for name in ("worse", "unclear", "better")
    )
    found = worse or [*unclear, *better]
    rest = len(found) - MOST_FINDINGS
    more = f'<p class="dim">and {rest} more, in the table below</p>' if rest > 0 else ""
    shown = "".join(_finding(verdict) for verdict in found[:MOST_FINDINGS])
    told = "".join(f"<p>{escape(text)}</p>" for text in comparison.details(variant))
    sentence = escape(comparison.sentence(variant))
    return f'<div class="answer {answer}"><strong>{sentence}</strong>{told}</div>{shown}{more}'


def _finding(verdict: Verdict) -> str:
    is_proved = verdict.status == "worse"  # what is not proved needs no examples on the first screen
    examples = "".join(f"<li>{escape(text)}</li>" for text in verdict.examples if is_proved)
    listed = f"<ul>{examples}</ul>" if examples else ""
    return (
        f'<div class="finding"><div><b>{escape(verdict.title)} {_tag(verdict)}</b>'
        f'<span class="big">{escape(change(verdict))}</span></div><div>{_plot(verdict)}{_ends(verdict)}</div>'
        f"<div>{escape(proof(verdict))}{_by_caller(verdict)}{listed}</div></div>"
    )


def _by_caller(verdict: Verdict) -> str:
    told = who(verdict) if verdict.status == "worse" else ""
    return f'<div class="dim">By caller: {escape(told)}</div>' if told else ""


def _ends(verdict: Verdict) -> str:
    left, right = "\u2190 better", "worse \u2192"
    return f'<div class="axis"><span>{left}</span><span>{right}</span></div>' if _plot(verdict) else ""


def _tag(verdict: Verdict) -> str:
    return f'<span class="tag {verdict.status.split()[0].replace("no", "none")}">{verdict.status}</span>'


def _plot(verdict: Verdict) -> str:
    if verdict.low is None or verdict.high is None or verdict.now is None:
        return ""
    return interval_plot(verdict.low, verdict.high, verdict.difference, verdict.tolerance)


# ---------------------------------------------------------------- side by side


def _listening(turns: Sequence[Turn], folder: Path) -> str:
    if not turns:
        return ""
    note = (
        "What the same caller heard in the same turn, from two seconds before their last sound on; the turns in which "
        "the variants differ most in how long they kept the caller waiting, from each one's first call."
    )
    return f'<h2>Listen</h2><p class="note">{note}</p>{"".join(_turn(turn, folder) for turn in turns)}'


def _turn(turn: Turn, folder: Path) -> str:
    asked = escape(visible(turn.heard[0].answer.asked)) or "(no words)"
    sides = "".join(_heard(heard, folder) for heard in turn.heard)
    return f'<h3>{escape(turn.caller)}, turn {turn.number}: “{asked}”</h3><div class="sides">{sides}</div>'


def _heard(heard: Heard, folder: Path) -> str:
    name, answer = escape(heard.variant), heard.answer
    sound = f"data:audio/wav;base64,{b64encode(heard.wave).decode()}"
    length = f"{(answer.to_ms - answer.from_ms) / 1000:.1f} s"
    return (
        f'<div class="side"><b>{name}</b> <span class="dim">waited {answer.waited_ms} ms; {length} of '
        f"{_link(heard.tape, folder)}</span>"
        f'<audio controls preload="none" aria-label="{name}" src="{sound}"></audio>'
        f"<p>{escape(visible(answer.said))}</p></div>"
    )


# ---------------------------------------------------------------- all measures


def _all_measures(comparison: Comparison) -> str:
    error = f"{comparison.thresholds['false_alarms'] * 100:.0f}"
    note = (
        "The dot is the difference, the line between which ends it surely lies (each wrong in one of 20 cases), "
        "the shaded band what is allowed. Worse means that the whole line is right of the band, and that chance alone "
        f"does so, in any measure of this table, in {error} of 100 comparisons of equal variants at most; unclear, "
        "that more calls would be needed to say. For greetings, tools and endings it is the share of calls that depart "
        "from what the baseline usually does. What would have been seen is the smallest change that these calls show "
        "in 8 of 10 comparisons."
    )
    tables = "".join(_measures_of(comparison, variant) for variant in comparison.verdicts)
    return f'<h2>All measures</h2><p class="note">{note}</p>{tables}'


def _measures_of(comparison: Comparison, variant: str) -> str:
    rows = "".join(_measure_row(verdict) for verdict in comparison.verdicts[variant])
    head = "<tr><th>measure<th>verdict<th>baseline \u2192 variant<th>worse \u2192<th>in words</tr>"
    return f"<h3>{escape(variant)}</h3>{_wide(f'Measures of {variant}', head + rows)}"


def _measure_row(verdict: Verdict) -> str:
    return (
        f"<tr><td>{escape(verdict.title)}<td>{_tag(verdict)}<td>{escape(change(verdict))}"
        f'<td class="plot">{_plot(verdict)}<td class="words dim">{escape(proof(verdict))}</tr>'
    )


def _wide(name: str, rows: str) -> str:
    """Return a table that scrolls by itself where a screen is narrow, with keys too."""
    return f'<div class="wide" role="region" aria-label="{escape(name)}" tabindex="0"><table>{rows}</table></div>'


# ---------------------------------------------------------------- strips


def _plots(comparison: Comparison) -> str:
    legend = "".join(
        f'<span><svg><circle class="c{n % COLOURS}" cx="5.5" cy="5.5" r="4.5"/></svg> {escape(name)}</span>'
        for n, name in enumerate(comparison.conditions.callers)
    )
    plots = "".join(_plot_of(comparison, number) for number in NUMBERS)
    note = "A dot is a call, the upright line their mean; beyond the dashed red line a mean is worse than allowed."
    return f'<h2>Call by call</h2><p class="note">{note}</p><p class="legend">{legend}</p>{plots}'


def _plot_of(comparison: Comparison, number: Number) -> str:
    callers = list(comparison.conditions.callers)
    rows = {
        variant: list(_dots(number, calls, callers)) for variant, calls in _by_variant(comparison).items()
    }
    if not any(rows.values()):
        return ""
    values = {dot.value for dots in rows.values() for dot in dots}
    if len(values) == 1:
        alike = amount(values.pop(), number.unit)
        return f'<h3>{escape(number.title)}</h3><p class="dim">{escape(alike)}, in every call</p>'
    title = f"<h3>{escape(number.title)}</h3>"
    limit = _limit(comparison, number, rows[comparison.baseline])
    return title + strips(rows, number.unit, limit)


def _by_variant(comparison: Comparison) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {comparison.baseline: []}
    for call in comparison.calls:
        found.setdefault(call.variant, []).append(call)
    return found


def _dots(number: Number, calls: Sequence[Call], callers: Sequence[str]) -> Iterator[Dot]:
    for call in calls:
        value = number.of(call.measures) if call.measures else None
        if value is not None:
            label = f"{call.caller}, call {call.repeat + 1}: {amount(value, number.unit)}"
            yield Dot(float(value), callers.index(call.caller) if call.caller in callers else 0, label)


def _limit(comparison: Comparison, number: Number, dots: Sequence[Dot]) -> float | None:
    allowed = comparison.thresholds[number.allowed]
    if not dots or allowed is False:
        return None
    mean = fmean(dot.value for dot in dots)
    tolerance = mean * allowed / 100 if number.is_percent else float(allowed)
    return mean - tolerance if number.is_better_up else mean + tolerance


# ---------------------------------------------------------------- every call

COLUMNS: Final = (
    "greeting_agreement", "first_heard_ms", "onset_to_silence_ms", "latency_ms", "items_per_response", "cost_percent",
)  # fmt: skip


def _calls(comparison: Comparison, folder: Path) -> str:
    numbers = [number for number in NUMBERS if number.allowed in COLUMNS]
    names = "".join(f'<th class="n">{escape(number.title)}' for number in numbers)
    head = f"<tr><th>caller<th>variant<th>call{names}<th>tools<th>ended<th>tape</tr>"
    order = sorted(comparison.calls, key=lambda call: (call.caller, call.repeat))
    rows = "".join(_call_row(call, numbers, folder) for call in order)
    return f"<h2>Every call</h2>{_wide('Every call', head + rows)}"


def _call_row(call: Call, numbers: Sequence[Number], folder: Path) -> str:
    names = f'<td class="name">{escape(call.caller)}<td class="name">{escape(call.variant)}'
    start = f"<tr>{names}<td>{call.repeat + 1}"
    end = f"<td>{_link(call.tape, folder)}</tr>"
    if call.measures is None:
        return f'{start}<td colspan="{len(numbers) + 2}">{escape(call.error)}{end}'
    cells = "".join(f'<td class="n">{_cell(number, call)}' for number in numbers)
    tools = " ".join(f"{escape(tool.name)}({escape(tool.arguments_raw)})" for tool in call.measures.tools)
    ended = escape(f"{call.measures.ended_by}: {call.measures.why}")
    return f'{start}{cells}<td class="words">{tools}<td class="ended">{ended}{end}'


NO_DATA: Final = '<span class="dim">no data</span>'


def _cell(number: Number, call: Call) -> str:
    value = number.of(call.measures) if call.measures else None
    return NO_DATA if value is None else escape(amount(value, number.unit))


def _link(tape: str, folder: Path) -> str:
    path = Path(tape)
    if not tape or not path.name:
        return ""
    try:
        target = quote(str(path.resolve().relative_to(folder.resolve())))
    except ValueError:
        target = path.resolve().as_uri()
    return f'<a href="{escape(target)}">{escape(short_id(path.name))}\u2026</a>'
