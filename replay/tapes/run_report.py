"""How the outcome of a replay is shown: a line a tape, the lines around a difference; JSON and JUnit for machines."""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import islice, zip_longest
from pathlib import Path
from re import compile as pattern
from typing import Any, Final

import msgspec
from attrs import asdict, frozen
from rich.text import Text

from bridge.objects.names import name_of
from bridge.text.visible import visible
from bridge.text.wording import counted
from replay.tapes.junit import Case, Outcome
from replay.tapes.player import Difference, Result

STYLES: Final = {"ok": "green", "accepted": "bold green", "differs": "bold red", "unreadable": "bold yellow"}
LONG: Final = pattern(r'"[A-Za-z0-9+/=]{60,}"')
"""Base64 audio: nobody reads it."""

TOKEN: Final = pattern(r"\w+|\W")
WIDEST: Final = 160
MOST_CHANGES: Final = 4


@frozen
class Verdict:
    """One tape's outcome: `error` when it could not be replayed at all, `refused` why it was not re-recorded."""

    path: Path
    took_s: float
    result: Result | None = None
    error: str = ""
    is_accepted: bool = False
    refused: str = ""

    @property
    def status(self) -> str:
        """Return ok, accepted, differs or unreadable."""
        if self.result is None:
            return "unreadable"
        if self.is_accepted:
            return "accepted"
        return "differs" if self.result.difference else "ok"

    @property
    def records(self) -> str:
        """Return in words which records would be stored otherwise."""
        return ", ".join(map(str, self.result.records)) if self.result else ""

    @property
    def call_s(self) -> float:
        """Return how long the call lasted, in seconds."""
        return self.result.duration_ms / 1000 if self.result else 0.0


def speed(verdicts: Iterable[Verdict]) -> float:
    """Return how many seconds of calls were replayed in a second."""
    done = [verdict for verdict in verdicts if verdict.result is not None]
    took = sum(verdict.took_s for verdict in done)
    return sum(verdict.call_s for verdict in done) / took if took else 0.0


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for machines."""
    told: dict[str, Any] = {"path": name_of(verdict.path), "status": verdict.status}
    if (result := verdict.result) is None:
        return told | {"error": verdict.error}
    told |= {"call_id": result.call_id, "decisions": result.decisions, "duration_ms": result.duration_ms}
    told |= {"took_ms": round(verdict.took_s * 1000, 1), "speed": round(speed([verdict]))}
    told |= {"is_torn": result.is_torn, "shed": result.shed}
    told |= {"refused": verdict.refused} if verdict.refused else {}
    if (found := result.difference) is not None:
        told["records"] = [asdict(change) for change in result.records]
        was, now = (msgspec.Raw(line) if line else None for line in (found.was, found.now))
        told["difference"] = {"line": found.place, "t_ms": found.t_ms, "was": was, "now": now}
    return told


def as_case(verdict: Verdict) -> Case:
    """Return a verdict for CI: a test case a tape."""
    outcome: Outcome = "error" if verdict.status == "unreadable" else "passed"
    message, text = verdict.error, ""
    if verdict.status == "differs" and verdict.result and verdict.result.difference:
        found = verdict.result.difference
        outcome, message, text = "failure", headline(found), "\n".join(line.plain for line in around(found))
    path = verdict.path
    return Case(name_of(path.parent), path.name, outcome, message, text, verdict.took_s)


# ---------------------------------------------------------------- for people


def one_line(verdict: Verdict) -> Text:
    """Return a tape's line: its status, how much was compared, how fast, and which tape it is."""
    text = Text(f"{verdict.status:10}", style=STYLES[verdict.status], end="")
    if (result := verdict.result) is None:
        return Text.assemble(text, " ", visible(verdict.error))
    amount = (
        f" {result.decisions:6} decisions  {verdict.call_s:7.1f} s  {speed([verdict]):5.0f} x real time  "
    )
    remarks = "  (torn: its last line was cut off)" if result.is_torn else ""
    remarks += f"  (the recorder had to leave out {result.shed} lines)" if result.shed else ""
    remarks += f"  (not accepted: {verdict.refused})" if verdict.refused else ""
    return Text.assemble(text, amount, visible(name_of(verdict.path)), (visible(remarks), "yellow"))


def summary(verdicts: list[Verdict], took_s: float) -> str:
    """Return the last line: how many tapes came out how, and how fast that was on all cores together."""
    statuses = [verdict.status for verdict in verdicts]
    outcomes = ", ".join(f"{statuses.count(status)} {status}" for status in STYLES if status in statuses)
    seconds = sum(verdict.call_s for verdict in verdicts)
    speed = f"{seconds:.0f} s of calls at {seconds / took_s:.0f} x real time"
    return f"{counted(len(verdicts), 'tape')}: {outcomes}; {speed}"


def around(difference: Difference) -> Iterator[Text]:
    """Yield the lines round the first difference: `-` is on the tape, `+` is said today."""
    what = visible(headline(difference))
    yield Text(f"  first difference at {difference.t_ms} ms, line {difference.place + 2}: {what}")
    was = [shortened(line) for line in (*difference.before, *difference.recorded)]
    now = [shortened(line) for line in (*difference.before, *difference.replayed)]
    codes = SequenceMatcher(None, was, now, autojunk=False).get_opcodes()
    if len(codes) > 2 and codes[-1][0] in ("delete", "insert"):
        codes.pop()  # where one side was looked at further than the other, not a difference
    for kind, a, b, c, d in codes:
        if kind == "equal":
            yield from (Text(f"    {line[:WIDEST]}", style="dim") for line in was[a:b])
        else:
            for old, new in zip_longest(was[a:b], now[c:d]):
                yield from _pair(old, new)


def headline(difference: Difference) -> str:
    """Return a difference in one line: which fields changed, or on which side something is missing."""
    if difference.was is None and difference.now is None:
        return "the tape goes on in another way"
    if difference.was is None:
        return "said today, and not on the tape"
    if difference.now is None:
        return "on the tape, and not said today"
    found = islice(
        changes(msgspec.json.decode(difference.was), msgspec.json.decode(difference.now)), MOST_CHANGES
    )
    return "; ".join(f"{name} was {_brief(old)}, is {_brief(new)}" for name, old, new in found)


def changes(was: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (field, old value, new value) for every field in which two JSON values differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*was, *now)):
            yield from changes(was.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif was != now:
        yield name, was, now


def _brief(value: Any) -> str:
    text = "missing" if value is None else msgspec.json.encode(value).decode("utf-8")
    return text if len(text) <= 60 else f"{text[:57]}..."


def shortened(line: bytes) -> str:
    """Return a line for reading: its time first, its audio left out."""
    fields = msgspec.json.decode(line)
    start = f"{fields.pop('t_ms'):>8} ms  {fields.pop('leg'):<11} {fields.pop('from'):<8} "
    body = msgspec.json.encode(fields).decode("utf-8")
    return visible(start + LONG.sub(lambda found: f'"<{len(found[0]) - 2} characters>"', body))


def _pair(old: str | None, new: str | None) -> Iterator[Text]:
    """Yield a line as it was and as it is, with what differs standing out."""
    was, now = TOKEN.findall(old or ""), TOKEN.findall(new or "")
    codes = [
        code for code in SequenceMatcher(None, was, now, autojunk=False).get_opcodes() if code[0] != "equal"
    ]
    if old is not None:
        yield _marked("-", was, [(a, b) for _, a, b, _, _ in codes], "red")
    if new is not None:
        yield _marked("+", now, [(c, d) for _, _, _, c, d in codes], "green")


def _marked(sign: str, tokens: list[str], spans: list[tuple[int, int]], style: str) -> Text:
    text, place = Text(f"  {sign} ", style=style), 0
    spans = spans if spans != [(0, len(tokens))] else []  # a line alone: all of it is new
    for begin, end in spans:
        text.append("".join(tokens[place:begin]))
        text.append("".join(tokens[begin:end]), style="bold reverse")
        place = end
    text.append("".join(tokens[place:]))
    return text
