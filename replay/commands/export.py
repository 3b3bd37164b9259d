"""`replay wav` and `replay export`: a call in forms that need no bridge to be read."""

from contextlib import nullcontext
from pathlib import Path

import click
import msgspec

from bridge.errors import TapeError
from bridge.screen.errors import complain, explains_errors, leave_faults
from bridge.text.visible import visible_json
from replay.commands.options import DATA, OUTPUT, TAPES, complain_of_file, found, read, working_on
from replay.tapes.beside import written_beside
from replay.tapes.wav import write_wav
from replay.tapes.wire import wire_lines


@click.command()
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
    recorded = read(tape, data)
    path = output or Path(f"{recorded.header.call_id}.wav")
    if not recorded.header.has_audio:
        click.echo("This call was recorded without audio: its WAV is silent.", err=True)
    try:
        with working_on(recorded.path):
            write_wav(recorded, path)
    except OSError as error:
        complain_of_file(path, error)
    click.echo(path)


@click.command()
@TAPES
@click.option("--wire", is_flag=True, help="One call as JSON lines: every message of both sockets.")
@click.option("--parquet", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Any number of calls as tables: one Parquet file each, in this folder.")  # fmt: skip
@OUTPUT
@DATA
@explains_errors
def export(tapes: tuple[str, ...], wire: bool, parquet: Path | None, output: Path | None, data: Path) -> None:
    """Write calls in a form that needs no bridge to be read.

    With --wire: one JSON object a line, {"i", "t_ms", "leg", "from", ...}, with "msg" for a WebSocket message,
    "http", "upgrade", "accept" or "close". All audio stands in the messages that carried it.

    With --parquet: calls, transcript, tool_calls, milestones, items, turns and log as `bridge reindex` would
    fill them, and frames: a row for each message of both sockets, with its size on the wire and what it is.

    \b
    replay export --wire CA4f3e | jq 'select(.leg == "openai_ws").msg.type'
    replay export --wire CA4f3e -o call.jsonl
    replay export --parquet out data/tapes
    duckdb -c "select kind, count(*), sum(bytes) from 'out/frames.parquet' group by all"

    Exit code: 0, or 2 when a tape can't be read: it is named, and the others are written.
    """
    if wire == (parquet is not None):
        raise click.UsageError("say how: --wire for one call, or --parquet DIR for any number")
    if parquet is None:
        return _export_wire(tapes, output, data)
    if output is not None:
        raise click.UsageError("--parquet DIR writes several files, all of them in DIR: leave -o out")
    from replay.tapes.columns import (
        write_parquet,  # the database takes longer to load than most commands to run
    )

    paths, faults = found(tapes, data), list[TapeError]()
    try:
        for path, rows in write_parquet(paths, parquet, faults):
            click.echo(f"{path}  {rows} rows")
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(f"{parquet}: can't be written: {error.strerror or error}", hint="another folder")
    leave_faults(faults)


def _export_wire(tapes: tuple[str, ...], output: Path | None, data: Path) -> None:
    if len(tapes) != 1:
        raise click.UsageError("--wire writes one call: name one TAPE")
    recorded = read(tapes[0], data)
    place = written_beside(output) if output else nullcontext(Path("-"))
    try:
        with working_on(recorded.path), place as path, click.open_file(str(path), "wb") as file:
            for line in wire_lines(recorded):
                file.write(visible_json(msgspec.json.encode(line).decode()).encode() + b"\n")
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        complain_of_file(output or Path("standard output"), error)
