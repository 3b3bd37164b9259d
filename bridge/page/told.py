"""What a page tells of a call in words and rows, from its facts: the numbers on top, what to listen to first, the
conversation with everything that came between. Pure.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final, TypeAlias

from bridge.text.wording import counted, seconds

Row: TypeAlias = dict[str, Any]
Facts: TypeAlias = Mapping[str, Any]

BEFORE_MS: Final = 2500
"""Played before a moment, so that one hears what leads to it."""

SLOW_MS: Final = 1200
VERY_SLOW_MS: Final = 2000
"""Answers that callers notice, and that they complain of."""


QUIET: Final = ("milestone", "operator")
"""Moments in which nothing is to be heard."""


def summary(facts: Facts) -> list[tuple[str, str, str]]:
    """Return the numbers that stand on top: name, value, and a word on it."""
    call = facts["call"]
    felt = sorted(map(length_of, facts["waits"]))
    first = call["first_audio_heard_ms"]
    failed = sum(bool(row["error_kind"]) for row in facts["tools"])
    never, none = ("not yet", "none yet") if facts["is_live"] else ("never", "none")
    return [
        ("Length", seconds(call["duration_ms"]), ""),
        ("First word heard", never if first is None else f"{first} ms", "" if first is None else "of the stream"),
        ("Answers, median", f"{felt[len(felt) // 2]} ms" if felt else none, _longest(felt)),
        ("Interruptions", str(call["interruptions"]), ""),
        ("Tools", str(call["tool_calls"]), counted(failed, "failure") if failed else ""),
        ("Cost", "not known" if call["cost_usd"] is None else f"${call['cost_usd']:.4f}", ""),
        ("Ended by", str(call["ended_by"]), str(call["why"])),
    ]  # fmt: skip


def _longest(felt: list[int]) -> str:
    return f"longest {felt[-1]} ms" if felt and felt[-1] > felt[len(felt) // 2] else ""


def length_of(stretch: Row) -> int:
    """Return how many ms a stretch is."""
    return int(stretch["to_ms"] - stretch["from_ms"])


def level_of(wait: Row) -> str:
    """Return whether an answer was slow, in a word of the style sheet."""
    took = length_of(wait)
    return "bad" if took > VERY_SLOW_MS else "maybe" if took > SLOW_MS else ""


def highlights(facts: Facts) -> list[tuple[int, int, str]]:
    """Return what one would listen to, the likeliest first: from when to play, when it is, and what it is."""
    found = [(one["t_ms"], one["text"]) for one in facts["moments"] if one["kind"] not in QUIET]
    found += [
        (tool["called_ms"], f"{tool['name']} failed")
        for tool in facts["tools"]
        if tool["error_kind"] and tool["called_ms"] is not None
    ]
    slow = max(facts["waits"], key=length_of, default=None)
    if slow is not None:
        text = f"longest wait: {length_of(slow)} ms, {slow['slow']} {slow['slow_ms']} ms"
        found.append((slow["from_ms"], text))
    return [(max(0, t_ms - BEFORE_MS), t_ms, text) for t_ms, text in found]


# ---------------------------------------------------------------- the conversation

HAPPENED: Final = {"barge_in": ("cut", "Cut in"), "operator": ("event", "Operator")}
WHO: Final = {"agent": "Agent", "caller": "Caller", "system": "Bridge"}


def conversation(facts: Facts) -> list[Row]:
    """Return what was said, and between it tools, interruptions and ways off the line, in the order of time."""
    return [row for *_, row in sorted(_happenings(facts), key=lambda row: row[:2])]


def _happenings(facts: Facts) -> Iterator[tuple[int, int, Row]]:
    """Yield when, what of it comes first at the same moment, and the row: an interruption before who cut in."""
    for line in facts["lines"]:
        role = line["role"] if line["role"] in WHO else "system"
        yield line["from_ms"], 1, {**line, "kind": role, "who": WHO[role]}
    for one in facts["moments"]:
        if one["kind"] != "milestone":
            kind, who = HAPPENED.get(one["kind"], ("event", "Bridge"))
            yield one["t_ms"], 0, _event(kind, who, one["t_ms"], one["text"])
    for tool in facts["tools"]:
        t_ms = tool["called_ms"] if tool["called_ms"] is not None else tool["started_ms"] or 0
        yield t_ms, 2, _event("tool", "Tool", t_ms, "") | {"tool": tool}
    for span in facts["spans"]:
        if span["lane"] == "away":
            yield span["from_ms"], 2, _event("event", "Away", span["from_ms"], span["text"])


def _event(kind: str, who: str, t_ms: int, text: str) -> Row:
    return {"kind": kind, "who": who, "from_ms": t_ms, "to_ms": t_ms, "text": text}


def stretches(words: list[list[Any]]) -> list[tuple[bool, str]]:
    """Return words as text, in stretches that were all heard, or all not."""
    runs = groupby(words, key=lambda word: bool(word[2]))
    return [(is_heard, "".join(text for text, *_ in run)) for is_heard, run in runs]


def timing(line: Row) -> str:
    """Return how many of a browser's letters each word of a line has, and how long after the one before it begins.

    A page has its words as text, and makes something of one only where somebody looks: an hour has ten thousand.

    >>> timing({"from_ms": 1000, "words": [["Good ", 1000, True], ["day.", 1240, True]]})
    '5 0 4 240'
    """
    begins = [line["from_ms"], *(ms for _, ms, _ in line["words"])]
    sizes = (len(text.encode("utf-16-le", "surrogatepass")) // 2 for text, *_ in line["words"])
    return " ".join(
        f"{size} {ms - before}" for size, before, ms in zip(sizes, begins, begins[1:], strict=False)
    )


# ---------------------------------------------------------------- tools, legs


def took_ms(tool: Row) -> int | None:
    """Return how long a tool took; the heart's own are answered when the caller is back."""
    until = tool["sent_ms"] if tool["answered_ms"] is None else tool["answered_ms"]
    return None if until is None or tool["called_ms"] is None else until - tool["called_ms"]


def outcome_of(tool: Row) -> tuple[str, str]:
    """Return what came of a tool call, as a word of the style sheet and in words."""
    if tool["error_kind"]:
        return "bad", str(tool["error_kind"])
    if tool["is_delivered"]:
        return "good", "delivered to the model"
    return ("", "carried out") if tool["output"] is None else ("maybe", "not delivered")


def stretches_of_call(facts: Facts) -> list[tuple[int, int | None, str, str]]:
    """Return where the caller was, and the model's sessions: from when, to when, what it was, how it ended."""
    rows = [
        (row["began_ms"], row["ended_ms"], _leg_name(row), str(row["outcome"] or "goes on"))
        for row in facts["legs"]
    ]
    for row in facts["sessions"]:
        ended = row["why"] or ("ready" if row["ready_ms"] is not None else "never ready")
        rows.append((row["began_ms"], row["ended_ms"], f"model session {row['number']}", ended))
    return sorted(rows, key=lambda row: row[0])


def _leg_name(row: Row) -> str:
    where = " ".join(filter(None, (row["step"], row["place"])))
    return f"{row['part']} {row['number']}" + (f": {where}" if where else "")
