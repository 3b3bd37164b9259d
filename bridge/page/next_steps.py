"""What to do with a call next, as commands to paste. Pure."""

import re
import shlex
from typing import Any, Final, TypeAlias

from bridge.text.visible import visible

Row: TypeAlias = dict[str, Any]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Of an agent or a call, as a shell, TOML and Python all take it; a tape from elsewhere may name another."""

PLAN: Final = """\
cat > switch.toml <<'END'
base = "config.toml"
agent = "{agent}"
callers = ["{tape}"]
repeats = 5
baseline = "today"
[variants.today]
[variants.next]
realtime.model = "gpt-realtime-2.1-mini"
END
{run}replay compare switch.toml"""

TEST: Final = """\
mkdir -p tests/tapes && cp {quoted} tests/tapes/
cat > tests/test_{word}.py <<'END'
def test_this_caller_is_served(ring_agent):
    call = ring_agent("../config.toml", "tapes/{file}", name="{agent}")
    assert call.ended_by != "bridge"
END
{run}pytest tests/test_{word}.py"""


def next_steps(call: Row, *, run: str = "") -> list[Row]:
    """Return each step's title and command, none for a tape whose name could steer a terminal.

    `run` stands before our own commands where they are not installed.
    """
    tape, agent = str(call["tape"]), str(call["agent"])
    if visible(tape) != tape:
        return []
    agent = agent if NAME.fullmatch(agent) else "front-desk"
    quoted = shlex.quote(tape)
    steps = [
        ("Replay this call through today\u2019s bridge", f"{run}replay run {quoted}"),
        ("Ring my agent with this caller", f"{run}replay call {quoted} --to https://bridge.example.com"),
    ]
    if re.fullmatch(r"[A-Za-z0-9_./ -]+", tape):
        names = {"agent": agent, "tape": tape, "quoted": quoted, "run": run, "file": tape.rpartition("/")[2]}
        word = re.sub(r"[^a-z0-9]+", "_", names["file"].partition(".")[0].lower())
        steps.append(("Compare with another model", PLAN.format(**names)))
        steps.append(("Make this a test", TEST.format(**names, word=word)))
    return [{"title": title, "command": command} for title, command in steps]
