"""Charts as inline SVG, as wide as their place: positions in percent, sizes in pixels, colours from the page's CSS.

Lines and bands lie in an SVG that is stretched to its place; everything else, words above all, keeps its size, so that
a chart is as readable at 400 pixels as at 1200. It knows nothing of turn detection.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

Point: TypeAlias = tuple[float, float]
Shape: TypeAlias = Literal["observed", "now", "advised", "ref", "dot"]

HEIGHT: Final = 280
TICKS: Final = 5
"""About so many labels an axis: more run into each other at 400 pixels."""

SHAPES: Final[dict[Shape, str]] = {
    "observed": '<path class="mark observed" d="M0-7L7 6H-7Z"/>',
    "now": '<circle class="mark now" r="6"/>',
    "advised": '<path class="mark advised" d="M0-8L8 0L0 8L-8 0Z"/>',
    "ref": '<rect class="mark ref" x="-4" y="-4" width="8" height="8"/>',
    "dot": '<circle class="mark dot" r="2.5"/>',
}
"""A mark is told by its shape as well as its colour."""


@frozen
class Axis:
    """A linear axis; `percent` says that values from 0 to 1 are shown as shares of a hundred."""

    low: float
    high: float
    title: str
    percent: bool = False

    def place(self, value: float) -> float:
        """Return where a value is, from 0 to 100, no further out than the axis goes."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self, count: int = TICKS) -> list[float]:
        """Return round values along the axis."""
        step = _step((self.high - self.low) / count)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [round(number * step, 10) for number in range(first, last + 1)]

    def name(self, value: float) -> str:
        """Return what stands at a tick."""
        return f"{value * 100:g} %" if self.percent else f"{value:g}"


def _step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.999)


def reaching(values: Sequence[float], title: str, *, percent: bool = False, least: float = 0.0) -> Axis:
    """Return an axis from 0 that holds all of these, with a little room."""
    known = [value for value in values if isfinite(value)]
    high = max([*known, least]) * 1.06 or 1.0
    return Axis(0.0, min(high, 1.0) if percent else high, title, percent)


@frozen
class Line:
    """A line with a name for the legend. kind: its CSS class. shade: 0 to 1, for one of many in a scale of colours.
    band: (x, low, high) of an interval around it."""

    points: Sequence[Point]
    kind: str
    name: str = ""
    shade: float | None = None
    band: Sequence[tuple[float, float, float]] = ()


@frozen
class Bar:
    """A value with its interval at one place."""

    x: float
    value: float
    low: float
    high: float
    kind: str = ""
    label: str = ""


@frozen
class Mark:
    """One point that matters; `name` is written beside it, above or below."""

    x: float
    y: float
    shape: Shape
    name: str = ""
    above: bool = True


@frozen
class Rule:
    """A straight line across the chart, with its meaning written at its end."""

    value: float
    name: str
    upright: bool = False
    kind: str = "limit"
    to_left: bool = False


@frozen
class Chart:
    """Everything in one chart. label: what it shows, for those who can't see it. data: attributes for a script."""

    x: Axis
    y: Axis
    label: str
    lines: Sequence[Line] = ()
    bars: Sequence[Bar] = ()
    marks: Sequence[Mark] = ()
    rules: Sequence[Rule] = ()
    height: int = HEIGHT
    data: str = field(default="")

    def svg(self) -> str:
        """Return it as SVG, its legend below."""
        inside = "".join(
            (
                _frame(self.x, self.y),
                f'<svg class="stretch" viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
                f"{''.join(map(self._band, self.lines))}{''.join(map(self._path, self.lines))}</svg>",
                "".join(map(self._bar, self.bars)),
                "".join(map(self._rule, self.rules)),
                "".join(map(self._mark, self.marks)),
            )
        )
        return (
            f'<div class="ytitle">{escape(self.y.title)}</div><div class="plotted" {self.data}>'
            f'<svg height="{self.height}" role="img" aria-label="{escape(self.label)}">{inside}</svg></div>'
            f'<div class="xtitle">{escape(self.x.title)}</div>{_legend(self.lines)}'
        )

    def _at(self, x: float, y: float) -> Point:
        return self.x.place(x), 100 - self.y.place(y)

    def _path(self, line: Line) -> str:
        places = [f"M{self._d(run)}" for run in _unbroken(line.points)]
        if not places:
            return ""
        return f'<path class="line {line.kind}"{_shaded(line)} d="{"".join(places)}"/>'

    def _d(self, points: Sequence[Point]) -> str:
        return "L".join(f"{x:.2f} {y:.2f}" for x, y in (self._at(*point) for point in points))

    def _band(self, line: Line) -> str:
        known = [row for row in line.band if all(map(isfinite, row))]
        if len(known) < 2:
            return ""
        edge = [(x, high) for x, _, high in known] + [(x, low) for x, low, _ in reversed(known)]
        return f'<path class="area {line.kind}" d="M{self._d(edge)}Z"/>'

    def _bar(self, bar: Bar) -> str:
        if not isfinite(bar.value):
            return ""
        x, y = self._at(bar.x, bar.value)
        low, high = (self._at(bar.x, end if isfinite(end) else bar.value)[1] for end in (bar.low, bar.high))
        return (
            f'<g class="bar {bar.kind}"><title>{escape(bar.label)}</title>'
            f'<line class="hit" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>'
            f'<line x1="{x:.2f}%" x2="{x:.2f}%" y1="{low:.2f}%" y2="{high:.2f}%"/>'
            f'<circle cx="{x:.2f}%" cy="{y:.2f}%" r="4"/></g>'
        )

    def _mark(self, mark: Mark) -> str:
        if not (isfinite(mark.x) and isfinite(mark.y)):
            return ""
        x, y = self._at(mark.x, mark.y)
        anchor, shift = ("end", -9) if x > 62 else ("start", 9)
        up = -11 if mark.above else 20
        words = (
            f'<text class="told" x="{shift}" y="{up}" text-anchor="{anchor}">{escape(mark.name)}</text>'
            if mark.name
            else ""
        )
        return f'<svg class="point" x="{x:.2f}%" y="{y:.2f}%" width="1" height="1">{SHAPES[mark.shape]}{words}</svg>'

    def _rule(self, rule: Rule) -> str:
        if rule.upright:
            at = f"{self.x.place(rule.value):.2f}%"
            line = f'<line class="rule {rule.kind}" x1="{at}" x2="{at}" y1="0" y2="100%"/>'
            flips = self.x.place(rule.value) > (25 if rule.to_left else 62)
            anchor, shift = ("end", -6) if flips else ("start", 6)
            low = 30 if rule.kind == "advised" else 14
            return (
                f'{line}<text class="told {rule.kind}" x="{at}" dx="{shift}" y="{low}" '
                f'text-anchor="{anchor}">{escape(rule.name)}</text>'
            )
        at = f"{100 - self.y.place(rule.value):.2f}%"
        return (
            f'<line class="rule {rule.kind}" x1="0" x2="100%" y1="{at}" y2="{at}"/>'
            f'<text class="told {rule.kind}" x="100%" dx="-4" y="{at}" dy="-5" text-anchor="end">'
            f"{escape(rule.name)}</text>"
        )


def _unbroken(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Yield the stretches of a line between values that are not known."""
    run: list[Point] = []
    for x, y in points:
        if isfinite(x) and isfinite(y):
            run.append((x, y))
            continue
        if len(run) > 1:
            yield run
        run = []
    if len(run) > 1:
        yield run


def _shaded(line: Line) -> str:
    return "" if line.shade is None else f' style="--f:{line.shade * 100:.0f}%"'


def _frame(x: Axis, y: Axis) -> str:
    """Return grid lines and tick labels."""
    rows = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{at:.2f}%" y2="{at:.2f}%"/>'
        f'<text class="tick" x="-7" y="{at:.2f}%" dy="4" text-anchor="end">{escape(y.name(tick))}</text>'
        for tick, at in ((tick, 100 - y.place(tick)) for tick in y.ticks())
    )
    columns = "".join(
        f'<line class="grid" x1="{at:.2f}%" x2="{at:.2f}%" y1="100%" y2="100%" stroke-width="5"/>'
        f'<text class="tick" x="{at:.2f}%" y="100%" dy="18" text-anchor="middle">{escape(x.name(tick))}</text>'
        for tick, at in ((tick, x.place(tick)) for tick in x.ticks())
    )
    return f"{rows}{columns}"


def _legend(lines: Sequence[Line]) -> str:
    named = [line for line in lines if line.name]
    entries = "".join(
        f'<span><svg class="key"><line class="line {line.kind}"{_shaded(line)} x1="0" x2="24" y1="6" y2="6"/></svg>'
        f"{escape(line.name)}</span>"
        for line in named
    )
    return f'<div class="legend">{entries}</div>' if entries else ""
