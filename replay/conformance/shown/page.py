"""A report card as one HTML page that needs nothing else: what a caller would notice first, then the proof of it.

What a bridge, its model or its webhook said is a stranger's text: it reaches the page escaped, and made `visible`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bridge.page.html import hash_of, static
from bridge.text.visible import all_visible
from bridge.text.wording import counted
from replay.conformance.card import Check, Evidence, Finding, JudgedCall, ReportCard, Side
from replay.conformance.shown import drawing
from replay.conformance.shown.words import WORDS, found_of, verdict

Row: TypeAlias = dict[str, Any]

STYLE: Final = Path(__file__).with_name("card.css")
SIDES: Final[tuple[Side, ...]] = ("phone", "model")
SENTENCE: Final = re.compile(r"[a-z][a-z']*[ ,;]")


def page(card: ReportCard) -> str:
    """Return the page."""
    styles = f"{static('base.css')}\n{STYLE.read_text(encoding='utf-8')}"
    policy = (
        f"default-src 'none'; style-src {hash_of(styles)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    facts = all_visible(_facts(card))
    return _templates().get_template("card.html").render(facts, styles=Markup(styles), policy=policy)


@cache
def _templates() -> Environment:
    loader = PackageLoader("replay.conformance.shown")
    found = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    found.filters |= {"seconds": lambda ms: f"{ms / 1000:.2f} s", "counted": counted, "sentence": _sentence}
    return found


def _sentence(text: str) -> Markup:
    """Return words as a sentence begins, unless they begin with a name; what is code in them is marked as such."""
    parts = (text[:1].upper() + text[1:] if SENTENCE.match(text) else text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def _facts(card: ReportCard) -> Row:
    calls = {call.name: _call(card, call, f"call-{place}") for place, call in enumerate(card.calls, 1)}
    checks = [_check(card, check, calls) for check in card.checks]
    shown = {check["findings"][0]["call"] for check in checks if check["result"] == "failed"}
    return {
        "bridge": card.bridge,
        "url": card.url,
        "date": card.date[:16].replace("T", " "),
        "took_seconds": card.took_seconds,
        "verdict": verdict(card),
        "answer": "bad" if card.named("failed") else "good" if card.named("passed") else "maybe",
        "counts": {WORDS[result]: len(card.named(result)) for result in WORDS},
        "notes": card.notes,
        "checks": checks,
        "calls": [{**call, "is_shown": name in shown} for name, call in calls.items()],
    }


# ---------------------------------------------------------------- checks


def _check(card: ReportCard, check: Check, calls: Mapping[str, Row]) -> Row:
    found, result = card.of(check.name), card.result_of(check.name)
    alike = [finding for finding in found if finding.result == result]
    tried = [finding for finding in found if finding.result != "unknown"]
    return {
        **attrs.asdict(check),
        "result": result,
        "word": WORDS[result],
        "findings": [_finding(finding, calls) for finding in alike],
        "whys": list(dict.fromkeys(finding.why for finding in alike)),
        "found": found_of(card, check.name),
        "is_measured": card.measured(check.name) is not None,
        "how_often": f"in {len(alike)} of {counted(len(tried), 'call')}" if tried and alike[0].call else "",
    }


def _finding(finding: Finding, calls: Mapping[str, Row]) -> Row:
    call = calls.get(finding.call, {"anchor": "", "lines": []})
    sides: Row = {side: _linked(line, call["lines"]) if line else None for side, line in _sides(finding)}
    return {"why": finding.why, "call": finding.call, "anchor": call["anchor"]} | sides


def _linked(line: Evidence, log: Iterable[Row]) -> Row:
    """Return a line with where it stands in its call's log."""
    told = attrs.asdict(line)
    return {**told, "anchor": next((row["anchor"] for row in log if told.items() <= row.items()), "")}


def _sides(finding: Finding) -> tuple[tuple[Side, Evidence | None], ...]:
    return ("phone", finding.phone), ("model", finding.model)


# ---------------------------------------------------------------- calls


def _call(card: ReportCard, call: JudgedCall, anchor: str) -> Row:
    findings = [finding for finding in card.findings if finding.call == call.name]
    failed = [finding for finding in findings if finding.result == "failed"]
    lines = _lines(call, failed, anchor)
    length = drawing.length_ms(call, list(_evidence(failed)))
    titles = {check.name: check.title for check in card.checks}
    return {
        "name": call.name,
        "title": call.title,
        "anchor": anchor,
        "failed": [
            {"number": number, "title": titles.get(finding.check, finding.check), **attrs.asdict(finding)}
            for number, finding in enumerate(failed, 1)
        ],
        "others": [
            {"word": WORDS[result], "whys": [one.why for one in findings if one.result == result]}
            for result in ("unknown", "passed")
        ],
        "ticks": drawing.ticks(length),
        "lanes": [
            {"side": side, "spans": drawing.spans(call, side, length), "dots": list(drawing.dots(lines, side, length))}
            for side in SIDES
        ],
        "lines": lines,
    }  # fmt: skip


def _evidence(findings: Iterable[Finding]) -> Iterator[Evidence]:
    for finding in findings:
        yield from (line for _, line in _sides(finding) if line is not None)


def _lines(call: JudgedCall, failed: Sequence[Finding], anchor: str) -> list[Row]:
    """Return the call's log with, for each line, the numbers of the failed checks that it proves."""
    proves: dict[Evidence, list[int]] = {line: [] for line in call.lines}
    for number, finding in enumerate(failed, 1):
        for line in _evidence([finding]):
            proves.setdefault(line, []).append(number)
    rows = sorted(proves.items(), key=lambda row: row[0].at_ms)
    return [
        {**attrs.asdict(line), "proves": numbers, "anchor": f"{anchor}-{place}"}
        for place, (line, numbers) in enumerate(rows, 1)
    ]
