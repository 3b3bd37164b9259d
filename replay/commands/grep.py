"""`replay grep`: who said that, in which call, and when."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

import click
from rich.text import Text

from bridge.errors import TapeError
from bridge.objects.names import name_of
from bridge.screen.errors import complain, leave_faults, quiet_interrupt
from bridge.screen.output import STYLES, console, print_json
from bridge.tapes.odd_tapes import gone_through
from bridge.tapes.reader import Tape, read_tape
from bridge.text.visible import visible
from bridge.text.wording import short_id
from replay.commands.options import JSON, found
from replay.tapes.pages import spoken

NOTHING = 1
FORM: Final = "NFC"
"""Speech models write an accent in its letter or behind it: whoever looks for the word means both."""

Hit = tuple[int, str, str]


@click.command()
@click.argument("pattern")
@click.argument("folder", default="data", required=False)
@click.option("--ignore-case", "-i", is_flag=True, help="Take capitals and small letters for the same.")
@click.option(
    "--who", type=click.Choice(["caller", "agent", "tool", "log"]), help="Only what this side said."
)
@JSON
def grep(pattern: str, folder: str, ignore_case: bool, who: str | None, wants_json: bool) -> None:
    """Search what was said in calls: words said and heard, tools with their arguments and answers, log lines.

    PATTERN is a regular expression, as in Python. FOLDER is searched with all folders in it (data, unless you
    name one); a single tape will do too. Each line: call, seconds since it was accepted, who, text.

    \b
    replay grep -i "opening hours"              everything under data
    replay grep "Friday|Saturday" tests/tapes --who caller
    replay grep 'check_table\\(.*"people":12' data/tapes/2026-11-23
    replay grep --json . CA4f3e.jsonl.gz        a whole conversation, for machines

    Exit code: 0 something matches, 1 nothing does, 2 a tape can't be read.
    """
    wanted = _compiled(pattern, ignore_case)
    hits, faults = list[dict[str, Any]](), list[TapeError]()

    def search(path: Path) -> tuple[Tape, list[Hit]]:
        tape = read_tape(path)
        said = ((t_ms, side, normalize(FORM, text)) for t_ms, side, text in spoken(tape))
        return tape, [hit for hit in said if wanted.search(hit[2]) and who in (None, hit[1])]

    with quiet_interrupt():
        for tape, matching in gone_through(found([folder], Path("data")), search, faults):
            hits += [_as_json(tape, hit) for hit in matching]
            if not wants_json:
                for line in _lines(tape, matching, wanted):
                    console().print(line, soft_wrap=True)
    if wants_json:
        print_json(hits)
    leave_faults(faults)
    raise SystemExit(0 if hits else NOTHING)


def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    try:
        return re.compile(normalize(FORM, pattern), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        hint = f"{re.escape(pattern)!r}, for the words as such"
        complain(f"{pattern!r} is no regular expression: {error}", hint=hint)


def _as_json(tape: Tape, hit: Hit) -> dict[str, Any]:
    t_ms, who, text = hit
    return {
        "call_id": tape.header.call_id,
        "tape": name_of(tape.path),
        "t_ms": t_ms,
        "who": who,
        "text": text,
    }


def _lines(tape: Tape, hits: list[Hit], wanted: re.Pattern[str]) -> Iterator[Text]:
    for t_ms, who, text in hits:
        words = Text(visible(text))
        words.highlight_regex(wanted, "bold reverse")
        start = Text.assemble((visible(short_id(tape.header.call_id)), "dim"), f" {t_ms / 1000:8.2f}  ")
        yield Text.assemble(start, (f"{who:6}", STYLES.get(who, "dim")), "  ", words)
