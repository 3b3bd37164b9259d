"""A phone call on the screen: line by line while it happens, then what came of it. What a peer said is shown
without its control characters."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.screen.output import STYLES
from bridge.text.visible import visible
from bridge.text.wording import seconds, short_id
from replay.phone.instructions.words import in_words
from replay.phone.load import Lateness
from replay.phone.report import CallReport, OnEvent
from replay.phone.verdict import AUDIBLE_GAP_MS, Summary, Verdict

MAX_TEXT = 240
MAX_COMPLAINTS = 10  # shown for one call, and calls shown for a load

TOLD: dict[str, tuple[str, str]] = {
    "webhook": ("twilio", "asks {url}"),
    "webhook_answered": ("bridge", "answers {status}"),
    "twiml": ("twilio", "asks {url}: {status}"),
    "upgrade": ("twilio", "opens {url}"),
    "upgraded": ("bridge", "accepts: {status}"),
    "start": ("twilio", "start {stream_sid}"),
    "caller_says": ("caller", "{text} ({ms} ms)"),
    "caller_presses": ("caller", "presses {digit}"),
    "caller_hangs_up": ("caller", "hangs up"),
    "socket_dropped": ("caller", "the connection breaks"),
    "reading_stopped": ("twilio", "reads nothing more"),
    "gone_silent": ("twilio", "sends nothing more"),
    "first_audio": ("agent", "first audio after {after_ms} ms"),
    "agent_heard": ("agent", "speaks"),
    "agent_quiet": ("agent", "is quiet"),
    "clear": ("barge-in", "clear: {unheard_ms} ms thrown away unheard"),
    "verb": ("twilio", "runs {verb}"),
    "says": ("far end", "{who}: {text} ({ms} ms)"),
    "presses": ("far end", "{who} presses {digit}"),
    "hung_up": ("end", "{who} is hung up by {by}"),
    "twilio_says": ("twilio", "says to {to}: {text}"),
    "key_played": ("twilio", "presses {digit} towards {to}"),
    "gathered": ("twilio", "collected {keys} keys of {who}"),
    "recording": ("twilio", "records {who}"),
    "recorded": ("twilio", "has a recording of {ms} ms, ended by {ended_by}: {status}"),
    "dialled": ("twilio", "rings {to}"),
    "answered": ("far end", "{by} answers"),
    "screened": ("far end", "{by} heard the whisper: {end}"),
    "bridged": ("twilio", "connects {caller} and {to}"),
    "dial_over": ("twilio", "dial: {status}, bridged {is_bridged}"),
    "queued": ("twilio", "puts the caller into {queue}"),
    "queue_over": ("twilio", "queue: {result}"),
    "referred": ("twilio", "refers to {to}: {status}"),
    "outbound": ("twilio", "call to {to}: {status}"),
    "answered_by": ("twilio", "detection: {found}"),
    "never_asked": ("twilio", "never asks {url}"),
    "asked_again": ("twilio", "asks {url} again: {status}"),
    "warning": ("log", "warning {code}: {text}"),
    "error": ("log", "{text}"),
    "closed": ("end", "by {by}, code {code} {reason}"),
}


def plain(value: object) -> str:
    """Return a value as one line that can do nothing to a terminal."""
    text = visible(str(value)[: MAX_TEXT + 1])
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def narrate(screen: Console) -> OnEvent:
    """Return a watcher that prints what happens, a line each."""

    def tell(kind: str, detail: dict[str, Any], t_ms: int) -> None:
        if (told := told_of(kind, detail)) is not None:
            who, words = told
            line = Text(f"{t_ms / 1000:7.2f}  ", style="dim")
            line.append(f"{who:9s}", style=STYLES.get(who, "dim"))
            screen.print(line.append(words, style="default"))

    return tell


def told_of(kind: str, detail: dict[str, Any]) -> tuple[str, str] | None:
    """Return who did what, of one thing on a call's timeline; None where nobody would ask about it."""
    if kind not in TOLD:
        return None
    who, words = TOLD[kind]
    told = {name: in_words(value) if name == "verb" else value for name, value in detail.items()}
    return who, plain(words.format_map(told))


def report_table(report: CallReport, verdict: Verdict) -> Table:
    """Return what became of one call, in a few lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, words in _facts(report):
        table.add_row(name, Text(plain(words)))
    for complaint in verdict.complaints[:MAX_COMPLAINTS]:
        table.add_row(Text("wrong", style="red"), Text(plain(complaint)))
    if len(verdict.complaints) > MAX_COMPLAINTS:
        table.add_row("", f"and {len(verdict.complaints) - MAX_COMPLAINTS} more")
    if verdict.went_as_told:
        table.add_row(Text("went as told", style="green"), "")
    return table


def _facts(report: CallReport) -> list[tuple[str, str]]:
    marks, cleared = report.marks, sum(mark.cleared for mark in report.marks)
    heard_ms = len(report.line.heard) // 8
    lost = f"{report.frames_missing} of the caller's, {report.frames_unheard} of the agent's"
    facts = [
        (
            "ended",
            f"by {report.ended_by or 'nobody'}, close code {report.close_code or 'none'} {report.close_reason}",
        ),
        ("then", ", ".join(map(in_words, report.next_verbs)) or "nothing"),
        (
            "first word",
            "never" if report.first_audio_ms is None else f"{report.first_audio_ms} ms after start",
        ),
        ("gaps", _gaps(report)),
        ("clears", f"{len(report.clears)}, {sum(clear.dropped_ms for clear in report.clears)} ms unheard"),
        ("marks", f"{len(marks)}, {cleared} of them sent back by a clear"),
        (
            "line",
            f"{seconds(heard_ms)}, {report.frames_sent} frames sent, {report.frames_lost} not read by the bridge",
        ),
    ]
    if report.verbs_before:
        facts.insert(0, ("before", ", ".join(map(in_words, report.verbs_before))))
    return [*facts, ("lost", lost)] if report.frames_missing or report.frames_unheard else facts


def _gaps(report: CallReport) -> str:
    gaps = report.gaps_ms
    audible = sum(gap > AUDIBLE_GAP_MS for gap in gaps)
    return f"{len(gaps)}, the longest {max(gaps)} ms, {audible} over {AUDIBLE_GAP_MS} ms" if gaps else "none"


def summary_table(summary: Summary, lateness: Lateness) -> Table:
    """Return many calls in numbers."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    failed = summary.calls - summary.as_told
    ends = ", ".join(f"{by} {count}" for by, count in sorted(summary.ended_by.items()))
    table.add_row("calls", f"{summary.calls}: {summary.as_told} as told, {failed} not")
    table.add_row("never connected", str(summary.not_connected))
    first = (summary.first_audio_p50_ms, summary.first_audio_p95_ms, summary.first_audio_max_ms)
    table.add_row(
        "first word", "never" if first[0] is None else "P50 {} ms, P95 {} ms, longest {} ms".format(*first)
    )
    gaps = f"{summary.gaps} in {summary.calls_with_gaps} calls, the longest {summary.longest_gap_ms} ms"
    table.add_row(f"gaps > {AUDIBLE_GAP_MS} ms", gaps if summary.gaps else "none")
    table.add_row("clears", str(summary.clears))
    table.add_row("warnings", str(summary.warnings))
    table.add_row("ended by", ends)
    table.add_row("this machine", f"at most {lateness.worst_ms} ms late")
    if lateness.spoils_results:
        note = f"late by a frame {lateness.late_ticks} times in {lateness.ticks}: believe no gap, use fewer --at-once"
        table.add_row("", Text(note, style="yellow"))
    return table


def failures(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a line for each of the first calls that did not go as told."""
    wrong = [verdict for verdict in verdicts if not verdict.went_as_told]
    lines = [
        plain(f"{short_id(verdict.call_sid)}  {'; '.join(verdict.complaints)}")
        for verdict in wrong[:MAX_COMPLAINTS]
    ]
    return lines + ([f"and {len(wrong) - MAX_COMPLAINTS} calls more"] if len(wrong) > MAX_COMPLAINTS else [])
