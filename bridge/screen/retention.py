"""What `bridge keep` and `bridge forget` print, for people and for machines."""

import sys
from pathlib import Path
from typing import Any, Final

import click
from attrs import asdict
from rich.console import Console
from rich.progress import Progress

from bridge.errors import ForgetError
from bridge.retention.forget import Erased, Meant, as_json, erase, kept_from_starting, look_for
from bridge.retention.keep import Due
from bridge.screen.errors import WRONG, say
from bridge.screen.output import moment, print_json
from bridge.store.messages import Removed
from bridge.tapes.lock import is_held
from bridge.tapes.odd_tapes import UNREADABLE
from bridge.text.wording import counted, short_id

SHOWN: Final = 10
"""Calls and places named one by one; of more, only how many."""

NOT_REACHED: Final = (
    "Not reached: journald and other logs, backups, files outside this folder, what Twilio and OpenAI keep."
)


def show_due(due: Due, *, wants_json: bool) -> None:
    """Print what would be removed."""
    calls = {"silence": [*map(str, due.silence)], "delete": [*map(str, due.delete)], "rows": [*due.rows]}
    if wants_json:
        return print_json(calls | {"leftovers": [*map(str, due.leftovers)]})
    for what, found in zip(("sound", "tapes", "rows"), calls.values(), strict=True):
        say(f"{what} of {counted(len(found), 'call')} would be removed")
        _list(found)


def show_removed(removed: Removed, *, wants_json: bool) -> None:
    """Print what was removed."""
    for refusal in removed.refusals:
        say(f"Error: {refusal}", err=True)
    if wants_json:
        return print_json(asdict(removed))
    say(
        f"sound of {counted(removed.silenced, 'call')} removed, tapes of {removed.deleted}, rows of {removed.rows}; "
        f"{removed.freed_bytes / 1e6:.1f} MB freed"
        + (f"; {counted(removed.local_copies, 'tape')} in storage alone now" if removed.local_copies else "")
    )


def _list(found: list[str]) -> None:
    for name in found[:SHOWN]:
        say(f"  {name}")
    if len(found) > SHOWN:
        say(f"  and {len(found) - SHOWN} more")


# ---------------------------------------------------------------- forgetting


def forget(who: str, data: Path, *, is_dry: bool, is_sure: bool, wants_json: bool) -> int:
    """Ask, erase, prove, print; return the exit code. Raises `BridgeError`."""
    meant = look_for(who, data, daemon_runs=is_held(data))
    if is_dry:
        show_meant(meant, wants_json=wants_json)
        _tell_unknown(meant)
        if not meant.calls:
            return complain_of_nothing(meant, data)
        return UNREADABLE if meant.unknown else 0
    if meant.calls and not is_sure:
        show_meant(meant, wants_json=False)
        if not is_meant_so(len(meant.calls)):
            raise ForgetError("nothing was erased; --yes asks no question")
    with kept_from_starting(data) as daemon_runs:
        meant = look_for(who, data, daemon_runs=daemon_runs)  # a call may have come or ended meanwhile
        erased = _erased(data, meant)
    if wants_json:
        print_json(as_json(erased, meant))
    else:
        _show_erased(erased, meant)
    _tell_unknown(meant)
    if not meant.calls:
        return complain_of_nothing(meant, data)
    return UNREADABLE if meant.unknown else 1 if erased.proof.left else 0


def _tell_unknown(meant: Meant) -> None:
    for fault in meant.unknown:
        say(f"Error: {fault}; if it is this number's, forget it by its id", err=True)


def complain_of_nothing(meant: Meant, data: Path) -> int:
    """Say that no call is meant: a search that finds nothing must not look like the proof of an erasure."""
    say(f"Error: no call with {meant.who} in {data}: nothing was erased", err=True)
    hint = "all of its digits, with the country code; `bridge calls` lists calls, --data names another folder"
    say(f"Try:   {hint}", err=True)
    return WRONG


def is_meant_so(count: int) -> bool:
    """Ask whether so many calls are to be erased."""
    try:
        return click.confirm(f"Erase {counted(count, 'call')} for good?", err=True)
    except click.Abort:
        return False


def _erased(data: Path, meant: Meant) -> Erased:
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("searching", total=None)
        return erase(data, meant, lambda path: bar.advance(task))


def show_meant(meant: Meant, *, wants_json: bool) -> None:
    """Print which calls are meant."""
    if wants_json:
        calls: dict[str, Any] = {"calls": [known.call_id for known in meant.calls]}
        return print_json(calls | {"masked": [known.call_id for known in meant.masked]})
    say(f"{counted(len(meant.calls), 'call')} of {meant.who}:", err=True)
    for known in meant.calls[:SHOWN]:
        say(f"  {short_id(known.call_id)}  {moment(known.started_at)}  {known.agent}", err=True)
    if len(meant.calls) > SHOWN:
        say(f"  and {len(meant.calls) - SHOWN} more", err=True)
    _show_masked(meant)


def _show_masked(meant: Meant) -> None:
    """Say which calls nobody can tell: only the last two digits of their numbers are kept."""
    if meant.masked:
        say(
            f"{counted(len(meant.masked), 'call')} with a masked number that may be it, to be forgotten by id:",
            err=True,
        )
        for known in meant.masked[:SHOWN]:
            say(
                f"  {short_id(known.call_id)}  {moment(known.started_at)}  {', '.join(known.party)}", err=True
            )


def _show_counts(erased: Erased) -> None:
    rows = sum(erased.rows.values())
    say(
        f"erased {counted(len(erased.call_ids), 'call')}: {counted(erased.files, 'file')} of theirs,"
        f" {counted(rows, 'row')} of calls.duckdb, {counted(erased.hearings, 'entry', 'entries')} of the VAD cache"
        + (f", {counted(erased.objects, 'object')} in storage" if erased.objects else "")
    )


def _show_erased(erased: Erased, meant: Meant) -> None:
    if erased.call_ids:
        _show_counts(erased)
    proof = erased.proof
    searched = f"searched {counted(proof.files, 'file')}, {proof.bytes} bytes, for "
    searched += f"{counted(proof.searched_for, 'thing')}: "
    nothing = "nothing left" if erased.call_ids else "not found"
    say(searched + (f"{len(proof.left)} left" if proof.left else nothing))
    for where, what in proof.left[:SHOWN]:
        say(f"  {what} in {where}")
    _show_masked(meant)
    say(NOT_REACHED)
