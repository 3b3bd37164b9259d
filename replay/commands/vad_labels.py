"""`replay vad labels`: what a person should listen to, files to do that with, and a check of what came of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from attrs import asdict

from bridge.screen.errors import WRONG, complain, explains_errors, leave_faults, quiet_interrupt
from bridge.screen.output import print_json
from bridge.tapes.reader import Tape
from bridge.text.wording import counted
from replay.cluster.pool import open_pool
from replay.commands.options import DATA, JSON, OUTPUT, TAPES, complain_of_file, found, read, working_on
from replay.commands.vad_study import (
    AGENT,
    CACHE,
    CONFIG,
    FILE,
    FOLDER,
    NOISE_REDUCTION,
    for_agent,
    progress,
    recordings_of,
)
from replay.tapes.beside import written_beside
from replay.tapes.wav import write_wav
from replay.vad.engine.cache import Cache
from replay.vad.report.asking import asked_in_words
from replay.vad.report.page import page
from replay.vad.study.ask import Question, questions, write_for_audacity
from replay.vad.study.study import Plan, Study, study
from replay.vad.truth import answers
from replay.vad.truth.checked import completed
from replay.vad.truth.derive import derived_from
from replay.vad.truth.labels import LabelError, default_path, labels_beside, read_labels, write_labels
from replay.vad.truth.moments import Moment, moments
from replay.vad.truth.recording import Recording, read_recording
from replay.vad.truth.truth import Truth

FAULTY = 1


LABELS: Final = """\
\b
turn            one turn of the caller's, from first sound to last; words may follow: turn: yes please
pause           a silence inside a turn, such as a search for words
unsure          nobody could say whether that is the caller speaking: it counts neither way
checked         you listened here: what other labels say inside it holds, and the rest is worked out
agent           when the agent was heard; for you to see, and not read again
noise: cough    and comment: or ask: anything else, for people; not read
"""


@click.command(epilog=LABELS)
@TAPES
@OUTPUT
@click.option("--wav", type=FILE, metavar="FILE", help="Write the call's sound there too, to listen to.")
@click.option("--check", is_flag=True, help="Read the labels there are, and say what is in them or wrong.")
@click.option("--force", is_flag=True, help="Replace a label file that is there already.")
@click.option("--take", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
              help="Put what was answered on the page into the label files of the calls.")  # fmt: skip
@click.option("--audacity", type=FOLDER, metavar="FOLDER",
              help="Write sound and labels of the calls that are asked about there, for Audacity.")  # fmt: skip
@click.option("--html", type=FILE, default=Path("labels.html"), show_default=True,
              help="Where the page goes that asks about moments of many calls.")  # fmt: skip
@AGENT
@NOISE_REDUCTION
@CONFIG
@JSON
@DATA
@explains_errors
def labels(
    tapes: tuple[str, ...], output: Path | None, wav: Path | None, check: bool, force: bool, wants_json: bool,
    data: Path, take: Path | None, audacity: Path | None, html: Path, agent: str, noise_reduction: str, config: Path,
) -> None:  # fmt: skip
    """Write down when the caller spoke, for you to put right by ear: one call, or the moments of many that matter.

    Settings are only as good as what they are judged by. For one call this writes what can be worked out from it,
    as a label file beside the tape, and lists what its turn detection seems to have done wrong, with the seconds
    at which to listen. For a folder or several calls it proposes the twenty moments whose labels would narrow the
    answer of `replay vad sweep` most. Labels that you have checked are used in place of what is worked out.

    \b
    replay vad labels CA4f3e --wav call.wav   writes CA4f3e….labels.txt beside the tape, and call.wav
    replay vad labels CA4f3e --check          afterwards: can it be read, and what is in it?
    replay vad labels data/tapes              twenty moments, and a page on which to answer by key
    replay vad labels data/tapes --take answers.labels.txt
                                              afterwards: puts the answers beside the tapes

    In Audacity: open call.wav, then File > Import > Labels. Drag the edges, rename, delete, add (Ctrl+B);
    then File > Export Other > Export Labels (before version 3.4: File > Export), over the same file.

    The file of one call opens with a label that says "not checked". Delete it once you have listened: until then
    the labels count as worked out, not as labels by hand. With --audacity, rename `ask` to `checked` instead.

    Exit code: 0, with --check 1 when the label file has faults, 2 when the work can't be done.
    """
    if check and (wav or force):
        raise click.UsageError("--check only reads: leave --wav and --force out")
    if len(tapes) == 1 and not Path(tapes[0]).is_dir() and not take:
        recorded = read(tapes[0], data)
        if check:
            return _check(_recording(recorded), _existing(recorded, output), wants_json)
        return _begin(recorded, _free_path(recorded, output, force), wav, wants_json)
    if check or wav or output or force:
        raise _for_one_call(tapes)
    with quiet_interrupt(), progress(quiet=wants_json) as tell, open_pool(os.cpu_count() or 1) as pool:
        recordings, _, faults = recordings_of(found(tapes, data), agent, noise_reduction, pool, tell)
        if take:
            _take(recordings, take, wants_json)
        else:
            asked = for_agent(Plan(trusts_engine=True), config, recordings[0].agent_name, must=False)
            made = study(recordings, asked, pool=pool, cache=Cache(data / CACHE), tell=tell)
            _propose(made, html, audacity, wants_json)
    leave_faults(faults)


def _for_one_call(tapes: Sequence[str]) -> click.UsageError:
    named = f"; not for {' '.join(tapes)}" if tapes else ""
    return click.UsageError(f"--check, --wav, --output and --force are for one call: name its tape{named}")


# ---------------------------------------------------------------- many calls


def _propose(made: Study, html: Path, audacity: Path | None, wants_json: bool) -> None:
    """Say which moments to listen to, and leave the page and the files to do that with."""
    asked = questions(made)
    try:
        with written_beside(html) as part:
            part.write_text(page(made, asked=asked), encoding="utf-8")
        for path in write_for_audacity(audacity, made, asked) if audacity else ():
            click.echo(path, err=wants_json)
    except OSError as error:
        complain_of_file(html, error)
    if wants_json:
        print_json({"html": str(html), "moments": [_row(made, one) for one in asked]})
        return
    for one in asked:
        row = _row(made, one)
        click.echo(f"{row['call_id']}  {row['wav_ms'] / 1000:9.3f} s  {row['question']}")
    if not asked:
        click.echo("nothing to ask: every call is labelled, or nothing in them is in doubt")
        return
    click.echo(f"page: {html}; answer there by key, save, then: replay vad labels TAPES --take FILE")


def _row(made: Study, one: Question) -> dict[str, Any]:
    recording = made.recordings[one.call]
    return {
        "call_id": recording.call_id,
        "tape": recording.path,
        "wav_ms": recording.wav_ms(one.span.start_ms),
        "wav_end_ms": recording.wav_ms(one.span.end_ms - 1) + 1,
        "kind": one.kind,
        "question": asked_in_words(one),
        "weight": round(one.weight, 4),
    }


def _take(recordings: Sequence[Recording], path: Path, wants_json: bool) -> None:
    """Put the answers of a page beside the tapes, and say where."""
    try:
        taken = answers.take(path, recordings)
    except LabelError as error:
        _report_faults(path, error, wants_json, WRONG)
    except OSError as error:
        complain_of_file(path, error)
    if wants_json:
        print_json({"taken": [asdict(one) | {"path": str(one.path) if one.path else None} for one in taken]})
        return
    for one in taken:
        click.echo(
            f"{one.path}: {counted(one.moments, 'moment')}"
            if one.path
            else f"{one.call_id}: left out: {one.why}"
        )


# ---------------------------------------------------------------- one call


def _begin(tape: Tape, path: Path, wav: Path | None, wants_json: bool) -> None:
    """Write what can be worked out from a call as a label file to begin with."""
    recording = _recording(tape)
    truth = derived_from(recording)
    if wav:
        _write_sound(tape, wav)
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
        told = read_labels(path, recording)
    except LabelError as error:
        _report_faults(path, error, wants_json, FAULTY)
    truth = completed(told, lambda: derived_from(recording))
    _report(path, None, recording, truth, wants_json)


def _report_faults(path: Path, error: LabelError, wants_json: bool, exit_code: int) -> NoReturn:
    if wants_json:
        print_json({"labels": str(path), "faults": error.faults})
    else:
        for fault in error.faults:
            click.echo(f"Error: {fault}", err=True)
    raise SystemExit(exit_code)


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
    } | ({} if truth.checked is None else {"checked": len(truth.checked)})


SOURCES = {
    "labels": "labels by hand",
    "composed": "known, for the call was composed",
    "derived": "worked out from the call; nobody has checked it",
}


def _summary(truth: Truth) -> str:
    counts = _counts(truth)
    turns, short, pauses = counts["turns"], counts["short_turns"], counts["pauses"]
    source = SOURCES[truth.source]
    if truth.checked is not None:
        source = (
            f"worked out from the call, but for {counted(len(truth.checked), 'moment')} that a person checked"
        )
    return (
        f"{turns} turn{'s' * (turns != 1)} ({short} short), {pauses} pause{'s' * (pauses != 1)}, "
        f"{counts['unsure']} unsure: {source}"
    )


def _line(moment: Moment) -> str:
    return f"{moment.wav_ms / 1000:9.3f} s  {moment.kind:6}  {moment.text}"
