"""`replay vad labels`: a label file to begin with, for a person to put right in Audacity; and a check of it."""

from pathlib import Path
from typing import Any, NoReturn

import click
from attrs import asdict

from bridge.screen.errors import complain, explains_errors
from bridge.screen.output import print_json
from bridge.tapes.reader import Tape
from replay.commands.options import DATA, JSON, OUTPUT, complain_of_file, read, working_on
from replay.sound.ears import listened
from replay.tapes.wav import write_wav
from replay.vad.truth.derive import WITNESS, derive
from replay.vad.truth.labels import LabelError, default_path, labels_beside, read_labels, write_labels
from replay.vad.truth.moments import Moment, moments
from replay.vad.truth.recording import Recording, read_recording
from replay.vad.truth.truth import Truth

FAULTY = 1


@click.command()
@click.argument("tape")
@OUTPUT
@click.option("--wav", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the call's sound there too, to listen to.")  # fmt: skip
@click.option("--check", is_flag=True, help="Read the labels there are, and say what is in them or wrong.")
@click.option("--force", is_flag=True, help="Replace a label file that is there already.")
@JSON
@DATA
@explains_errors
def labels(
    tape: str, output: Path | None, wav: Path | None, check: bool, force: bool, wants_json: bool, data: Path
) -> None:
    """Write down when the caller spoke in a call, for you to put right by ear.

    Settings are only as good as what they are judged by. This writes what can be worked out from the call
    itself, as a label file beside the tape, and lists what its turn detection seems to have done wrong, with the
    seconds at which to listen. Labels that you have checked are used in place of what is worked out.

    \b
    replay vad labels CA4f3e --wav call.wav   writes CA4f3e….labels.txt beside the tape, and call.wav
    replay vad labels CA4f3e --check          afterwards: can it be read, and what is in it?

    In Audacity: open call.wav, then File > Import > Labels. Drag the edges, rename, delete, add (Ctrl+B);
    then File > Export Other > Export Labels (before version 3.4: File > Export), over the same file.

    \b
    turn            one turn of the caller's, from first sound to last; words may follow: turn: yes please
    pause           a silence inside a turn, such as a search for words
    unsure          nobody could say whether that is the caller speaking: it counts neither way
    agent           when the agent was heard; for you to see, and not read again
    noise: cough    and comment: anything else, for people; not read

    The file opens with a label that says "not checked". Delete it once you have listened: until then the
    labels count as worked out, not as labels by hand.

    Exit code: 0, with --check 1 when the label file has faults, 2 when the work can't be done.
    """
    if check and (wav or force):
        raise click.UsageError("--check only reads: leave --wav and --force out")
    recorded = read(tape, data)
    recording = _recording(recorded)
    if check:
        return _check(recording, _existing(recorded, output), wants_json)
    path = _free_path(recorded, output, force)
    truth = derive(recording, listened([recording.audio], [WITNESS])[0][WITNESS])
    if wav:
        _write_sound(recorded, wav)
    _write(path, truth, recording)
    _report(path, wav, recording, truth, wants_json)


def _recording(tape: Tape) -> Recording:
    with working_on(tape.path):
        return read_recording(tape)


def _existing(tape: Tape, named_path: Path | None) -> Path:
    path = named_path or labels_beside(tape.path)
    if path is not None and path.is_file():
        return path
    hint = f"`replay vad labels {tape.path}` writes one to begin with; -o FILE names one that lies elsewhere"
    complain(f"{path}: no such file" if path else f"{tape.path}: no label file beside it", hint=hint)


def _free_path(tape: Tape, wanted: Path | None, force: bool) -> Path:
    """Return where to write; leave rather than overwrite somebody's work."""
    path = wanted or labels_beside(tape.path) or default_path(tape.path)
    if path.exists() and not force:
        complain(
            f"{path} is there already", hint="--check to read it, --force to replace it, -o FILE for another"
        )
    return path


def _write(path: Path, truth: Truth, recording: Recording) -> None:
    try:
        write_labels(path, truth, recording)
    except OSError as error:
        complain_of_file(path, error)


def _write_sound(tape: Tape, path: Path) -> None:
    try:
        write_wav(tape, path)
    except OSError as error:
        complain(f"{path}: can't be written: {error.strerror or error}", hint="another file with --wav FILE")


def _check(recording: Recording, path: Path, wants_json: bool) -> None:
    try:
        truth = read_labels(path, recording)
    except LabelError as error:
        _report_faults(path, error, wants_json)
    _report(path, None, recording, truth, wants_json)


def _report_faults(path: Path, error: LabelError, wants_json: bool) -> NoReturn:
    if wants_json:
        print_json({"labels": str(path), "faults": error.faults})
    else:
        for fault in error.faults:
            click.echo(f"Error: {fault}", err=True)
    raise SystemExit(FAULTY)


# ---------------------------------------------------------------- what is in it


def _report(path: Path, wav: Path | None, recording: Recording, truth: Truth, wants_json: bool) -> None:
    found = moments(recording, truth)
    if wants_json:
        told: dict[str, Any] = {"labels": str(path)} | ({"wav": str(wav)} if wav else {})
        print_json(told | _counts(truth) | {"moments": [asdict(moment) for moment in found]})
        return
    click.echo(path)
    if wav:
        click.echo(wav)
    click.echo(_summary(truth))
    for moment in found:
        click.echo(_line(moment))


def _counts(truth: Truth) -> dict[str, Any]:
    return {
        "source": truth.source,
        "length_ms": truth.length_ms,
        "turns": len(truth.turns),
        "short_turns": sum(turn.is_short for turn in truth.turns),
        "pauses": sum(len(turn.pauses) for turn in truth.turns),
        "unsure": len(truth.unsure),
    }


SOURCES = {
    "labels": "labels by hand",
    "composed": "known, for the call was composed",
    "derived": "worked out from the call; nobody has checked it",
}


def _summary(truth: Truth) -> str:
    counts = _counts(truth)
    turns, short, pauses = counts["turns"], counts["short_turns"], counts["pauses"]
    return (
        f"{turns} turn{'s' * (turns != 1)} ({short} short), {pauses} pause{'s' * (pauses != 1)}, "
        f"{counts['unsure']} unsure: {SOURCES[truth.source]}"
    )


def _line(moment: Moment) -> str:
    return f"{moment.wav_ms / 1000:9.3f} s  {moment.kind:6}  {moment.text}"
