"""`replay page`: one call as a page to look at and listen to, in one file."""

from pathlib import Path

import click

from bridge.screen.errors import explains_errors
from bridge.screen.output import RUN
from replay.commands.options import DATA, complain_of_file, read, working_on
from replay.tapes.beside import written_beside
from replay.tapes.page_file import page_file
from replay.tapes.scrub import Scrub, redacted_tape


@click.command()
@click.argument("tape")
@click.option("--out", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="The file to write; the call's id with .html here unless told.")  # fmt: skip
@click.option("--redact", is_flag=True, help="Without what was said: no sound, x for letters, 0 for digits.")
@DATA
@explains_errors
def page(tape: str, out: Path | None, redact: bool, data: Path) -> None:
    """Write one call as a page: its sound, what was said, and where the time went.

    One file that needs nothing else: it opens in any browser, offline, and can be mailed. The caller is drawn above and
    the agent below; what was sent and never heard is hatched, and its words are struck through. A click on a word plays
    from there. Each answer's time is taken apart. Tools, cost, log, legs and the tape's own lines are below.

    \b
    replay page CA4f3e                       writes CA4f3e….html here
    replay page CA4f3e --redact -o out.html  to be shown to somebody who must not know what was said
    """
    recorded = read(tape, data)
    path = out or Path(f"{recorded.header.call_id}.html")
    with working_on(recorded.path):
        text = page_file(redacted_tape(recorded, Scrub()) if redact else recorded, run=RUN)
    try:
        with written_beside(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        complain_of_file(path, error)
    click.echo(path)
