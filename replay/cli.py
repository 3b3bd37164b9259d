"""The `replay` command: what can be done with recorded calls, without a phone, a model or an account."""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final, NoReturn

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from bridge import __version__
from bridge.errors import BridgeError
from bridge.output import complain, console, print_json, quiet_interrupt
from bridge.recorder import Tape, read_tape
from replay.find import NoTapeError, find_tape, find_tapes
from replay.player import CONTEXT, replay_tape
from replay.run_report import Verdict, around, as_json, one_line, summary
from replay.wav import write_wav
from replay.wire import wire_lines

DIFFERS: Final = 1
UNREADABLE: Final = 2
SHOW_PROGRESS_FROM: Final = 20
"""Tapes; fewer than these are done before anybody could read a progress bar."""

DATA = click.option(
    "--data", type=click.Path(path_type=Path), default=Path("data"), show_default=True,
    help="The folder of recordings in which a CALL is looked for.",
)  # fmt: skip
OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="The file to write."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="replay")
def main() -> None:
    """Work on recorded calls: no phone, no model, no account, no clock.

    A TAPE is a file, or the id of a CALL (its first letters will do) recorded under --data.

    \b
    replay run data/tapes            does today's bridge still say what it said, in every call?
    replay wav CA4f3e                a call as the caller heard it
    replay export --wire CA4f3e      every message of both sockets, audio included
    """


# ---------------------------------------------------------------- run


@main.command()
@click.argument("tapes", nargs=-1, required=True, metavar="TAPE|FOLDER...")
@click.option("--context", "-n", type=click.IntRange(0, 1000), default=CONTEXT, show_default=True,
              help="Lines to show before and after a difference.")  # fmt: skip
@click.option("--json", "wants_json", is_flag=True, help="Print JSON for machines.")
@DATA
def run(tapes: tuple[str, ...], context: int, wants_json: bool, data: Path) -> None:
    """Replay calls through today's bridge, and compare all it says with what it said.

    Everything that came in is fed to the bridge again, at the recorded milliseconds; its answers must be the
    same, byte for byte. For a call that differs, the lines around the first difference are shown: - is on the
    tape, + is said today.

    \b
    replay run tests/tapes                 a folder, and all folders in it
    replay run data/tapes/2026-11-23       one day
    replay run CA4f3e --context 20         one call, with more around a difference
    replay run --json data/tapes           for machines

    Exit code: 0 all the same, 1 some differ, 2 some can't be read (whatever the others do), or none was found.
    """
    paths = _found(tapes, data)
    out = Console(quiet=True) if wants_json else console()
    with quiet_interrupt():
        verdicts = list(_judged(paths, context, out))
    statuses = [verdict.status for verdict in verdicts]
    if wants_json:
        counts = {status: statuses.count(status) for status in ("ok", "differs", "unreadable")}
        print_json(counts | {"tapes": [as_json(verdict) for verdict in verdicts]})
    elif len(verdicts) > 1:
        out.print(summary(verdicts))
    sys.exit(UNREADABLE if "unreadable" in statuses else DIFFERS if "differs" in statuses else 0)


def _judged(paths: list[Path], context: int, out: Console) -> Iterator[Verdict]:
    """Replay one tape after the other and print what comes of it."""
    is_shown = out.is_terminal and len(paths) >= SHOW_PROGRESS_FROM
    with Progress(console=out, transient=True, disable=not is_shown) as progress:
        for path in progress.track(paths, description="replaying"):
            verdict = _judge(path, context)
            out.print(one_line(verdict), soft_wrap=True)
            if verdict.result and verdict.result.difference:
                for line in around(verdict.result.difference):
                    out.print(line, soft_wrap=True)
            yield verdict


def _judge(path: Path, context: int) -> Verdict:
    begun = perf_counter()
    try:
        result = replay_tape(path, context=context)
    except BridgeError as error:
        return Verdict(path, perf_counter() - begun, error=_named(error, path))
    return Verdict(path, perf_counter() - begun, result)


# ---------------------------------------------------------------- wav and export


@main.command()
@click.argument("tape")
@OUTPUT
@DATA
def wav(tape: str, output: Path | None, data: Path) -> None:
    """Write a call as a stereo WAV: left the caller, right the agent as the caller heard it.

    What a barge-in threw away before it was played is not in it. Both sides are on one clock, which begins
    with the media stream, so the pauses in it are those of the call.

    \b
    replay wav CA4f3e                          writes CA4f3e….wav here
    replay wav data/tapes/2026-11-23/CA4f3e….jsonl.gz -o call.wav
    """
    recorded = _read(tape, data)
    path = output or Path(f"{recorded.header.call_id}.wav")
    if not recorded.header.has_audio:
        click.echo("This call was recorded without audio: its WAV is silent.", err=True)
    try:
        write_wav(recorded, path)
    except OSError as error:
        _complain_of_file(path, error)
    except BridgeError as error:
        complain(_named(error, recorded.path))
    click.echo(path)


@main.command()
@click.argument("tape")
@click.option("--wire", is_flag=True, required=True, help="As JSON lines: every message of both sockets.")
@OUTPUT
@DATA
def export(tape: str, wire: bool, output: Path | None, data: Path) -> None:
    """Write a call in a form that needs no bridge to be read.

    With --wire: one JSON object a line, {"i", "t_ms", "leg", "from", ...}, with "msg" for a WebSocket message,
    "http", "upgrade", "accept" or "close". All audio stands in the messages that carried it.

    \b
    replay export --wire CA4f3e | jq 'select(.leg == "openai_ws").msg.type'
    replay export --wire CA4f3e -o call.jsonl
    """
    recorded = _read(tape, data)
    try:
        with click.open_file(str(output or "-"), "wb") as file:
            for line in wire_lines(recorded):
                file.write(msgspec.json.encode(line) + b"\n")
    except BrokenPipeError:
        raise  # the reader has seen enough: click leaves quietly
    except OSError as error:
        _complain_of_file(output or Path("standard output"), error)
    except BridgeError as error:
        complain(_named(error, recorded.path))


# ---------------------------------------------------------------- what goes wrong


def _found(names: tuple[str, ...], data: Path) -> list[Path]:
    try:
        return find_tapes(names, data)
    except NoTapeError as error:
        complain(str(error), hint=error.hint)


def _read(name: str, data: Path) -> Tape:
    try:
        path = find_tape(name, data)
        return read_tape(path)
    except NoTapeError as error:
        complain(str(error), hint=error.hint)
    except BridgeError as error:
        complain(_named(error, Path(name)), hint="`replay run FOLDER` says which of its tapes can be read")


def _named(error: BridgeError, path: Path) -> str:
    """Return an error's message with the tape it is about."""
    message = str(error)
    return message if str(path) in message else f"{path}: {message}"


def _complain_of_file(path: Path, error: OSError) -> NoReturn:
    complain(f"{path}: can't be written: {error.strerror or error}", hint="another file with -o FILE")
