"""The `replay` command: what can be done with recorded calls, without a phone, a model or an account."""

import click

from bridge import __version__
from replay.cmd_call import call
from replay.cmd_compare import compare
from replay.cmd_export import export, wav
from replay.cmd_grep import grep
from replay.cmd_import import import_
from replay.cmd_list import list_
from replay.cmd_model import model
from replay.cmd_phone import phone
from replay.cmd_redact import redact
from replay.cmd_run import run
from replay.cmd_show import show
from replay.cmd_vad import vad


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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
    replay export --wire CA4f3e      every message of both sockets, audio included
    replay redact CA4f3e -o x.gz     a call without its words, to be shared
    replay import call.wav -o x.gz   a recording of another system, to start with

    \b
    replay model                     be the Realtime model, for any client
    replay phone URL                 ring a server as Twilio would
    replay call CA4f3e --to URL      the caller of a recorded call rings again
    replay compare PLAN.toml         may I switch the model? the same callers, several variants
    replay vad sweep data/tapes      which turn detection should these callers have?
    """


for command in (run, list_, show, grep, wav, export, redact, import_, model, phone, call, compare, vad):
    main.add_command(command)
