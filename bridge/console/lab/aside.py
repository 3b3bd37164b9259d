"""The lab's command line after everything else on this machine: it becomes `replay`, with the lowest priority.

`python -m bridge.console.lab.aside ARGUMENTS` runs `replay ARGUMENTS`; how far it is, it says on lines.
"""

import os
import sys
from contextlib import suppress
from typing import Final

NICENESS: Final = 19
RUN: Final = "from replay.cli import main; main()"


def main(arguments: list[str]) -> None:
    """Become the lab's command."""
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    environment = {**os.environ, "REPLAY_PROGRESS": "lines", "NO_COLOR": "1", "COLUMNS": "120"}
    os.execve(sys.executable, [sys.executable, "-P", "-c", RUN, *arguments], environment)


if __name__ == "__main__":
    main(sys.argv[1:])
