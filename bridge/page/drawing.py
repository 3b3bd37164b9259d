"""Where things are drawn on a call's page: the lanes along its time, and an answer's parts. Pure.

Places are in percent and colours in the style sheet, so that a page needs no style of its own in any element, and a
policy that forbids those holds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from bridge.page.spans import LANES
from bridge.page.waterfall import PARTS
from bridge.text.wording import nearest

Row: TypeAlias = dict[str, Any]

LEAST_PERCENT: Final = 0.06
"""A span is never thinner than this: a tool that answers at once can be seen, too."""

HEIGHTS: Final = {
    "dropped": (11.5, 4),
    "heard": (3, 8),
    "clip": (3, 8),
    "unsettled": (3, 8),
    "unheard": (3.5, 7),
}
"""Where in its lane a span begins, and how high it is; what was never sent has no place on the line, and lies below."""


def clock(ms: int, digits: int = 1) -> str:
    """Return a moment of a call as it stands on its page: minutes, seconds, and the nearest tenth."""
    tenths = nearest(max(0, ms), 100) if digits else nearest(max(0, ms), 1000) * 10
    text = f"{tenths // 600}:{tenths // 10 % 60:02d}"
    return f"{text}.{tenths % 10}" if digits else text


def lanes(spans: Sequence[Row], length_ms: int) -> list[Row]:
    """Return the lanes that have something in them, caller and agent always, each with its name and rectangles."""
    used = {span["lane"] for span in spans} | {"caller", "agent"}
    return [
        {"lane": lane, "name": name, "rects": list(_rects(spans, lane, length_ms))}
        for lane, name in LANES.items()
        if lane in used
    ]


def _rects(spans: Iterable[Row], lane: str, length_ms: int) -> Iterator[Row]:
    for span in spans:
        if span["lane"] == lane:
            y, height = HEIGHTS.get(span["kind"], (4, 10))
            title = f"{clock(span['from_ms'])} to {clock(span['to_ms'])}: {span['text']}"
            place = _place(span["from_ms"], span["to_ms"], length_ms)
            yield {"kind": span["kind"], "title": title, "y": y, "height": height, **place}


def ticks(moments: Sequence[Row], length_ms: int) -> list[Row]:
    """Return a tick for all that happened at a moment; those that somebody looks for are taller."""
    return [
        {
            "kind": one["kind"],
            "title": f"{clock(one['t_ms'])}: {one['text']}",
            "y": 5 if one["kind"] == "milestone" else 1,
            "height": 8 if one["kind"] == "milestone" else 16,
            **_place(one["t_ms"], one["t_ms"], length_ms),
        }
        for one in moments
    ]


def stack(wait: Mapping[str, Any], longest_ms: int) -> list[Row]:
    """Return an answer's parts, side by side, on the scale of the longest one."""
    begin = wait["from_ms"]
    return [
        {
            "kind": part["name"],
            "title": in_words(part),
            **_place(part["from_ms"] - begin, part["to_ms"] - begin, longest_ms),
        }
        for part in wait["parts"]
    ]


def in_words(part: Mapping[str, Any]) -> str:
    """Return a part of an answer in words."""
    return f"{part['name']} {part['to_ms'] - part['from_ms']} ms, {PARTS[part['name']]}"


def _place(from_ms: int, to_ms: int, length_ms: int) -> Row:
    per_ms = 100 / max(1, length_ms)
    x = min(100.0, max(0.0, from_ms * per_ms))
    width = max(LEAST_PERCENT, min(100.0 - x, (to_ms - from_ms) * per_ms))
    return {"x": round(x, 3), "width": round(width, 3)}
