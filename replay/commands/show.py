"""`replay show`: one call, moment by moment, from its tape alone."""

from pathlib import Path

import click

from bridge.screen.errors import explains_errors
from bridge.screen.output import console, print_json, show_call
from replay.commands.options import DATA, JSON, read, working_on
from replay.tapes.pages import page_of


@click.command()
@click.argument("tape")
@JSON
@DATA
@explains_errors
def show(tape: str, wants_json: bool, data: Path) -> None:
    """Show one call: words, tools, milestones, latencies; read from the tape, with no database.

    Words that were said but never heard are struck through, or in [not heard: …] where no screen can do that.
    Times are seconds since the call was accepted. It is what `bridge show` tells of an indexed call, for any tape, a
    torn one or one from elsewhere.

    \b
    replay show CA4f3e
    replay show tests/tapes/interrupted.jsonl.gz
    replay show CA4f3e --json | jq '.turns[].latency_ms'
    """
    recorded = read(tape, data)
    with working_on(recorded.path):
        page = page_of(recorded)
    if wants_json:
        print_json(page)
    else:
        show_call(page, console())
