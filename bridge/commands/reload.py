"""`bridge reload`: have the running daemon read its configuration again, or take up new code; what came of it."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import click
from attrs import frozen

from bridge.commands.options import CONFIG, DATA, JSON, data_folder
from bridge.errors import ConfigError, LinkError
from bridge.screen.errors import explains_errors, quiet_interrupt, say
from bridge.screen.output import print_json

REFUSED: Final = 1
LONGEST_SECONDS: Final = 300
"""Longer than a reload takes whose workers all need their whole time."""

LOOK_SECONDS: Final = 0.1


@click.command("reload")
@click.option(
    "--code",
    is_flag=True,
    help="Take up the code that is on the disk too, in new workers; calls that go on keep theirs.",
)
@CONFIG
@DATA
@JSON
@explains_errors
def reload_command(code: bool, path: Path, data: Path | None, as_json: bool) -> None:
    """Have the daemon that runs with this configuration use what its files are now, for calls from now on.

    It sends SIGHUP, or SIGUSR2 with --code, and waits for the outcome. Calls that go on notice nothing.

    Exit 0 when it is used; 1 when it was refused and nothing has changed; 2 when no daemon could be asked.
    """
    try:
        folder = data_folder(path, data)
    except ConfigError as error:
        if not path.exists():
            raise
        outcome: dict[str, object] = {
            "fault": "; ".join(error.faults)
        }  # the daemon would find the same in it
    else:
        with quiet_interrupt():
            outcome = _Asking(folder, code).outcome()
    if as_json:
        print_json(outcome)
    else:
        _tell(outcome)
    raise SystemExit(REFUSED if outcome["fault"] else 0)


@frozen
class _Asking:
    """One reload that is asked for."""

    folder: Path
    is_code: bool

    def outcome(self) -> dict[str, object]:
        """Ask for it and wait. Raises `LinkError`."""
        from bridge.daemon.outcome import read_outcome

        asked_ns = time.time_ns()  # before it: the daemon may begin at once
        pid = self._send()
        until = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < until:
            found = read_outcome(self.folder)
            if found is not None and found.began_ns >= asked_ns and found.is_code == self.is_code:
                return {name: getattr(found, name) for name in found.__struct_fields__}
            if not _is_there(pid):
                raise LinkError(f"the daemon (process {pid}) has ended")
            time.sleep(LOOK_SECONDS)
        raise LinkError(f"process {pid} did not say what came of it within {LONGEST_SECONDS} s; its log does")

    def _send(self) -> int:
        from bridge.tapes.lock import who_records

        number = getattr(signal, "SIGUSR2" if self.is_code else "SIGHUP", None)
        pid = who_records(self.folder)
        if number is None or pid is None:
            raise LinkError(f"no daemon records in {self.folder}: name its configuration, or its data folder")
        try:
            os.kill(pid, number)
        except PermissionError:
            raise LinkError(f"process {pid} is another user's: run this as that user, or as root") from None
        except ProcessLookupError:
            raise LinkError(f"the daemon (process {pid}) has ended") from None
        return pid


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _tell(outcome: dict[str, object]) -> None:
    """Print what came of it."""
    if outcome["fault"]:
        say(f"Refused, and nothing has changed: {outcome['fault']}", err=True)
        return
    say("New calls use it from now on.")
    if outcome["is_code"]:
        say(
            f"Generation {outcome['generation']} of workers; calls that go on with older code: {outcome['older_calls']}"
        )
    waiting = outcome["waiting"]
    assert isinstance(waiting, list)
    for sentence in waiting:
        say(f"Needs a restart: {sentence}")
