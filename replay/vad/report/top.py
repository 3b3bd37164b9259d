"""The first screen of a study's page: what to set, what it costs, how sure that is, and the lines to copy."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import isfinite, isnan
from typing import Final

import msgspec
import numpy as np
from attrs import frozen

from bridge.settings.turn_detection import SemanticVad
from replay.vad.engine.machine import Setting
from replay.vad.report.charts import SHAPES, Shape
from replay.vad.report.headline import beside, headline
from replay.vad.report.heard import differing_first, in_force
from replay.vad.report.view import View
from replay.vad.report.words import (
    METRICS,
    MINUS,
    NOT_VERY,
    Metric,
    allowed,
    amount,
    at_least,
    between,
    difference,
    how_sure,
    in_words,
    percent,
    sentence,
    sources,
    unknown_parts,
    warnings,
    written,
)  # fmt: skip
from replay.vad.study.recommend import Choice, spread
from replay.vad.study.study import Study
from replay.vad.study.sweep import CLIPPED, Measured
from replay.vad.study.unknown import tells_nothing

KINDS: Final = {"change": "fine", "keep": "fine", "semantic": "fine", "impossible": "worse"}


def top(view: View) -> str:
    """Return the first screen."""
    study = view.study
    agent = escape(study.agent)
    sentences = "".join(f"<p>{escape(one)}</p>" for one in beside(study, view.shown))
    cautions = "".join(f"<li>{escape(one)}</li>" for one in warnings(study))
    listed_cautions = f'<ul class="cautions" aria-label="Cautions">{cautions}</ul>' if cautions else ""
    return (
        f"<h1>When has a caller of <b>{agent}</b> finished speaking? {_stands_on(study)}</h1>"
        f"{differing_first(view)}"
        f'<div class="answer {_kind(study)}"><strong>{escape(headline(study))}</strong>{sentences}</div>'
        f'<div class="first"><div>{_numbers(view)}{_snippet(view)}</div><div>{_sure(view)}{listed_cautions}</div></div>'
    )


def _kind(study: Study) -> str:
    """Return the colour of the answer: only what is sure enough to act on is green."""
    is_doubtful = study.status in ("change", "semantic") and (
        how_sure(study) == NOT_VERY or unknown_parts(study)
    )
    return "unknown" if is_doubtful else KINDS.get(study.status, "unknown")


def _stands_on(study: Study) -> str:
    totals = study.sweep.totals
    return (
        f"{_counted(study.sweep.calls, 'call')}, {hours(totals['hours'])}, "
        f"{_counted(round(totals['turns']), 'turn')} of callers, {totals['short']:,.0f} of them short replies, "
        f"{totals['pauses']:,.0f} pauses."
    )


def hours(hours: float) -> str:
    """Return a length of calls as people read it."""
    if hours < 1 / 60:
        return f"{hours * 3600:.0f} s"
    return f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.0f} min"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


@frozen
class Column:
    """One column of the first screen's numbers: its kind is its shape and colour."""

    kind: Shape
    title: str
    measured: Mapping[str, Measured]
    untold: tuple[str, ...] = ()


def _columns(view: View) -> Iterator[Column]:
    """Yield what was observed, what the model says of that, and what is shown beside them."""
    study = view.study
    real = study.semantic if study.status == "semantic" or not study.current else in_force(study)
    if real:
        yield Column(
            "observed",
            f"{'semantic_vad' if real.is_semantic else 'now'}, observed",
            real.measured,
            (CLIPPED,) if real.is_semantic else (),
        )
    if view.now:
        yield Column("now", "now, modelled" if real else "now", view.now.measured)
    if view.shown and study.status != "blind" and not tells_nothing(study.sweep.unknown):
        modelled = ", modelled" if real and not view.now else ""
        yield Column("advised", view.role + modelled, view.shown.measured)


def _numbers(view: View) -> str:
    columns, limits = list(_columns(view)), allowed(view.study.sweep, view.study.recommendation.budget)
    heads = "".join(f'<th class="n">{_key(one.kind)} {escape(one.title)}' for one in columns)
    body = "".join(_number_row(view, metric, columns, limits.get(metric.name, np.nan)) for metric in METRICS)
    observed = (
        " Observed: by the server\u2019s own events."
        if any(one.kind == "observed" for one in columns)
        else ""
    )
    note = (
        f"Intervals: 95 %, over calls. Red: the most the budget allows.{observed} Delay: from the caller\u2019s last "
        "sound until the turn is taken to be over; the model\u2019s own time comes on top."
    )
    return (
        f'<div class="wide"><table class="numbers"><tr><th>{heads}<th class="plot"></tr>{body}</table>'
        f'</div><p class="small dim">{note}</p>'
    )


def _key(kind: Shape) -> str:
    return f'<svg class="shape" viewBox="-10 -10 20 20" aria-hidden="true">{SHAPES[kind]}</svg>'


def _number_row(view: View, metric: Metric, columns: Sequence[Column], limit: float) -> str:
    most = "" if isnan(limit) else f'<span class="limit">at most {_limit(limit, metric.unit)}</span>'
    is_unknown = metric.name in view.study.sweep.unknown
    cells = "".join(
        '<td class="n dim">not told' if metric.name in one.untold
        else (_floor if is_unknown else _value)(metric, one.measured)
        for one in columns
    )  # fmt: skip
    change = _change(view, metric, view.now, view.shown) if view.now and view.shown and not is_unknown else ""
    return (
        f'<tr><th scope="row">{escape(metric.title)}{most}{cells}{change}'
        f'<td class="plot">{"" if is_unknown else _dumbbell(metric, columns, limit)}</tr>'
    )


def _limit(limit: float, unit: str) -> str:
    return amount(limit, unit).replace(".0 ", " ")


def _value(metric: Metric, measured: Mapping[str, Measured]) -> str:
    told = measured[metric.name]
    return (
        f'<td class="n"><b>{amount(told.value, metric.unit)}</b>'
        f'<span class="dim range">{between(told, metric.unit)}</span>'
    )


def _floor(metric: Metric, measured: Mapping[str, Measured]) -> str:
    """Return a number that the truth knows too little of, with what is sure of it."""
    told = at_least(metric, measured)
    return f'<td class="n"><b>unknown</b><span class="dim floor">{told}</span>'


def _change(view: View, metric: Metric, now: Choice, then: Choice) -> str:
    """Return a difference in words; one that chance alone may have made is said to be unclear."""
    name, unit = metric.name, metric.unit
    value = then.measured[name].value - now.measured[name].value
    if not isfinite(value):
        return ""
    apart = difference(view.study.sweep, name, now, then)
    if value == 0:
        return '<span class="range dim">the same</span>'
    size = ("+" if value > 0 else MINUS) + written(abs(value), unit)
    if apart and apart.low <= 0 <= apart.high:
        return f'<span class="range tag unclear">{size}, unclear</span>'
    kind = ("better" if value < 0 else "worse") if apart else ""
    return f'<span class="range tag {kind}">{size}{", " if kind else ""}{kind}</span>'


def _dumbbell(metric: Metric, columns: Sequence[Column], limit: float) -> str:
    """Return all values with their intervals on one scale from 0, and where the budget ends."""
    ends = [one.measured[metric.name].high for one in columns]
    top = max([end for end in [*ends, limit] if isfinite(end)], default=0) * 1.08
    if not top:
        return ""
    rule = (
        f'<line class="limit" x1="{100 * limit / top:.1f}%" x2="{100 * limit / top:.1f}%" y1="1" y2="39"/>'
        if isfinite(limit) else ""
    )  # fmt: skip
    columns = [one for one in columns if metric.name not in one.untold]
    step = 40 / (len(columns) + 1)
    sides = "".join(_side(one, metric, top, round(step * place)) for place, one in enumerate(columns, 1))
    return (
        '<svg class="dumbbell" height="40" aria-hidden="true"><line class="grid" x1="0" x2="100%" y1="39" y2="39"/>'
        f"{rule}{sides}</svg>"
    )


def _side(column: Column, metric: Metric, top: float, y: int) -> str:
    measured = column.measured[metric.name]
    if not isfinite(measured.value):
        return ""
    ends = (end if isfinite(end) else measured.value for end in (measured.low, measured.value, measured.high))
    low, at, high = (f"{100 * end / top:.1f}%" for end in ends)
    return (
        f'<line class="whisker {column.kind}" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        f'<svg class="point" x="{at}" y="{y}" width="1" height="1">'
        f"{SHAPES[column.kind]}</svg>"
    )


# ---------------------------------------------------------------- how sure


def _sure(view: View) -> str:
    items = "".join(f"<dt>{escape(name)}<dd>{escape(text)}" for name, text in _grounds(view))
    return f'<div class="card"><h2>How sure? {escape(how_sure(view.study))}</h2><dl>{items}</dl></div>'


def _grounds(view: View) -> Iterator[tuple[str, str]]:
    study = view.study
    yield "Engine", _engine(study)
    if study.status in ("change", "keep"):
        yield "Chance", _chance(study)
        if text := _safer(view):
            yield "Safer", text
    yield "Truth", sentence(sources(study))
    yield (
        "Heard through",
        f"noise_reduction {study.noise_reduction}; engine: {study.hearing.described}.",
    )


def _chance(study: Study) -> str:
    """Return what would have been advised, had other such callers rung."""
    told, apart = study.recommendation, spread(study.sweep, study.recommendation)
    if study.sweep.calls == 1:
        return "One call can't tell."
    reach = (
        f" 8 of 10 choices: threshold {apart.thresholds[0]:g} to {apart.thresholds[1]:g}, silence "
        f"{apart.silences_ms[0]} to {apart.silences_ms[1]} ms." if apart else ""
    )  # fmt: skip
    return (
        f"Had other such callers rung: within the budget {percent(told.meets)} of the time; the same choice, or a grid "
        f"step away, {percent(told.near)}.{reach}"
    )


def _safer(view: View) -> str:
    """Return what to set to be within the budget whichever callers ring; empty if that is what is set, or nothing."""
    safe = view.study.recommendation.safer
    if not safe or not view.shown or safe.place[:2] == view.shown.place[:2]:
        return ""
    later = safe.measured["delay_mean_ms"].value - view.shown.measured["delay_mean_ms"].value
    setting = sentence(in_words(safe.setting)).rstrip(".")
    return f"{setting}: within the budget 90 % of the time, {later:.0f} ms later."


def _engine(study: Study) -> str:
    fitted = study.calibration
    if fitted is None:
        return "Not compared with the server."
    told = fitted.held_out
    share = f"Hears as the server does in {percent(told.share)} of {told.server + told.local:,} events"
    if not len(told.errors_ms):
        return f"{share}, on calls not fitted to."
    off = f"{told.stop_error_ms(0.5):.0f} ms off (P50), {told.stop_error_ms(0.9):.0f} ms (P90)"
    return f"{share}, on calls not fitted to; stops {off}."


# ---------------------------------------------------------------- to copy


def _snippet(view: View) -> str:
    text = snippet(view.study)
    if not text:
        return ""
    return (
        '<div class="snippet"><div><span>config.toml</span><button type="button" id="copy">Copy</button></div>'
        f'<pre id="toml">{escape(text)}</pre></div>'
    )


def snippet(study: Study) -> str:
    """Return the lines for config.toml; empty when nothing is recommended."""
    head = f"[agents.{_toml_key(study.agent)}.turn_detection]\n"
    told = study.semantic
    if study.status == "impossible" and not told:
        return f'{head}type = "semantic_vad"\neagerness = "auto"\n'
    if study.status == "semantic" and told and isinstance(told.setting, SemanticVad):
        return f'{head}type = "semantic_vad"\neagerness = "{told.setting.eagerness}"\n'
    if study.status == "beyond" and study.recommendation.beyond:
        return _server_vad(head.replace(".turn_detection]", ".shadow]"), study.recommendation.beyond.setting)
    return _server_vad(head, study.advised) if study.advised else ""


def _server_vad(head: str, setting: Setting) -> str:
    return (
        f'{head}type = "server_vad"\nthreshold = {setting.threshold:g}\n'
        f"prefix_padding_ms = {setting.prefix_padding_ms}\nsilence_duration_ms = {setting.silence_duration_ms}\n"
    )


def _toml_key(name: str) -> str:
    is_bare = name.isascii() and name.replace("-", "a").replace("_", "a").isalnum()
    return name if is_bare else msgspec.json.encode(name).decode().replace("\x7f", "\\u007f")
