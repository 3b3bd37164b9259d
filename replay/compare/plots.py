"""Plots as inline SVG that is as wide as its place: positions in percent, sizes in pixels, colours from the page."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from attrs import frozen

from replay.compare.words import amount

ROW: Final = 30
"""Height of a variant's strip, in pixels."""

COLOURS: Final = 6
"""Callers that have a colour of their own; further ones begin anew."""


@frozen
class Dot:
    """One call in a strip."""

    value: float
    colour: int
    label: str


def interval_plot(low: float, high: float, mean: float, tolerance: float) -> str:
    """Return a difference's interval against what is allowed: left of the band is better, right of it worse."""
    reach = max(abs(mean), tolerance) * 2.2 or 1.0
    place = _scale(-reach, reach, 2, 98)
    ends = [min(max(value, -reach), reach) for value in (low, high)]
    band = (place(-tolerance), place(tolerance))
    return (
        '<svg class="interval" height="22" role="img" aria-hidden="true">'
        f'<rect class="band" x="{band[0]:.1f}%" width="{band[1] - band[0]:.1f}%" y="3" height="16"/>'
        f'<line class="zero" x1="50%" x2="50%" y1="1" y2="21"/>'
        f'<line class="reach" x1="{place(ends[0]):.1f}%" x2="{place(ends[1]):.1f}%" y1="11" y2="11"/>'
        f'<circle class="mean" cx="{place(min(max(mean, -reach), reach)):.1f}%" cy="11" r="4.5"/></svg>'
    )


def strips(rows: Mapping[str, Sequence[Dot]], unit: str, limit: float | None) -> str:
    """Return a strip of dots for each variant on one common axis; `limit` is where worse begins."""
    values = [dot.value for dots in rows.values() for dot in dots]
    shown = [*values, *([limit] if limit is not None else [])]
    low, high = min(shown), max(shown)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low = 0.0 if 0 <= low <= room else low - room
    high = 1.0 if unit == "share" and high <= 1 else high + room
    place = _scale(low, high, 1, 99)
    lines = "".join(_strip(name, dots, place, limit) for name, dots in rows.items())
    return f'<div class="strips">{lines}{_axis(low, high, unit)}</div>'


def _scale(low: float, high: float, left: float, right: float) -> Callable[[float], float]:
    return lambda value: left + (value - low) / (high - low) * (right - left)


def _strip(name: str, dots: Sequence[Dot], place: Callable[[float], float], limit: float | None) -> str:
    mean = sum(dot.value for dot in dots) / len(dots) if dots else None
    parts = [f'<line class="floor" x1="0" x2="100%" y1="{ROW - 1}" y2="{ROW - 1}"/>']
    if limit is not None:
        parts.append(
            f'<line class="limit" x1="{place(limit):.2f}%" x2="{place(limit):.2f}%" y1="0" y2="{ROW}"/>'
        )
    if mean is not None:
        at = f"{place(mean):.2f}%"
        parts.append(f'<line class="centre" x1="{at}" x2="{at}" y1="3" y2="{ROW - 4}"/>')
    parts += [
        f'<circle class="c{dot.colour % COLOURS}" cx="{place(dot.value):.2f}%" cy="{7 + n * 7 % 17}" r="3.6">'
        f"<title>{escape(dot.label)}</title></circle>"
        for n, dot in enumerate(dots)
    ]
    empty = '<text class="none" x="1%" y="19">no call has it</text>' if not dots else ""
    return (
        f'<div class="who" title="{escape(name)}">{escape(name)}</div>'
        f'<svg height="{ROW}" role="img" aria-label="{escape(name)}">{"".join(parts)}{empty}</svg>'
    )


def _axis(low: float, high: float, unit: str) -> str:
    ticks = "".join(
        f"<span>{escape(amount(low + (high - low) * step / 4, unit))}</span>" for step in range(5)
    )
    return f'<div></div><div class="axis">{ticks}</div>'
