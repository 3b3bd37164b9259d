"""An outcome as JUnit XML, which CI systems show: one suite of cases that passed, failed, broke or were skipped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal
from xml.etree import ElementTree as Xml

from attrs import frozen

from replay.tapes.beside import written_beside

Outcome = Literal["passed", "failure", "error", "skipped"]
COUNTED: Final[tuple[tuple[Outcome, str], ...]] = (
    ("failure", "failures"),
    ("error", "errors"),
    ("skipped", "skipped"),
)


@frozen
class Case:
    """One thing that was tried. `text` is what a reader of the report needs to see besides the message."""

    folder: str
    name: str
    outcome: Outcome = "passed"
    message: str = ""
    text: str = ""
    seconds: float = 0.0


def write_junit(suite: str, cases: Sequence[Case], path: Path) -> None:
    """Write the report. Raises `OSError`."""
    outcomes = [case.outcome for case in cases]
    counts = {name: str(outcomes.count(outcome)) for outcome, name in COUNTED}
    seconds = _seconds(sum(case.seconds for case in cases))
    root = Xml.Element("testsuites")
    told = {"name": suite, "tests": str(len(cases)), "time": seconds, **counts}
    Xml.SubElement(root, "testsuite", told).extend(map(_element, cases))
    path.parent.mkdir(parents=True, exist_ok=True)
    Xml.indent(root)
    with written_beside(path) as part:
        Xml.ElementTree(root).write(part, encoding="utf-8", xml_declaration=True)


def _element(case: Case) -> Xml.Element:
    element = Xml.Element(
        "testcase", classname=_clean(case.folder), name=_clean(case.name), time=_seconds(case.seconds)
    )
    if case.outcome != "passed":
        told = Xml.SubElement(element, case.outcome, message=_clean(case.message))
        told.text = _clean(case.text) or None
    return element


def _clean(text: str) -> str:
    """Return text without the control characters that XML can't hold."""
    return "".join(char if char >= " " or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
