"""`replay vad`: turn detection tuned on recorded callers. Its commands need numpy, which the daemon does not."""

from typing import Final

import click

from bridge.screen.lazy_group import LazyCommands, LazyGroup

COMMANDS: Final[LazyCommands] = {
    "sweep": "replay.commands.vad_sweep:sweep",
    "labels": "replay.commands.vad_labels:labels",
    "compose": "replay.commands.vad_compose:compose",
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def vad() -> None:
    """Choose turn detection from your own calls, offline.

    \b
    replay vad sweep data/tapes        which threshold, silence and prefix should these callers have?
    replay vad labels CA4f3e           mark by hand who speaks when, to be surer
    replay vad compose -o calls        make calls with known truth, to try things on
    """
