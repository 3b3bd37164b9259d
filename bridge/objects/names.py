"""What an object is called: for people `s3://bucket/key`, and in the program a `Path` as a file has one. Pure.

So a tape in object storage can be handed wherever a tape's file can; whoever opens one asks `is_object`.
"""

from pathlib import Path
from typing import Final

SCHEME: Final = "s3:"


def is_object(name: str | Path) -> bool:
    """Say whether this names an object, or a folder of some, and no file.

    >>> is_object("s3://calls/2026-11-23"), is_object("data/tapes")
    (True, False)
    """
    return str(name).startswith(f"{SCHEME}/")


def as_path(url: str) -> Path:
    """Return the path that stands for an object's URL; a path has no empty part, so one slash is lost.

    >>> as_path("s3://calls/tapes/CA1.jsonl.gz").as_posix()
    's3:/calls/tapes/CA1.jsonl.gz'
    """
    return Path(url)


def name_of(path: Path) -> str:
    """Return how a file or an object is called for people.

    >>> name_of(as_path("s3://calls/tapes/CA1.jsonl.gz"))
    's3://calls/tapes/CA1.jsonl.gz'
    """
    return f"{SCHEME}//{'/'.join(path.parts[1:])}" if is_object(path) else str(path)


def bucket_of(path: Path) -> str:
    """Return the bucket that an object lies in."""
    return path.parts[1] if len(path.parts) > 1 else ""


def key_of(path: Path) -> str:
    """Return an object's key in its bucket."""
    return "/".join(path.parts[2:])
