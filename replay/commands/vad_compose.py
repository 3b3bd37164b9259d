"""`replay vad compose`: calls whose turns and pauses are known exactly, to try turn detection on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress

from bridge.screen.errors import complain, quiet_interrupt
from bridge.screen.output import console, print_json
from bridge.text.wording import counted, seconds
from replay.commands.options import JSON
from replay.vad.compose.compose import ComposedCall, ComposeError, Recipe, composed_calls
from replay.vad.compose.composed_tape import write_composed
from replay.vad.compose.noises import NOISES, Noise
from replay.vad.compose.recipe import Range

CALLS: Final = 20
"""About as many minutes: enough to see a setting miss or cut something, and written in ten seconds."""

HINT: Final = "`replay vad compose --help` has examples"
FOLDER: Final = click.Path(path_type=Path, file_okay=False, exists=True)


def between(text: str) -> Range:
    """Return the two numbers of LOW:HIGH, or one number twice."""
    low, _, high = text.partition(":")
    try:
        return float(low), float(high or low)
    except ValueError:
        raise click.BadParameter(f"{text!r}: write LOW:HIGH, two numbers, for example 12:30") from None


def loss(text: str) -> float | str:
    """Return a number of dB, or "none"."""
    try:
        return text if text == "none" else float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: write a number of dB, or none") from None


RECIPE: Final = Recipe()


@click.command()
@click.option("--calls", "-n", type=click.IntRange(1, 100_000), default=None,
              help=f"Calls to make.  [default: {CALLS}, or what --minutes takes]")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(0, 100_000, min_open=True), default=None,
              help="Make as many calls as last so long together.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Another seed, other calls; the same one, the same.")  # fmt: skip
@click.option("--turns", type=between, default="{:g}:{:g}".format(*RECIPE.turns), show_default=True,
              metavar="LOW:HIGH", help="Turns of the caller's in a call.")  # fmt: skip
@click.option("--short-share", type=float, default=RECIPE.short_share, show_default=True,
              help="Share of turns that are one word, 0 to 1.")  # fmt: skip
@click.option("--level", type=between, default="{:g}:{:g}".format(*RECIPE.level_dbfs), show_default=True,
              metavar="LOW:HIGH", help="How loud the caller speaks, in dBFS.")  # fmt: skip
@click.option("--noise", "noises", type=click.Choice(NOISES), multiple=True, default=RECIPE.noises,
              show_default=True, help="Noise on the line; several times, one of them for each call.")  # fmt: skip
@click.option("--snr", type=between, default="{:g}:{:g}".format(*RECIPE.snr_db), show_default=True,
              metavar="LOW:HIGH", help="How far the noise is below the caller's speech, in dB.")  # fmt: skip
@click.option("--echo-loss", type=loss, default=f"{RECIPE.echo_loss_db:g}", show_default=True,
              metavar="DB|none", help="How much of the agent comes back on the caller's side.")  # fmt: skip
@click.option("--music-seconds", type=float, default=0.0, show_default=True,
              help="Hold music in each call, before one of the turns.")  # fmt: skip
@click.option("--coughs", type=float, default=RECIPE.coughs_per_minute, show_default=True,
              help="Coughs a minute.")  # fmt: skip
@click.option("--clicks", type=float, default=RECIPE.clicks_per_minute, show_default=True,
              help="Clicks a minute.")  # fmt: skip
@click.option("--keys", type=float, default=RECIPE.keys_per_minute, show_default=True,
              help="Tones of pressed keys (DTMF) a minute.")  # fmt: skip
@click.option("--words", type=FOLDER, metavar="DIR", help="WAV files to use as short replies, a word each.")
@click.option("--phrases", type=FOLDER, metavar="DIR", help="WAV files to use as sentences, one each.")
@click.option("--output", "-o", type=click.Path(path_type=Path, file_okay=False), required=True,
              metavar="FOLDER", help="Where tapes and labels are written; made if it is not there.")  # fmt: skip
@JSON
def compose(
    calls: int | None, minutes: float | None, seed: int, output: Path, wants_json: bool, **set_: Any
) -> None:
    """Make calls whose turns and pauses are known exactly: tapes to try turn detection on, with their labels.

    The caller's words are recorded digits and the lab's own clips, or recordings of yours; pauses within a turn
    are as long as people's are; noise, hold music, coughs, keys and the agent's echo are made. Each call is a
    tape like any other, CALLID.jsonl.gz, for `replay wav` and everything else, and beside it CALLID.labels.txt,
    which Audacity opens: turn, pause, and what noises there are.

    No server heard these calls: the tapes hold no turn detection events.

    \b
    replay vad compose -o composed                         20 calls on noisy lines, about 20 minutes
    replay vad compose -n 300 --seed 7 -o composed         5 hours
    replay vad compose --noise none --echo-loss none --coughs 0 --clicks 0 --keys 0 -o clean
    replay vad compose --music-seconds 60 -n 50 -o held    is a short "yes" heard after hold music?
    replay vad compose --noise street --snr 0:10 -o loud   callers on a street
    replay vad compose --words yes-and-no/ -o mine         short replies in your callers' language

    WAV files must be mono, 16 bits, at any rate; a file's name is what is said in it. Calls with the built-in
    digits are CC BY-SA 4.0, as those are, and so is noise of an office or babble, which has them in it
    (replay/vad/data/LICENCE-digits.md).

    Exit code: 0 all were written, 2 not.
    """
    out = Console(quiet=True) if wants_json else console()
    count = calls or (0 if minutes else CALLS)
    with quiet_interrupt(), _explained(output):
        output.mkdir(parents=True, exist_ok=True)
        made = composed_calls(_recipe(**set_), seed, calls=count, minutes=minutes or 0)
        written = list(_written(made, output, out, total_ms=(minutes or 0) * 60_000, total_calls=count))
    summary = {"folder": str(output), "seed": seed, **_totals(written)}
    if wants_json:
        print_json(summary | {"tapes": written})
    else:
        out.print(_sentence(summary), soft_wrap=True)


@contextmanager
def _explained(output: Path) -> Iterator[None]:
    """Leave with advice where calls can't be made, or not be written."""
    try:
        yield
    except ComposeError as error:
        complain(str(error), hint=HINT)
    except OSError as error:
        complain(
            f"{error.filename or output}: can't be written: {error.strerror or error}",
            hint="another folder with -o FOLDER",
        )


def _recipe(
    turns: Range, level: Range, snr: Range, noises: tuple[Noise, ...], echo_loss: float | str,
    coughs: float, clicks: float, keys: float, **same: Any,
) -> Recipe:  # fmt: skip
    return Recipe(
        turns=(int(turns[0]), int(turns[1])), level_dbfs=level, snr_db=snr, noises=noises,
        echo_loss_db=None if isinstance(echo_loss, str) else echo_loss,
        coughs_per_minute=coughs, clicks_per_minute=clicks, keys_per_minute=keys, **same,
    )  # fmt: skip


def _written(
    calls: Iterator[ComposedCall], folder: Path, out: Console, *, total_ms: float, total_calls: int
) -> Iterator[dict[str, Any]]:
    """Write each call, and yield what it was."""
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("composing", total=total_calls or total_ms)
        for call in calls:
            path = write_composed(folder, call)
            progress.advance(task, 1 if total_calls else call.truth.length_ms)
            yield _row(call, path)


def _row(call: ComposedCall, path: Path) -> dict[str, Any]:
    turns = call.truth.turns
    return {
        "call_id": call.call_id,
        "tape": str(path),
        "number": call.number,
        "length_ms": call.truth.length_ms,
        "turns": len(turns),
        "short_replies": sum(turn.is_short for turn in turns),
        "pauses": sum(len(turn.pauses) for turn in turns),
        "level_dbfs": call.level_dbfs,
        "noise": call.noise,
        "snr_db": call.snr_db,
    }


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {key: sum(row[key] for row in rows) for key in ("length_ms", "turns", "short_replies", "pauses")}
    return {"calls": len(rows), "hours": round(sums["length_ms"] / 3_600_000, 3), **sums}


def _sentence(totals: dict[str, Any]) -> str:
    length = seconds(totals["length_ms"])
    if totals["hours"] >= 1:
        length = f"{totals['hours']:.1f} h"
    return (
        f"{totals['folder']}: {counted(totals['calls'], 'call')}, {length};"
        f" {counted(totals['turns'], 'turn')},"
        f" of which {counted(totals['short_replies'], 'short reply', 'short replies')};"
        f" {counted(totals['pauses'], 'pause')} within turns"
    )
