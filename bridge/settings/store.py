"""What machines share: one lake with the records of all of them, and where their tapes go. Off, each has its own."""

import re
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from attrs import frozen

from bridge.checks import Check, Wrong, setting, text, whole

SCHEMES: Final = ("postgres", "postgresql")
BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s'?#]*)?")

KEY: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,20}/?")
"""Names that every storage, shell and URL takes as they are."""

MOST_DAYS: Final = 36_500

STORAGE: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
)
"""Where object storage is, and who may write there, by the names that all its tools read."""

ENDPOINT: Final = "AWS_ENDPOINT_URL"

CATALOGUE: Final = ("PGPASSWORD", "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT")
"""How Postgres is entered, by the names that its own library reads."""


def endpoint_fault(url: str) -> str:
    """Return what is wrong with the address of object storage, in a sentence; "" for none, and for no address.

    >>> endpoint_fault("localhost:9000")
    'AWS_ENDPOINT_URL is no address of a storage: write http:// or https:// and a host, such as http://127.0.0.1:9000'
    """
    try:
        parts = urlsplit(url)
        is_usable = not url or (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        )
    except ValueError:
        is_usable = False
    if is_usable and not any(char.isspace() for char in url):
        return ""
    how = "write http:// or https:// and a host, such as http://127.0.0.1:9000"
    return f"{ENDPOINT} is no address of a storage: {how}"


def catalogue(value: Any) -> str:
    """Accept a Postgres URL without a password, the path of a file, or nothing."""
    if not isinstance(value, str) or any(char in value for char in "'\\\n"):
        raise Wrong(HOW)
    if "://" not in value:
        if re.search(r"[=:\s]", value):  # words for a library: a password may be among them
            raise Wrong(HOW)
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in SCHEMES and bool(parts.path.strip("/")) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if parts.password or "password" in unquote(parts.query).lower():
        raise Wrong("a URL without a password: PGPASSWORD, or the file that PGPASSFILE names, has that")
    if not usable:
        raise Wrong(HOW)
    return value


HOW: Final = (
    'Postgres with its database, such as "postgres://bridge@db.example.com/lake", or a file, to try it out'
)


def place(what: str) -> Check:
    """Accept `s3://` with a bucket and a folder, the path of a folder, or nothing; `what` says what is kept there."""

    def check(value: Any) -> str:
        path = text("")(value) if isinstance(value, str) and value else value
        if path != "" and ("'" in str(path) or ("://" in str(path) and not BUCKET.fullmatch(str(path)))):
            path = None
        if not isinstance(path, str):
            raise Wrong(f'where {what} go: "s3://BUCKET/FOLDER", or a folder that all hosts have')
        return path.rstrip("/") if path.startswith("s3://") else path

    return check


def bucket(value: Any) -> str:
    """Accept `s3://` with a bucket and a folder, or nothing."""
    if value != "" and not (isinstance(value, str) and BUCKET.fullmatch(value) and KEY.fullmatch(value[5:])):
        raise Wrong('where tapes go: "s3://BUCKET/FOLDER", of letters, digits and _ . - /')
    return str(value).rstrip("/")


@frozen
class SharedStore:
    """One lake for the records of all hosts: its catalogue, and where its Parquet files are; and where tapes go."""

    lake: str = setting("", catalogue)
    data: str = setting("", place("the lake's files"))
    tapes: str = setting("", bucket)
    keep_local_days: int = setting(0, whole(0, MOST_DAYS))
    """How long a tape stays in the data folder that is in storage; 0 for as long as tapes are kept."""
    lake_seconds: int = setting(30, whole(1, 3600))

    @property
    def is_on_postgres(self) -> bool:
        """Say whether several hosts may write to the lake at once."""
        return "://" in self.lake


def missing_of_store(store: SharedStore) -> list[str]:
    """Return one sentence for each thing without which the lake can't be."""
    missing = list[str]()
    if bool(store.lake) != bool(store.data):
        one, other = ("lake", "data") if store.lake else ("data", "lake")
        missing.append(
            f"[store] {one} without {other}: the lake is both, a catalogue and files; set {other} too"
        )
    if store.keep_local_days and not store.tapes:
        missing.append(
            "[store] keep_local_days without tapes: no tape goes from here that is nowhere else; set tapes too"
        )
    return missing
