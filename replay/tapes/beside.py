"""Writing a file whole or not at all: beside its place, and then into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Yield where to write what is this file once the block is done; of a block that fails nothing is left.

    A pipe or a device is written itself: nothing can take its place.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    place = path.resolve()
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
