"""Opening a tape to be read, wherever it lies: a file, or an object in storage; compressed or not. It knows no more of
it than its name."""

import gzip
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from bridge.errors import ObjectError
from bridge.objects.bucket import read
from bridge.objects.names import is_object


def open_tape(path: Path) -> IO[bytes]:
    """Return a tape's bytes to be read, unpacked. Raises `OSError`, which says so of an object that can't be had."""
    if not is_object(path):
        return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
    try:
        raw = BytesIO(read(path))
    except ObjectError as error:
        raise OSError(str(error)) from None
    return cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
