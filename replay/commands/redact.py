"""`replay redact`: a tape that can be shown to somebody who must not know what was said."""

from pathlib import Path

import click

from bridge.screen.errors import explains_errors
from bridge.tapes.header import encode_header
from replay.commands.options import DATA, complain_of_file, read, working_on
from replay.tapes.player import decisions
from replay.tapes.rewrite import write_tape
from replay.tapes.scrub import Scrub, parting, redacted_tape


@click.command()
@click.argument("tape")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The tape to write; compressed when its name ends in .gz.")  # fmt: skip
@click.option("--audio", is_flag=True, help="Silence in place of every sound.")
@click.option(
    "--text", is_flag=True, help="x in place of every letter of what was said, asked, answered or set."
)
@click.option(
    "--numbers", is_flag=True, help="0 in place of every digit of those, and of phone numbers and keys."
)
@DATA
@explains_errors
def redact(tape: str, output: Path, audio: bool, text: bool, numbers: bool, data: Path) -> None:
    """Write a tape that can be shared: the same call at the same milliseconds, without what was said.

    With none of --audio, --text, --numbers all three are taken out. Lengths stay as they were, since timing
    depends on them; JSON stays JSON. Ids, kinds of messages, names of agents, tools and their parameters stay,
    and when it was. The bridge's own decisions are made anew from the changed inputs, so the tape replays with
    no difference; a warning says from when on they are others: silence is no answer
    to somebody who waits, and a limit's message without its digits says no time.

    \b
    replay redact CA4f3e -o shared.jsonl.gz
    replay redact CA4f3e -o shared.jsonl.gz --audio --numbers     the words may be read

    Read it before you send it: zcat shared.jsonl.gz | less
    """
    recorded = read(tape, data)
    scrub = Scrub(audio, text, numbers) if audio or text or numbers else Scrub()
    try:
        with working_on(recorded.path):
            redacted = redacted_tape(recorded, scrub)
            parting_ms = parting(decisions(recorded), decisions(redacted))
            write_tape(output, [encode_header(redacted.header), *redacted.lines])
    except OSError as error:
        complain_of_file(output, error)
    if parting_ms is not None:
        click.echo(
            f"Warning: from {parting_ms / 1000:.2f} s on the bridge decides otherwise than it did in the call:"
            f" it goes by {_what(scrub)} that is not there any more",
            err=True,
        )
    click.echo(output)


def _what(scrub: Scrub) -> str:
    """Return what of the things taken out the bridge's decisions can hang on."""
    return " or ".join(
        what for what, is_taken in (
            ("sound (is an answer heard?)", scrub.audio), ("a number (how long to wait?)", scrub.numbers),
            ("a word", scrub.text),
        ) if is_taken
    )  # fmt: skip
