"""`replay vad report`: what callers really got in both arms of a trial, and what can be said of the difference."""

import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import click

from bridge.errors import BridgeError
from bridge.screen.errors import complain, explains_errors, leave_faults, quiet_interrupt
from bridge.screen.output import print_json
from bridge.tapes.reader import header_of
from bridge.text.wording import counted
from replay.cluster.pool import Pool, open_pool
from replay.commands.options import DATA, JSON, TAPES, found
from replay.commands.vad_study import (
    AGENT,
    CACHE,
    FOLDER,
    NOISE_REDUCTION,
    progress,
    recordings_of,
    told_here,
)
from replay.vad.engine.cache import Cache
from replay.vad.report.trial import as_json, show
from replay.vad.study.study import Tell, listen
from replay.vad.study.trial import Compared, compared
from replay.vad.study.unknown import unknown_to
from replay.vad.truth.checked import known_of
from replay.vad.truth.derive import WITNESS, derive
from replay.vad.truth.recording import Recording

DIFFERS: Final = 1
EXAMPLES: Final = """\
\b
replay vad report --trial shorter-silence data/tapes
replay vad report --trial shorter-silence data/tapes --json
"""


@click.command(epilog=EXAMPLES)
@TAPES
@click.option("--trial", required=True, metavar="NAME", help="The name in [agents.NAME.trial].")
@AGENT
@NOISE_REDUCTION
@click.option(
    "--labels",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Label files by hand; beside the tapes unless told.",
)
@click.option("--jobs", "-j", type=click.IntRange(1, 256), help="Processes; all cores unless told.")
@click.option("--cache", type=FOLDER, help=f"Where probabilities are kept; DATA/{CACHE} unless told.")
@JSON
@DATA
@explains_errors
def report(
    tapes: tuple[str, ...], trial: str, agent: str, noise_reduction: str, labels: Path | None, jobs: int | None,
    cache: Path | None, wants_json: bool, data: Path,
) -> None:  # fmt: skip
    """Compare what callers really got under the two turn detections of a trial.

    Of the tapes those are taken whose calls were part of the trial. The server's own starts and stops are judged, as
    `replay vad sweep` judges settings, against label files or what is worked out from the calls. Each difference has
    an interval over calls; all of them together hold in 19 of 20 trials.

    Exit code: 0 no difference is sure, 1 one is, 2 this can't be compared, or a tape can't be read.
    """
    with (
        quiet_interrupt(),
        progress(quiet=wants_json) as tell,
        open_pool(jobs or os.cpu_count() or 1) as pool,
    ):
        arms = _arms(found(tapes, data), trial)
        recordings, skipped, faults = recordings_of(list(arms), agent, noise_reduction, pool, tell)
        own = [arms[Path(one.path)] for one in recordings]
        try:
            made, sources = _compared(recordings, own, labels, Cache(cache or data / CACHE), pool, tell)
        except BridgeError as error:
            complain(str(error))
    if wants_json:
        told = {"trial": trial, **as_json(made), "truth": sources}
        print_json({**told, "skipped": [str(one) for one, _ in skipped]})
    else:
        show(trial, made, sources, told_here(skipped, faults))
    leave_faults(faults)
    raise SystemExit(DIFFERS if made.found else 0)


def _arms(paths: Sequence[Path], trial: str) -> dict[Path, str]:
    """Return the arm of each tape that is of this trial, or leave with those that there are."""
    headers = [(path, header_of(path)) for path in paths]
    arms = {path: header.trial_arm for path, header in headers if header and header.trial == trial}
    if not arms:
        known = sorted({header.trial for _, header in headers if header and header.trial})
        there_is = (
            f"what there is: --trial {' or '.join(known)}" if known else "none of these calls was of a trial"
        )
        complain(f"no call of the trial {trial!r} on {counted(len(paths), 'tape')}", hint=there_is)
    return arms


def _compared(
    recordings: Sequence[Recording],
    arms: Sequence[str],
    labels: Path | None,
    cache: Cache,
    pool: Pool,
    tell: Tell,
) -> tuple[Compared, dict[str, int]]:
    """Compare the arms; return with it how many recordings' truth comes from where."""
    done, total = count(1), len(recordings)
    tell("listening", 0, total)
    listened_to = listen(recordings, [WITNESS], pool, cache, lambda: tell("listening", next(done), total))
    heard = [one[WITNESS] for one in listened_to]
    truths = [
        known_of(one, labels, partial(derive, one, own)) for one, own in zip(recordings, heard, strict=True)
    ]
    unknown = unknown_to(truths, recordings, WITNESS)
    return compared(recordings, heard, truths, arms, unknown=unknown), dict(
        Counter(one.source for one in truths)
    )
