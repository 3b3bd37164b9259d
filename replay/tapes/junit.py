"""The outcome of a replay as JUnit XML, which CI systems show: one test case a tape."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from replay.tapes.beside import written_beside
from replay.tapes.run_report import Verdict, around, headline


def write_junit(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write the report. Raises `OSError`."""
    statuses = [verdict.status for verdict in verdicts]
    suite = Xml.Element(
        "testsuite", name="replay run", tests=str(len(verdicts)), failures=str(statuses.count("differs")),
        errors=str(statuses.count("unreadable")), time=_seconds(sum(verdict.took_s for verdict in verdicts)),
    )  # fmt: skip
    suite.extend(map(_case, verdicts))
    path.parent.mkdir(parents=True, exist_ok=True)
    suites = Xml.Element("testsuites")
    suites.append(suite)
    Xml.indent(suites)
    with written_beside(path) as part:
        Xml.ElementTree(suites).write(part, encoding="utf-8", xml_declaration=True)


def _case(verdict: Verdict) -> Xml.Element:
    folder, name = _clean(str(verdict.path.parent)), _clean(verdict.path.name)
    case = Xml.Element("testcase", classname=folder, name=name, time=_seconds(verdict.took_s))
    difference = verdict.result.difference if verdict.result else None
    if verdict.status == "unreadable":
        Xml.SubElement(case, "error", message=_clean(verdict.error))
    elif verdict.status == "differs" and difference:
        lines = "\n".join(line.plain for line in around(difference))
        failure = Xml.SubElement(case, "failure", message=_clean(headline(difference)))
        failure.text = _clean(lines)
    return case


def _clean(text: str) -> str:
    """Return text without the control characters that XML can't hold."""
    return "".join(char if char >= " " or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _seconds(value: float) -> str:
    return f"{value:.3f}"
