"""Passwords among words for a library: in a value that somebody wrote, or in what the library says of it. Pure."""

import re
from typing import Final

WRITTEN: Final = re.compile(r"""(?i)(passw\w*\s*=\s*)('[^']*'?|"[^"]*"?|[^\s'"&]+)""")
IN_A_URL: Final = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")


def without_passwords(told: str) -> str:
    """Return a text with what follows `password=` in it masked, and what stands before the @ of a URL.

    >>> without_passwords("host=db password=hunter22 dbname=lake, postgres://bridge:hunter22@db/lake")
    'host=db password=... dbname=lake, postgres://bridge:...@db/lake'
    """
    return IN_A_URL.sub(r"\1...@", WRITTEN.sub(r"\1...", told))
