"""What waiting buys, and every setting at a glance: the charts of a study with current and recommended marked."""

from html import escape
from typing import Final

import numpy as np

from replay.vad.report.along import along
from replay.vad.report.charts import Axis, Chart, Line, Mark, Rule, reaching
from replay.vad.report.heat_map import HeatMap
from replay.vad.report.view import View, figure
from replay.vad.report.words import METRICS, Metric, allowed, amount, between
from replay.vad.study.recommend import pareto, within
from replay.vad.study.sweep import CLIPPED

PUBLISHED: Final = ((300, 0.556), (600, 0.217), (1000, 0.10), (1600, 0.05))
"""livekit/eot-bench, English: pauses of 200 ms and more cut by silence alone, by its mean delay in ms."""

PUBLISHED_POINTS: Final = (
    ("Silence only (VAD baseline), published", "55.6 %", "21.7 %", "1600 ms", "1000 ms"),
    ("OpenAI semantic_vad, eagerness auto, published", "\u2013", "\u2013", "1143 ms", "824 ms"),
)
SOURCE: Final = "livekit/eot-bench, English, 705 pauses"


def charts(view: View) -> str:
    """Return all chart sections of the page."""
    return "".join((_trade(view), _map(view), along(view)))


# ---------------------------------------------------------------- what delay buys


def _trade(view: View) -> str:
    turns = figure(
        "Turns cut off, by how long callers wait",
        "Each line is a threshold, each point of it a silence setting: further right is slower and cuts off less. "
        "Dots are settings that no other beats in both. Point at the chart to read one.",
        _turns_cut(view).svg() + _scale(view),
    )
    pauses = figure(
        "Pauses cut, beside published figures",
        f"Pauses of 200 ms and more, threshold {view.threshold}. Dotted: silence alone in a public benchmark "
        f"({SOURCE}); its callers are not yours.",
        _pauses_cut(view).svg(),
    )
    return (
        '<h2>What waiting buys</h2><div class="pair wide-left">' + turns + pauses + "</div>" + _points(view)
    )


def _curve(view: View, metric: str, threshold: int) -> list[tuple[float, float]]:
    values = view.study.sweep.values
    return list(
        zip(values["delay_mean_ms"][threshold].tolist(), values[metric][threshold].tolist(), strict=True)
    )


def _band(view: View, metric: str, threshold: int) -> list[tuple[float, float, float]]:
    sweep = view.study.sweep
    sides = (sweep.values["delay_mean_ms"], sweep.low[metric], sweep.high[metric])
    return list(zip(*(side[threshold].tolist() for side in sides), strict=True))


def _shade(view: View, threshold: int) -> float:
    return threshold / max(1, len(view.study.sweep.grid.thresholds) - 1)


def _turns_cut(view: View) -> Chart:
    sweep, focus = view.study.sweep, view.focus[0]
    lines = [
        Line(_curve(view, "turns_cut", number), "ramp", shade=_shade(view, number))
        for number in range(len(sweep.grid.thresholds))
        if number != focus
    ]
    strong = Line(
        _curve(view, "turns_cut", focus), "strong", f"threshold {view.threshold}, with its 95 % interval",
        band=_band(view, "turns_cut", focus),
    )  # fmt: skip
    front = [
        Mark(float(sweep.values["delay_mean_ms"][t, s]), float(sweep.values["turns_cut"][t, s]), "dot")
        for t, s, _ in pareto(sweep)
    ]
    limit = view.study.recommendation.budget.turns_cut_percent
    shares = sweep.values["turns_cut"].ravel().tolist()
    x, y = _delays(view), reaching(shares, "Turns cut off", percent=True, least=limit / 100)
    return Chart(
        x, y, _told(view, "turns_cut", "Share of turns cut off against mean answer delay."), [*lines, strong],
        marks=[*front, *_marks(view, "turns_cut")], rules=[Rule(limit / 100, f"budget {limit:g} %")], height=320,
        data=_extent(x, y, "turns_cut"),
    )  # fmt: skip


def _extent(x: Axis, y: Axis, metric: str) -> str:
    return f'data-chart="trade" data-metric="{metric}" data-x="{x.low},{x.high}" data-y="{y.low},{y.high}"'


def _delays(view: View, least: float = 0) -> Axis:
    values = view.study.sweep.values["delay_mean_ms"]
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1000.0)
    return Axis(
        max(0.0, low // 100 * 100), max(high, low + 100, least) * 1.03, "Mean answer delay, ms \u2192"
    )


def _marks(view: View, metric: str) -> list[Mark]:
    return [
        Mark(
            choice.measured["delay_mean_ms"].value, choice.measured[metric].value, shape, name, shape == "now"
        )
        for choice, shape, name in view.chosen()
    ]


def _told(view: View, metric: str, what: str) -> str:
    """Return a chart in words: what it shows, and where current and recommended are."""
    unit = "count" if "hour" in metric else "share"
    told = "; ".join(
        f"{name}: {amount(choice.measured[metric].value, unit)} at "
        f"{amount(choice.measured['delay_mean_ms'].value, 'ms')}"
        for choice, _, name in view.chosen()
    )
    return f"{what} {told}."


def _scale(view: View) -> str:
    grid = view.study.sweep.grid
    return (
        f'<div class="legend"><span>threshold {grid.thresholds[0]:g} <i class="scale"></i> '
        f"{grid.thresholds[-1]:g}</span></div>"
    )


def _pauses_cut(view: View) -> Chart:
    focus = view.focus[0]
    lines = (
        Line(PUBLISHED, "reference", "silence alone, published"),
        Line(
            _curve(view, "pauses_cut", focus), "strong", "your callers", band=_band(view, "pauses_cut", focus)
        ),
    )
    references = [Mark(x, y, "ref") for x, y in PUBLISHED]
    y = reaching([*(value for _, value in PUBLISHED), *(v for _, v in _curve(view, "pauses_cut", focus))],
                 "Pauses cut", percent=True)  # fmt: skip
    x = Axis(200, max(_delays(view, 1650).high, 1650), "Mean answer delay, ms \u2192")
    label = _told(view, "pauses_cut", "Share of pauses cut against mean delay, beside published figures.")
    return Chart(x, y, label, lines, marks=[*references, *_marks(view, "pauses_cut")], height=320)


def _points(view: View) -> str:
    told = view.study.operating
    own = (
        "Your callers, server_vad as modelled here",
        *("\u2013" if one is None else amount(one, "share") for one in (told.cut_at_300_ms, told.cut_at_600_ms)),
        *("\u2013" if one is None else amount(one, "ms")
          for one in (told.delay_at_5_percent_ms, told.delay_at_10_percent_ms)),
    )  # fmt: skip
    names = "".join(
        f'<th class="n">{name}'
        for name in ("cut at 300 ms", "cut at 600 ms", "delay at 5 % cut", "delay at 10 % cut")
    )
    rows = "".join(
        f"<tr><td>{escape(row[0])}{''.join(f'<td class=n>{escape(cell)}' for cell in row[1:])}</tr>"
        for row in (own, *PUBLISHED_POINTS)
    )
    return (
        '<h3>The field\u2019s common points</h3><p class="note">Pauses cut at a mean delay of 300 and 600 ms, and the '
        f"mean delay at which 5 and 10 % are cut. Published rows: {SOURCE}. \u2013: not reached in the grid, or not "
        f'published.</p><div class="wide"><table class="points"><tr><th>{names}</tr>{rows}</table></div>'
    )


# ---------------------------------------------------------------- the map


def _map(view: View) -> str:
    study = view.study
    sweep, budget = study.sweep, study.recommendation.budget
    missed, most = sweep.values["short_missed"], allowed(sweep, budget)["short_missed"]
    few = np.nan_to_num(missed) <= (most if np.isfinite(most) else np.inf) + 1e-6
    marks = [(choice.place[0], choice.place[1], shape, name) for choice, shape, name in view.chosen()]
    shown = HeatMap(
        [str(one) for one in sweep.grid.silences_ms],
        [f"{one:g}" for one in sweep.grid.thresholds],
        sweep.values["turns_cut"].tolist(),
        (~within(sweep, budget)).tolist(),
        few.tolist(),
        _told(view, "turns_cut", "Turns cut off for every threshold and silence; arrow keys read one setting after "
              "the other."),
        "Silence, ms \u2192", "Threshold", marks,
    )  # fmt: skip
    top = float(np.nanmax(sweep.values["turns_cut"])) if not np.isnan(sweep.values["turns_cut"]).all() else 0
    contour = (
        "" if few.all() or not few.any()
        else f'<span><svg class="key"><line class="contour" x1="0" x2="24" y1="6" y2="6"/></svg>beyond it more than '
        f"{amount(most, 'share')} of short replies are missed</span>"
    )  # fmt: skip
    legend = (
        f'<div class="legend"><span>0 % <i class="heatscale"></i> {amount(top, "share")} of turns cut off</span>'
        '<span><svg class="key"><rect class="cell" style="--f:40%" width="24" height="12"/>'
        f'<rect fill="url(#hatch)" width="24" height="12"/></svg>outside the budget</span>{contour}</div>'
    )
    text = "The stronger a cell\u2019s colour, the more turns that setting cuts off. Point at one for all its numbers."
    return f'<h2>Every setting</h2><p class="note">{text}</p><figure>{shown.svg()}{legend}</figure>{_frontier(view)}'


def _frontier(view: View) -> str:
    """Return the settings that none beats, as a table."""
    sweep = view.study.sweep
    head = "".join(f'<th class="n">{escape(metric.title)}' for metric in METRICS if metric.name != CLIPPED)
    rows = "".join(
        f"<tr><td>{sweep.grid.thresholds[t]:g}<td>{sweep.grid.silences_ms[s]} ms"
        + "".join(_cell(view, metric, t, s) for metric in METRICS if metric.name != CLIPPED)
        for t, s, _ in pareto(sweep)
    )
    return (
        "<details><summary>The settings that no other beats in both delay and turns cut off, as a table</summary>"
        f'<div class="wide"><table><tr><th>threshold<th>silence{head}</tr>{rows}</table></div></details>'
    )


def _cell(view: View, metric: Metric, threshold: int, silence: int) -> str:
    measured = view.study.sweep.at(metric.name, threshold, silence)
    return (
        f'<td class="n">{amount(measured.value, metric.unit)} '
        f'<span class="dim">{between(measured, metric.unit)}</span>'
    )
