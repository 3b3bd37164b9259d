"""A call's page as HTML: its facts drawn and told, for the console or as one file that needs nothing else.

Nothing that a caller, a model or a tool chose reaches it but escaped by the templates and made `visible`, or as JSON
that can't end its own script. It reads its templates, style sheets and scripts, and does nothing else.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bridge.page import drawing, told
from bridge.page.waterfall import PARTS
from bridge.text.visible import all_visible
from bridge.text.wording import short_id

Facts: TypeAlias = Mapping[str, Any]

STATIC: Final = Path(__file__).parent / "static"
STYLES: Final = ("base.css", "vendor/uPlot.min.css", "call.css")
SCRIPTS: Final = ("vendor/wavesurfer.min.js", "vendor/uPlot.iife.min.js", "call.js")
"""In the order in which they are loaded."""

FOR_CHARTS: Final = "vendor/uPlot.iife.min.js"
LEAST_CHARTED: Final = 4
"""Answers; of fewer the bars say all."""

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "length_ms": (), "peaks": (), "moments": ("t_ms", "kind"), "waits": ("from_ms", "to_ms"), "tape": (),
}  # fmt: skip
"""The facts that the script needs, and what of their rows; the rest stands in the page itself."""

DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}")


@cache
def static(name: str) -> str:
    """Return a style sheet or a script that stands beside this module."""
    return (STATIC / name).read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    loader = PackageLoader("bridge.page")
    found = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    found.filters |= {
        "clock": drawing.clock, "cut": _cut, "when": _when, "json": _compact, "stack": drawing.stack,
        "in_words": drawing.in_words, "took": told.took_ms, "outcome": told.outcome_of, "level": told.level_of,
        "length_ms": told.length_of, "stretches": told.stretches, "timing": told.timing,
    }  # fmt: skip
    return found


def file_page(facts: Facts, sound: str = "", *, note: str = "") -> str:
    """Return a call's page as one file that opens anywhere, offline; `sound` is both sides of it as base64."""
    shown = made_visible(facts)
    styles, data = "\n".join(map(static, STYLES)), data_of(shown)
    has_chart = len(facts["waits"]) >= LEAST_CHARTED
    scripts = [static(name) for name in SCRIPTS if has_chart or name != FOR_CHARTS]
    nonce = sha256(data.encode()).hexdigest()[:22]
    rules = (
        "default-src 'none'", f"script-src {' '.join(map(hash_of, scripts))}",
        f"style-src {hash_of(styles)} 'nonce-{nonce}'", "img-src data:", "media-src blob:", "base-uri 'none'",
        "form-action 'none'",
    )  # fmt: skip
    return _templates().get_template("file.html").render(
        title=title(shown), body=body(shown, note=note), policy="; ".join(rules), nonce=nonce, sound=sound,
        styles=Markup(styles), scripts=list(map(Markup, scripts)), data=Markup(data),
    )  # fmt: skip


def body(
    facts: Facts, *, note: str = "", sound_url: str = "", lines_url: str = "", live_url: str = ""
) -> Markup:
    """Return what stands in a page of facts that are made visible: all but the script, and what it is given.

    The addresses are where more can be had: its sound, its tape's lines, and what becomes of a call that goes on.
    """
    shown = {
        "summary": told.summary(facts), "highlights": told.highlights(facts), "conversation": told.conversation(facts),
        "lanes": drawing.lanes(facts["spans"], facts["length_ms"]), "stretches": told.stretches_of_call(facts),
        "ticks": drawing.ticks(facts["moments"], facts["length_ms"]), "parts": PARTS,
        "has_chart": len(facts["waits"]) >= LEAST_CHARTED,
    }  # fmt: skip
    urls = {"sound_url": sound_url, "lines_url": lines_url, "live_url": live_url}
    return Markup(_templates().get_template("call.html").render(facts=facts, note=note, **urls, **shown))


def title(facts: Facts) -> str:
    """Return what a call's page is called."""
    call = facts["call"]
    return f"{short_id(call['call_id'])} \u00b7 {call['agent']} \u00b7 {_when(call['started_at'])}"


def made_visible(facts: Facts) -> Facts:
    """Return the facts with escapes for whatever could hide, steer or pass for something else; commands are ours."""
    return {name: fact if name == "next_steps" else all_visible(fact) for name, fact in facts.items()}


def data_of(facts: Facts) -> str:
    """Return JSON that no string in it can break out of, of what the script needs."""
    needed = {
        name: [{field: row[field] for field in fields} for row in facts[name]] if fields else facts[name]
        for name, fields in NEEDED.items()
    }
    text = msgspec.json.encode(needed).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def hash_of(text: str) -> str:
    """Return what a policy calls a style sheet or a script that stands in the page."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _when(started_at: object) -> str:
    text = str(started_at)
    return f"{text[:10]} {text[11:19]}" if DAY.match(text) else text


def _cut(text: object, most: int) -> str:
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[:most]}\u2026"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
