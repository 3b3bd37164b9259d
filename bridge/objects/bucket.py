"""Objects in S3, or in whatever speaks its protocol: by obstore, whose work is done outside the interpreter. Blocks.

Keys, region and endpoint come from the environment by their standard names (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_REGION, AWS_ENDPOINT_URL), or from the machine's role: obstore reads them. None of them is ever told.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from bridge.errors import NoObjectError, ObjectError, TakenError
from bridge.objects.names import bucket_of, key_of, name_of
from bridge.settings.store import ENDPOINT, endpoint_fault

if TYPE_CHECKING:
    from obstore.store import S3Store

CONNECT_SECONDS: Final = 5
REQUEST_SECONDS: Final = 60
"""A whole request: a tape of an hour has some 20 MB."""

RETRY_SECONDS: Final = 10
"""How long obstore tries again by itself what can be; who wants to wait longer tries again."""

MOST_BYTES: Final = 2**28
"""Of an object that is read: packed, the longest call has some 70 MB."""

PAGE: Final = 1000
"""Objects in one answer of a listing; S3 gives no more."""


@frozen
class Meta:
    """What storage says of an object; `version` where its bucket keeps versions."""

    size: int
    tag: str
    version: str = ""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Let what storage says leave this block as an `ObjectError`, without addresses and keys."""
    try:
        yield
    except ObjectError:
        raise
    except FileNotFoundError as error:
        raise _absent(name_of(path), str(error)) from None
    except BaseException as error:  # only the library is asked here: its errors have no common root
        if not _is_fault(error):
            raise
        if type(error).__name__ in ("AlreadyExistsError", "PreconditionError"):
            raise TakenError(f"{name_of(path)}: it is there already") from None
        raise ObjectError(f"{name_of(path)}: {_meaning(str(error))}") from None


def _is_fault(error: BaseException) -> bool:
    """Say whether the library failed. One of its own bugs is no `Exception`: it would end whatever waits for it."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _absent(name: str, told: str) -> ObjectError:
    is_bucket = "NoSuchBucket" in told
    return ObjectError(f"{name}: no such bucket") if is_bucket else NoObjectError(f"{name}: no such object")


CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
STATUS: Final = re.compile(r"\b([45]\d\d) [A-Z][A-Za-z ]{2,30}\b")
UNREACHABLE: Final = "storage can't be reached, or is too slow"

OF_KEYS: Final = frozenset({"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
"""What storage says to whoever has no keys, or others."""


def _meaning(told: str) -> str:
    """Return what an error means; its own text has the endpoint in it, and may have more."""
    found = CODE.search(told) or STATUS.search(told)
    if found:
        return refused(found[1])
    if "credential" in told.lower() or "169.254.169.254" in told:
        return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return UNREACHABLE


def refused(code: str) -> str:
    """Return that storage refuses something, and where to look if it is for the keys."""
    keys = ": look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    return f"storage refuses it ({code}){keys if code in OF_KEYS else ''}"


def _library() -> ModuleType:
    try:
        return import_module("obstore")
    except ImportError:
        from bridge.extras import install_hint

        raise ObjectError(f"s3:// needs packages that are not here: {install_hint('s3')}") from None


def check_endpoint() -> None:
    """Look at where storage is said to be: the libraries take any text, and fail in ways of their own.

    Raises `ObjectError`.
    """
    if fault := endpoint_fault(os.environ.get(ENDPOINT, "")):
        raise ObjectError(fault)


@cache
def way_to(bucket: str) -> "S3Store":
    """Return the way to a bucket: one for all requests, which share its connections. Raises `ObjectError`."""
    if not bucket:
        raise ObjectError("no bucket is named: write s3://BUCKET/FOLDER")
    check_endpoint()
    from obstore.store import S3Store

    pause = {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=3), "base": 2}
    retry: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=RETRY_SECONDS), "backoff": pause}
    client: Any = {
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "timeout": f"{REQUEST_SECONDS}s",
        "allow_http": True,
    }
    return S3Store(bucket, client_options=client, retry_config=retry, checksum_algorithm="SHA256")


def read(path: Path) -> bytes:
    """Return an object's bytes. Raises `ObjectError`."""
    with explained(path):
        found = _library().get(way_to(bucket_of(path)), key_of(path))
        if found.meta["size"] > MOST_BYTES:
            raise ObjectError(f"{name_of(path)}: larger than any tape is: more than {MOST_BYTES >> 20} MiB")
        return bytes(found.bytes())


def look_at(path: Path) -> Meta | None:
    """Return what storage says of an object; None when there is none. Raises `ObjectError`."""
    try:
        with explained(path):
            found = _library().head(way_to(bucket_of(path)), key_of(path))
    except NoObjectError:
        return None
    return Meta(found["size"], (found["e_tag"] or "").strip('"'), found["version"] or "")


def put(path: Path, data: bytes) -> str:
    """Put an object in its place, whole or not at all; return its version, if there are any. Raises `ObjectError`.

    Its SHA-256 goes with it: storage refuses bytes that don't have it.
    """
    with explained(path):
        told = _library().put(way_to(bucket_of(path)), key_of(path), data, use_multipart=False)
    return told["version"] or ""


def put_new(path: Path, data: bytes) -> bool:
    """Put an object where none is; say whether there was none. Raises `ObjectError`."""
    try:
        with explained(path):
            _library().put(way_to(bucket_of(path)), key_of(path), data, mode="create", use_multipart=False)
    except TakenError:
        return False
    return True


def delete(path: Path) -> None:
    """Delete an object; one that isn't there is deleted already. Raises `ObjectError`."""
    with suppress(NoObjectError), explained(path):
        _library().delete(way_to(bucket_of(path)), key_of(path))


def objects_under(folder: Path) -> Iterator[Path]:
    """Yield the objects in a folder and all folders in it, a page at a time, in the order of their names."""
    with explained(folder):
        prefix = key_of(folder)
        pages = _library().list(way_to(bucket_of(folder)), prefix=prefix or None, chunk_size=PAGE)
        for page in pages:
            for found in page:
                yield Path("s3:", bucket_of(folder), *found["path"].split("/"))
