"""How the commands print: tables and timelines for people, JSON for machines."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

import click
import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from bridge.screen.overlaps import told_of_overlap
from bridge.store.operators import told_of_operator
from bridge.store.overlaps import BARGE_IN, POSSIBLE, cut_in_words, stopped_before, verdict_in_words
from bridge.text.visible import all_visible, visible, visible_json
from bridge.text.wording import nearest, seconds, short_id

Row: TypeAlias = tuple[Text, ...]

STYLES = {
    "agent": "cyan",
    "caller": "green",
    "tool": "magenta",
    "barge-in": "bold yellow",
    "end": "bold",
    "away": "blue",
    "log": "red",
}


RUN: Final = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""
"""How the person at the keyboard started this command, so that what we propose works when it is copied."""

WIDE: Final = 240
"""Columns where no screen says how many there are: a row stays a line."""


class Screen(Console):
    """A console on which nothing but our own styles steers the terminal, whoever wrote the text.

    It can't tell a stranger's line end from ours: texts that may hold one go through `visible` before.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield what is written, with what isn't seen as escapes."""
        for segment in super().render(renderable, options):
            is_plain = segment.control or segment.text.isprintable() or segment.text == "\n"
            yield (
                segment
                if is_plain
                else segment._replace(text="\n".join(map(visible, segment.text.split("\n"))))
            )

    def on_broken_pipe(self) -> None:
        """Raise the `BrokenPipeError` that brought us here: who leaves when nobody reads any more is `quiet_pipe`'s."""
        raise


def console() -> Console:
    """Return the console of standard output."""
    return Screen(highlight=False, soft_wrap=not sys.stdout.isatty())


def table_console() -> Console:
    """Return the console for tables with a row a line."""
    return Screen(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8")))


# ---------------------------------------------------------------- calls as a table


def calls_table(rows: list[dict[str, Any]], *, width: int) -> Table:
    """Return the list of calls, with the columns that fit in so many characters."""
    shown = COLUMNS if width >= 110 else tuple(column for column in COLUMNS if column[0] in NARROW)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, _ in shown:
        table.add_column(name, no_wrap=name != "ended by")
    for row in all_visible(rows):
        table.add_row(*(Text(cell(row)) for _, cell in shown))
    return table


COLUMNS: Final[tuple[tuple[str, Callable[[dict[str, Any]], str]], ...]] = (
    ("started (UTC)", lambda row: moment(row["started_at"])),
    ("call", lambda row: short_id(row["call_id"])),
    ("agent", lambda row: row["agent"]),
    ("with", lambda row: row["to_number"] if row.get("is_outgoing") else row["from_number"]),
    ("length", lambda row: seconds(row["duration_ms"])),
    ("turns", lambda row: str(row["turns"])),
    ("cut in", lambda row: str(row["interruptions"])),
    ("tools", lambda row: str(row["tool_calls"])),
    ("first word", lambda row: "" if (ms := row["first_audio_heard_ms"]) is None else f"{ms} ms"),
    ("ended by", lambda row: f"{row['ended_by']}: {row['why']}"),
)
NARROW: Final = frozenset({"started (UTC)", "call", "length", "first word", "ended by"})


def moment(at: datetime | str | None) -> str:
    """Return a moment in UTC, to the second; what is no date is returned as it is."""
    if isinstance(at, datetime):
        return f"{at:%Y-%m-%d %H:%M:%S}"
    try:
        return moment(datetime.fromisoformat(at or ""))
    except ValueError:
        return at or ""


# ---------------------------------------------------------------- one call


def show_call(record: dict[str, Any], screen: Console) -> None:
    """Print one call for people: what it was, how fast, and everything that happened in order."""
    record = all_visible(record)
    has_styles = (
        screen.color_system is not None
    )  # else no line goes through what nobody heard, and words must do
    timeline = _timeline(record, has_styles=has_styles)
    screen.print(Group(_columns(_summary(record), screen), Text(), _columns(timeline, screen)))


def _columns(rows: list[Row], screen: Console) -> RenderableType:
    """Return rows in columns: on a screen the last one wraps, anywhere else a row stays a line."""
    if not screen.soft_wrap:
        grid = Table.grid(padding=(0, 2))
        for _ in rows[0][:-1]:
            grid.add_column(no_wrap=True)
        for row in rows:
            grid.add_row(*row)
        return grid
    widths = [max(text.cell_len for text in column) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        for text, width in zip(row, widths, strict=False):
            text.pad_right(width - text.cell_len)
    return Group(*map(Text("  ").join, rows))


def _summary(record: dict[str, Any]) -> list[Row]:
    call = record["call"]
    turns = sorted(turn["response_ms"] for turn in record["turns"] if turn["response_ms"] is not None)
    felt = sorted(turn["latency_ms"] for turn in record["turns"] if turn["latency_ms"] is not None)
    cost = _cost(call)
    tokens = sum(call[f"{name}_tokens"] for name in ("text_in", "text_out", "audio_in", "audio_out"))
    used = f"{tokens}{cost}" if tokens else "the model told of none"
    first = (
        "never" if call["first_audio_heard_ms"] is None else f"{call['first_audio_heard_ms']} ms after start"
    )
    answers = f"{turns[len(turns) // 2]} ms median after the turn was detected" if turns else "none"
    if felt:
        answers += f", {felt[len(felt) // 2]} ms after the caller's last sound"
    when = f"{moment(call['started_at'])} UTC"
    numbers = call["from_number"], call["to_number"]
    parties = " to ".join(number or "unknown" for number in numbers) if any(numbers) else ""
    values = (
        ("call", call["call_id"]),
        ("when", ", ".join(filter(None, (when, seconds(call["duration_ms"]), parties)))),
        ("agent", f"{call['agent']} on {call['model']}{_stood_in(call)}{_tried(call)}"),
        ("ended", f"by {call['ended_by']}: {call['why']}" + (" (tape was torn)" if call["is_torn"] else "")),
        ("first word", first),
        ("answers", answers),
        ("tokens", used),
        ("tape", call["tape"]),
    )
    return [(Text(name, style="dim"), Text(value)) for name, value in values]


def _stood_in(call: dict[str, Any]) -> str:
    """Return for whom the agent answered, if for another one; a row of an older version doesn't know."""
    return f", for {call['asked_agent']}: {call['agent_why']}" if call.get("asked_agent") else ""


def _tried(call: dict[str, Any]) -> str:
    """Return the arm that the call had of a trial, if there was one; a row of an older version doesn't know."""
    return f", {call['trial_arm']} of the trial {call['trial']}" if call.get("trial") else ""


def _cost(call: dict[str, Any]) -> str:
    """Return what a call cost, and what of it has no price; a row of an older version knows of no transcription."""
    left_out = (
        f" without {call['cost_without']}, which has no known price" if call.get("cost_without") else ""
    )
    if call["cost_usd"] is None:
        return ", cost not known: the model has no known price"
    as_of = f" (prices read {call['prices_read_on']})" if call.get("prices_read_on") else ""
    return f", {call['cost_usd']:.4f} USD{left_out}{as_of}"


def _timeline(record: dict[str, Any], *, has_styles: bool) -> list[Row]:
    happenings = sorted(_happenings(record, has_styles=has_styles), key=lambda happening: happening[0])
    width = len(_in_seconds(happenings[-1][0]))
    return [
        (Text(_in_seconds(t_ms).rjust(width), style="dim"), Text(who, style=STYLES.get(who, "dim")), what)
        for t_ms, who, what in happenings
    ]


def _in_seconds(t_ms: int) -> str:
    return f"{nearest(t_ms, 10) / 100:.2f}"


def _happenings(record: dict[str, Any], *, has_styles: bool) -> Iterator[tuple[int, str, Text]]:
    for row in record["transcript"]:
        yield row["began_ms"] or 0, row["role"], _said(row["heard"], row["unheard"], has_styles=has_styles)
    for row in record["tool_calls"]:
        yield row["called_ms"] or 0, "tool", _tool_text(row)
    stopped = stopped_before(record)
    for row in record["milestones"]:
        if row["name"] not in SAID_ELSEWHERE:
            yield row["t_ms"], *_told_of_milestone(record, row, stopped)
    for row in record.get("legs", ()):
        yield from _told_of_leg(row)
    for row in record["log"]:
        yield row["t_ms"], "log", Text(row["text"])
    call = record["call"]
    yield call["duration_ms"], "end", Text(f"by {call['ended_by']}: {call['why']}")


def _said(heard: str | None, unheard: str | None, *, has_styles: bool) -> Text:
    text = Text(heard or "")
    if unheard:
        text.append(" " if heard else "")
        text.append(unheard if has_styles else f"[not heard: {unheard}]", style="dim strike")
    return text


SAID_ELSEWHERE = frozenset(
    {
        "tool_called",
        "tool_answered",
        "call_ended",
        "left_stream",
        "far_end",
        "taken",
        "excursion_ended",
        "returned",
    }
)


def _told_of_milestone(
    record: dict[str, Any], row: dict[str, Any], stopped: Mapping[int, int]
) -> tuple[str, Text]:
    """Return what a moment is told as, and of whom: an interruption where the agent stopped, what came after the call's
    end in words.
    """
    data, t_ms = _data_of(row), row["t_ms"]
    known = {stop_ms: known_ms for known_ms, stop_ms in stopped.items()}
    if row["name"] == BARGE_IN and t_ms in stopped:
        return "milestone", Text(verdict_in_words(stopped[t_ms], t_ms))
    if row["name"] == BARGE_IN or (row["name"] == POSSIBLE and t_ms in known):
        return "barge-in", Text(cut_in_words(record["items"], known.get(t_ms, t_ms)))
    if (overlap := told_of_overlap(row["name"], data)) is not None:
        return "barge-in", Text(overlap)
    if (operator := told_of_operator(row["name"], data)) is not None:
        return "operator", Text(operator)
    if row["name"] not in AFTER_THE_END:
        more = DETAILS[row["name"]](data) if row["name"] in DETAILS else ""
        return "milestone", Text(row["name"] + (f": {more}" if more else ""))
    outcome = data.get("outcome")
    what = AFTER_THE_END[row["name"]] + (f" ({outcome})" if outcome else "")
    told = [f'hears "{data["say"]}"'] if data.get("say") else []
    told += [f"{data['step']} {data.get('to', '')}".strip()] if data.get("step") else []
    return "away", Text(": ".join(filter(None, (what, ", ".join([*told, *_of_a_recording(data)])))))


def _session_lost(data: dict[str, Any]) -> str:
    return f"session {data.get('session')}, {data.get('why')}"


DETAILS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "goodbye_asked": lambda data: str(data.get("why") or ""),
    "model_lost": _session_lost,
    "session_left": _session_lost,
    "session_followed": lambda data: f"session {data.get('session')}, {data.get('gap_ms')} ms later",
    "stream_lost": lambda data: str(data.get("why") or ""),
    "said_again": lambda data: f"{data.get('ms')} ms of it",
    "filler_played": lambda data: f"{data.get('file')}, {data.get('ms')} ms: {data.get('why')}",
}
"""What is told of a milestone beside its name."""

AFTER_THE_END: Final = {
    "came_back_after_the_end": "the caller comes back, and the call is over",
    "failure_step_after_the_end": "the caller goes on by the failure plan",
    "recording_told_after_the_end": "of the message",
}


def _data_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says beside its columns: JSON, as the database has it."""
    data = row["data"]
    return msgspec.json.decode(data) if isinstance(data, str) else data or {}


def _of_a_recording(data: dict[str, Any]) -> list[str]:
    text, url = data.get("TranscriptionText"), data.get("RecordingUrl")
    return [told for told in (data.get("RecordingStatus"), url, text and f'"{text}"') if told]


def _told_of_leg(row: dict[str, Any]) -> Iterator[tuple[int, str, Text]]:
    """Yield what a stretch of the call off its first stream was, and how it ended."""
    ended_ms = row["ended_ms"] if row["ended_ms"] is not None else row["began_ms"]
    where = f"{row['step']} {row['place'] or ''}".strip()
    match row["part"]:
        case "stream" if row["number"] > 1:
            yield row["began_ms"], "away", Text("back on the stream")
        case "excursion":
            talked = f", {row['seconds']} s" if row["seconds"] else ""
            yield row["began_ms"], "away", Text(f"leaves the stream: {where}")
            recording = "".join(f", {told}" for told in _of_a_recording(_data_of(row)))
            yield ended_ms, "away", Text(f"{where}: {row['outcome']}{talked}{recording}")
        case "dial" if row["taken_ms"] is not None:
            yield row["taken_ms"], "away", Text(f"{row['place']} has taken the call")


def _tool_text(row: dict[str, Any]) -> Text:
    text = Text(f"{row['name']}({row['arguments_raw']})")
    if row["error_kind"]:
        text.append(f" failed: {row['error_kind']} {row['error'] or ''}", style="red")
        text.append(_in_its_way(row))
    elif row["output"] is not None:
        text.append(f" -> {row['output']}{_taken(row)}{_in_its_way(row)}")
    elif row.get("is_late"):
        text.append(" -> nothing: the call was over")
    return text


def _in_its_way(row: dict[str, Any]) -> str:
    """Return what was not as with other tools: its result came late, or it is that of a call before."""
    if row.get("joined"):
        return ", the same as before: not run"
    if not row.get("is_late"):
        return ""
    return ", late" if row["is_delivered"] else ", late and not delivered"


def _taken(row: dict[str, Any]) -> str:
    """Return how long a tool took; the heart's own are answered when the caller is back."""
    until = row["sent_ms"] if row["answered_ms"] is None else row["answered_ms"]
    return "" if until is None or row["called_ms"] is None else f" in {until - row['called_ms']} ms"
