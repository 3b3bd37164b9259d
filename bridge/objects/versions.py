"""Erasing an object for good: in a bucket that keeps versions a deletion only hides it, and its bytes stay. Blocks.

By botocore, which knows how to list versions and delete one; obstore does not (decision 60).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from bridge.errors import ObjectError
from bridge.objects.bucket import CONNECT_SECONDS, REQUEST_SECONDS, UNREACHABLE, check_endpoint, refused
from bridge.objects.names import bucket_of, key_of, name_of


def erase(beginning: Path) -> int:
    """Erase every version of each object whose name begins so; return how many objects. Raises `ObjectError`."""
    with _explained(beginning):
        found = list(_versions(beginning))
        for one in found:
            _client().delete_object(Bucket=bucket_of(beginning), **one)
        return len({one["Key"] for one in found})


def erase_older(path: Path, version: str) -> None:
    """Erase every version of an object but this one. Raises `ObjectError`."""
    with _explained(path):
        for one in list(_versions(path)):
            if one["Key"] == key_of(path) and one["VersionId"] != version:
                _client().delete_object(Bucket=bucket_of(path), **one)


def left_of(beginning: Path) -> list[str]:
    """Return what is left of objects whose names begin so, in any version. Raises `ObjectError`."""
    with _explained(beginning):
        return sorted({f"s3://{bucket_of(beginning)}/{one['Key']}" for one in _versions(beginning)})


def _versions(beginning: Path) -> Iterator[dict[str, str]]:
    """Yield what names each version of each such object, and each mark of a deletion: those have its name too."""
    pages = _client().get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket_of(beginning), Prefix=key_of(beginning)):
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            yield {"Key": one["Key"], "VersionId": one["VersionId"]}


@cache
def _client() -> Any:
    """Return the way to storage, by the environment. Raises `ObjectError`."""
    check_endpoint()
    try:
        from botocore.config import Config
        from botocore.session import get_session
    except ImportError:
        from bridge.extras import install_hint

        raise ObjectError(f"s3:// needs packages that are not here: {install_hint('s3')}") from None
    session = get_session()
    # Of its own it reads AWS_DEFAULT_REGION; AWS_REGION is what all others read.
    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=REQUEST_SECONDS,
        retries={"max_attempts": 3, "mode": "standard"},
    )
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region") or REGION
    return session.create_client("s3", region_name=region, config=limits)


REGION: Final = "us-east-1"
"""Where none is named, as obstore has it."""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except ObjectError:
        raise
    except Exception as error:  # only the library is asked here
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        why = refused(code) if code else UNREACHABLE
        raise ObjectError(f"{name_of(path)}: {why}") from None
