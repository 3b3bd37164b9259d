"""The list of numbers that are never called, read before each call. One that can't be read lets no call through."""

import re
from pathlib import Path
from typing import Final

from bridge.errors import OutboundError
from bridge.settings.places import PHONE

MOST_BYTES: Final = 64 * 2**20
"""Four million numbers; reading them takes a second or two, in a thread."""

MARKS: Final = re.compile(r"[ ()./-]")


def read_list(path: Path) -> frozenset[str]:
    """Return the numbers in a file: one a line, with its country; what follows a # is a remark. Raises `OutboundError`.

    A line that is no number might be somebody who must not be called: then nobody is.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OutboundError(f"{path}: larger than {MOST_BYTES >> 20} MiB: no call is made", "do_not_call")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        why = error.strerror or str(error)
        raise OutboundError(f"{path}: the list of who must not be called can't be read ({why}): no call is made",
                            "do_not_call") from None  # fmt: skip
    except ValueError:
        raise OutboundError(f"{path}: not a text in UTF-8: no call is made", "do_not_call") from None
    return frozenset(_numbers(text, path))


def _numbers(text: str, path: Path) -> list[str]:
    found = []
    for place, line in enumerate(text.splitlines(), 1):
        entry = MARKS.sub("", line.partition("#")[0].strip())
        if not entry:
            continue
        if not PHONE.fullmatch(entry):
            raise OutboundError(
                f'{path}, line {place}: no phone number with its country, such as "+15550100100": no call is made '
                "until it is one, or a remark behind a #",
                "do_not_call",
            )
        found.append(entry)
    return found


def check_list(path: Path, number: str) -> None:
    """Make sure that a number may be called. Blocks. Raises `OutboundError`."""
    if number in read_list(path):
        raise OutboundError(f"this number is in {path}: it is never called", "do_not_call")
