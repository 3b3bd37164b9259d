"""This machine: its clock, its disk, what the daemon keeps there, and how many files and ports it may open."""

import os
import re
import sys
import tempfile
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import duckdb
import trio

from bridge.doctor.entry import answers_locally
from bridge.doctor.findings import Finding, doubtful, fine, wrong
from bridge.doctor.world import Patient, Seen
from bridge.errors import HeldError, LinkError
from bridge.machine import FILES_A_CALL
from bridge.store.database import meaning_of
from bridge.store.database_files import those_aside
from bridge.store.migrations import MIGRATIONS
from bridge.tapes.lock import is_held
from bridge.tapes.names import DONE_SUFFIX, call_id_of, tapes_under
from bridge.text.wording import counted
from bridge.web.listener import open_listener

CLOCK, DISK, DATABASE, TAPES, DAEMON, FILES = "clock", "disk", "database", "tapes", "daemon", "open files"
WARN_SKEW_SECONDS, MOST_SKEW_SECONDS = 5, 60
"""The Date header has whole seconds; beyond a minute TLS and one-time credentials begin to fail."""

WARN_FREE_BYTES, LEAST_FREE_BYTES, WARN_FREE_PART = 10**9, 100 * 10**6, 0.10
TRIES: Final = 8
TRY_SECONDS: Final = 0.25
"""How often, and after how long, a database is opened again: the daemon holds it for moments."""

FILES_OTHERWISE: Final = 64
"""File descriptors of the process, beside those of its calls."""


# ---------------------------------------------------------------- the clock


def judge_clock(clocks: list[Seen]) -> list[Finding]:
    """Compare our clock with those the other checks came by; nothing when they came by none."""
    sure = [seen for seen in clocks if seen.is_elsewhere]
    skews = [(skew, seen) for seen in sure or clocks if (skew := _skew_seconds(seen)) is not None]
    if not skews:
        return []
    skew, seen = max(skews, key=lambda one: abs(one[0]))
    text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {seen.where}"
    if abs(skew) <= WARN_SKEW_SECONDS:
        note = "" if seen.is_elsewhere else ", which may be this machine's own"
        return [fine(CLOCK, f"agrees with {seen.where}{note}")]
    step = "switch time synchronisation on (`timedatectl set-ntp true`, or chrony)"
    return [wrong(CLOCK, text, step) if abs(skew) > MOST_SKEW_SECONDS else doubtful(CLOCK, text, step)]


def _skew_seconds(seen: Seen) -> float | None:
    """Return how far our clock is ahead; half a second is the middle of what whole seconds leave out."""
    try:
        theirs = parsedate_to_datetime(seen.theirs)
        return (seen.ours - theirs).total_seconds() - 0.5
    except (ValueError, TypeError):
        return None


# ---------------------------------------------------------------- the disk


async def check_disk(patient: Patient) -> list[Finding]:
    """Look whether there is room for tapes, and whether they can be written."""
    return await trio.to_thread.run_sync(_look_at_disk, patient, abandon_on_cancel=True)


def _look_at_disk(patient: Patient) -> list[Finding]:
    folder = patient.settings.data_folder
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not there.is_dir():
        return [wrong(DISK, f"{there} is no folder", "name another in [recording] folder")]
    total, _, free = patient.world.disk(there)
    return [judge_room(folder, free, total), *_rights(folder, there)]


def judge_room(folder: Path, free: int, total: int) -> Finding:
    """Return what to say of so many bytes free of so many."""
    share = free / total if total else 0.0
    text = f"{_size(free)} free for {folder} ({share:.0%} of the disk)"
    step = "make room, or name a folder on a larger disk in [recording] folder"
    if free < LEAST_FREE_BYTES:
        return wrong(DISK, text, step)
    if free < WARN_FREE_BYTES or share < WARN_FREE_PART:
        return doubtful(DISK, text, step)
    return fine(DISK, text)


def _size(count: int) -> str:
    return f"{count / 10**9:.1f} GB" if count >= 10**9 else f"{count / 10**6:.0f} MB"


def _rights(folder: Path, there: Path) -> list[Finding]:
    if sys.platform == "win32":
        return []
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x")
    except OSError as error:
        step = f"give the daemon's user the right to write there: chown -R USER {there}"
        return [wrong(DISK, f"{there} can't be written: {error.strerror}", step)]
    owner, us = there.stat().st_uid, os.geteuid()
    if folder.exists() and owner != us:
        step = "run `bridge doctor` as the daemon's user, or give the folder to that user"
        return [doubtful(DISK, f"{there} belongs to {_user(owner)}, and this is {_user(us)}", step)]
    return []


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


# ---------------------------------------------------------------- what is kept there


def runs_here(folder: Path) -> bool:
    """Say whether a daemon records in this folder. Leaves no lock file where there was none."""
    try:
        return (folder / ".lock").exists() and is_held(folder)
    except OSError:
        return False  # not ours to read: the disk's check tells whose the folder is


async def check_records(patient: Patient) -> list[Finding]:
    """Look at the database, and at the tapes that are not in it."""
    return await trio.to_thread.run_sync(_look_at_records, patient, abandon_on_cancel=True)


def _look_at_records(patient: Patient) -> list[Finding]:
    folder = patient.settings.data_folder
    finding, known = _look_at_database(folder / "calls.duckdb")
    found = tapes_under(folder / "tapes")
    done = [path for path in found if path.name.endswith(DONE_SUFFIX)]
    missing = None if known is None else sum(call_id_of(path) not in known for path in done)
    return [finding, _tapes(len(done), missing, len(found) - len(done), is_up=patient.is_up)]


def _look_at_database(path: Path) -> tuple[Finding, set[str] | None]:
    """Return what to say of the database, and the calls in it; None when they can't be had. Changes nothing."""
    if not path.exists():
        return fine(DATABASE, f"{path.name} appears when the first call has ended"), set()
    try:
        with _opened(path) as connection:
            made = connection.execute("select count(*) from migrations").fetchone()
            schema = int(made[0]) if made else 0
            if schema > len(MIGRATIONS):
                return _newer(path, schema), None
            known = {row[0] for row in connection.execute("select call_id from calls").fetchall()}
    except duckdb.Error as error:
        if isinstance(meaning := meaning_of(path, str(error)), HeldError):
            who = found.group() if (found := re.search(r"PID \d+", str(meaning))) else "another process"
            text = f"{path.name} is held open by {who}: ended calls wait until it is let go"
            return doubtful(DATABASE, text, "close what has it open (the duckdb shell, a notebook)"), None
        step = "`bridge reindex` makes it anew from the tapes; calls go on meanwhile, and their tapes wait"
        return wrong(DATABASE, f"{path.name} can't be read: {str(error)[:150]}", step), None
    return _is_well(path, len(known), schema), known


def _newer(path: Path, schema: int) -> Finding:
    text = f"{path.name} was made by a newer bridge (schema {schema}, this one knows {len(MIGRATIONS)})"
    step = "update this bridge, or let `bridge reindex` make it anew: the newer one is kept beside it"
    return wrong(DATABASE, text, step)


def _is_well(path: Path, calls: int, schema: int) -> Finding:
    text = f"{path.name}: {counted(calls, 'call')}, schema {schema}"
    if aside := those_aside(path):
        names = ", ".join(one.name for one in aside[:3])
        step = "it holds what could not be taken over, and `bridge forget` can't read it; delete it when you like"
        return doubtful(DATABASE, f"{text}; {len(aside)} set aside: {names}", step)
    return fine(DATABASE, text)


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a database to read, waiting out a daemon that is just writing."""
    for _ in range(TRIES - 1):
        try:
            return duckdb.connect(str(path), read_only=True)
        except duckdb.IOException as error:
            if not isinstance(meaning_of(path, str(error)), HeldError):
                raise
            time.sleep(TRY_SECONDS)
    return duckdb.connect(str(path), read_only=True)


def _tapes(done: int, missing: int | None, left_open: int, *, is_up: bool) -> Finding:
    text = f"{done} complete" + (f", {left_open} of live calls" if left_open and is_up else "")
    if left_open and not is_up:
        text = f"{counted(left_open, 'tape')} of calls that a crash cut off"
        return doubtful(TAPES, text, "the next `bridge serve` or `bridge reindex` closes and indexes them")
    if missing:
        text = f"{missing} of {counted(done, 'tape')} {'is' if missing == 1 else 'are'} not in the database"
        return doubtful(TAPES, text, "`bridge reindex` reads them in, if they are not there in a minute")
    return fine(TAPES, text)


# ---------------------------------------------------------------- the process


async def check_daemon(patient: Patient) -> list[Finding]:
    """Say whether the daemon runs here, and if not, whether its port is free for it."""
    bind, folder = patient.settings.server.bind, patient.settings.data_folder
    is_up = patient.is_up
    async with patient.world.client() as client:
        answers = await answers_locally(patient, client)
    if answers and is_up:
        return [fine(DAEMON, f"runs and listens on {bind}")]
    if answers:
        step = "stop it, or give this configuration a bind of its own"
        return [doubtful(DAEMON, f"a bridge with another data folder listens on {bind}", step)]
    if is_up:
        text = f"a daemon records in {folder}, but does not answer on {bind}"
        return [
            doubtful(
                DAEMON, text, "restart it, so that it reads this configuration; is --bind another there?"
            )
        ]
    return [_port(bind)]


def _port(bind: str) -> Finding:
    try:
        listener = open_listener(bind)
    except (LinkError, OSError, OverflowError) as error:
        return wrong(
            DAEMON,
            f"does not run, and {str(error).split(';')[0]}",
            "use another [server] bind, or end what has it",
        )
    listener.socket.close()
    return fine(DAEMON, f"does not run here; {bind} is free for it")


async def check_files(patient: Patient) -> list[Finding]:
    """Compare the files the daemon may open with those that its calls need."""
    wanted = patient.settings.server.max_calls * FILES_A_CALL + FILES_OTHERWISE
    allowed, whose = _files_allowed(patient)
    if allowed is None:
        return []
    text = f"{whose} may open {allowed} files; {patient.settings.server.max_calls} calls need about {wanted}"
    if allowed < wanted:
        return [
            doubtful(
                FILES, text, "raise it (LimitNOFILE= in the unit, ulimit -n), or lower [server] max_calls"
            )
        ]
    return [fine(FILES, text)]


def _files_allowed(patient: Patient) -> tuple[int | None, str]:
    """Return how many files the daemon may open, or this process in its place when there is none to ask."""
    if sys.platform == "win32":
        return None, ""
    import resource

    if sys.platform == "linux" and patient.is_up:
        try:
            process = int((patient.settings.data_folder / ".lock").read_text().strip())
            return resource.prlimit(process, resource.RLIMIT_NOFILE)[0], "the daemon"
        except (OSError, ValueError):
            pass  # somebody else's process: ours must do
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0], "this user"
