"""The `replay` command: what can be done with recorded calls, without a phone, a model or an account."""

import os
from typing import Final

import click

from bridge import __version__
from bridge.screen.lazy_group import LazyCommands, LazyGroup

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    # Before numpy is there. Its products here are small, and threads wait for each other by spinning: a comparison of
    # 720 calls took 0.5 s of CPU with one thread, 1.3 s with two on two busy cores.
    os.environ.setdefault(name, "1")

COMMANDS: Final[LazyCommands] = {
    "run": "replay.commands.run:run",
    "list": "replay.commands.list_:list_",
    "show": "replay.commands.show:show",
    "grep": "replay.commands.grep:grep",
    "wav": "replay.commands.export:wav",
    "page": "replay.commands.page:page",
    "export": "replay.commands.export:export",
    "redact": "replay.commands.redact:redact",
    "import": "replay.commands.import_:import_",
    "model": "replay.commands.model:model",
    "phone": "replay.commands.phone:phone",
    "call": "replay.commands.call:call",
    "judge": "replay.commands.judge:judge",
    "compare": "replay.commands.compare:compare",
    "vad": "replay.cli:vad",
}
VAD_COMMANDS: Final[LazyCommands] = {
    "sweep": "replay.commands.vad_sweep:sweep",
    "report": "replay.commands.vad_report:report",
    "labels": "replay.commands.vad_labels:labels",
    "compose": "replay.commands.vad_compose:compose",
}
"""They need numpy, which the daemon does not."""


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="replay")
def main() -> None:
    """Work on recorded calls, and make some: no phone, no model, no account.

    A TAPE is a file, or the id of a CALL (its first letters will do) recorded under --data.

    \b
    replay run data/tapes            does today's bridge still say what it said, in every call?
    replay list                      which calls there are
    replay show CA4f3e               one call, moment by moment
    replay grep "opening hours"      who said that, and when
    replay wav CA4f3e                a call as the caller heard it
    replay page CA4f3e               a call to look at and listen to, in one file
    replay export --wire CA4f3e      every message of both sockets, audio included
    replay redact CA4f3e -o x.gz     a call without its words, to be shared
    replay import call.wav -o x.gz   a recording of another system, to start with

    \b
    replay model                     be the Realtime model, for any client
    replay phone URL                 ring a server as Twilio would
    replay call CA4f3e --to URL      the caller of a recorded call rings again
    replay judge --to URL            what would a caller notice? a report card of any bridge
    replay compare PLAN.toml         may I switch the model? the same callers, several variants
    replay vad sweep data/tapes      which turn detection should these callers have?
    """


@click.group(cls=LazyGroup, lazy=VAD_COMMANDS)
def vad() -> None:
    """Choose turn detection from your own calls, offline.

    \b
    replay vad sweep data/tapes        which threshold, silence and prefix should these callers have?
    replay vad report --trial NAME     what did callers really get under either setting of a trial?
    replay vad labels CA4f3e           mark by hand who speaks when, to be surer
    replay vad compose -o calls        make calls with known truth, to try things on
    """
