"""How a lake is opened: DuckDB with the extensions that were installed as packages, its catalogue, and its files.

Nothing is downloaded: an extension is a file of a package, and it fits one version of DuckDB. Blocks.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb
from attrs import frozen

from bridge.config import Secrets, Settings
from bridge.errors import HeldError, LakeError
from bridge.extras import install_hint
from bridge.store.database import meaning_of, quoted
from bridge.store.migrations import MIGRATIONS
from bridge.text.passwords import without_passwords

NAME: Final = "lake"
"""What the lake is called in SQL."""

EXTENSIONS: Final = ("ducklake", "postgres_scanner", "httpfs")
MEMORY: Final = "512MB"
PATIENCE_SECONDS: Final = 10
"""How long Postgres may take to let us in, and how long one that has gone silent is believed to come back."""

STATEMENT_SECONDS: Final = 60


@frozen
class LakePlace:
    """Where the lake is, and who writes to it from here."""

    catalogue: str
    files: str
    host: str
    storage: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings, secrets: Secrets) -> "LakePlace":
        """Return the lake that the settings name. Raises `LakeError` when they name none."""
        store = settings.store
        if not (store.lake and store.data):
            raise LakeError("no lake: set [store] lake and data, as docs/fleet.md has it")
        catalogue = store.lake if store.is_on_postgres else str(settings.folder / store.lake)
        files = store.data if store.data.startswith("s3://") else str(settings.folder / store.data)
        return cls(catalogue, files, settings.host_name, secrets.storage)

    @property
    def is_on_postgres(self) -> bool:
        """Say whether several hosts may write at once."""
        return "://" in self.catalogue

    @property
    def shown(self) -> str:
        """Return it for people."""
        return without_passwords(self.catalogue)


# ---------------------------------------------------------------- opening it


@contextmanager
def opened(place: LakePlace, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB with the lake attached, and tables of the local database's shape in memory beside it.

    Raises `LakeError`, and `HeldError` for a file that another process has.
    """
    with explained(place), duckdb.connect(":memory:", config=CONFIG) as connection:
        _load(connection)
        for sql in MIGRATIONS:
            connection.execute(sql)
        if place.files.startswith("s3://"):
            connection.execute(secret_of(place.storage))
        if not read_only and not place.files.startswith("s3://"):
            Path(place.files).mkdir(parents=True, exist_ok=True)
        _attach(connection, place, read_only=read_only)
        yield connection


CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,
    "memory_limit": MEMORY,
    "temp_directory": "",  # nothing that was said is written beside
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def _attach(connection: duckdb.DuckDBPyConnection, place: LakePlace, *, read_only: bool) -> None:
    """Attach the lake; one that nobody has written to yet is left out of what is only read."""
    try:
        connection.execute(_attaching(place, read_only=read_only))
    except duckdb.Error as error:
        if not (read_only and NOT_MADE_YET.search(str(error))):
            raise


NOT_MADE_YET: Final = re.compile(
    "creating a new DuckLake is explicitly disabled|in read-only mode: database does not exist"
)


def _attaching(place: LakePlace, *, read_only: bool) -> str:
    way = f"postgres:{dsn(place)}" if place.is_on_postgres else place.catalogue
    how = (
        "read_only" if read_only else "data_inlining_row_limit 0"
    )  # what is inlined conflicts more, and stays longer
    return f"attach {text(f'ducklake:{way}')} as {NAME} (data_path {text(place.files)}, {how})"


def dsn(place: LakePlace) -> str:
    """Return how Postgres is reached, as its library reads it: with bounds on every wait, and with our name.

    It has no password: the library takes that from the environment or from a file.
    """
    parts = urlsplit(place.catalogue)
    words = {
        "host": parts.hostname and unquote(parts.hostname),
        "port": parts.port,
        "user": parts.username and unquote(parts.username),
        "dbname": unquote(parts.path.strip("/")),
        "connect_timeout": PATIENCE_SECONDS,
        "application_name": f"bridge {place.host}",
        "tcp_user_timeout": 1000 * PATIENCE_SECONDS,
        "keepalives_idle": PATIENCE_SECONDS,
        "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
        **dict(parse_qsl(parts.query)),
    }
    return " ".join(f"{name}={_word(str(value))}" for name, value in words.items() if value)


def _word(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def secret_of(storage: Mapping[str, str]) -> str:
    """Return the SQL by which DuckDB may write to object storage."""
    endpoint = urlsplit(storage.get("AWS_ENDPOINT_URL", ""))
    given = {
        "key_id": storage.get("AWS_ACCESS_KEY_ID"),
        "secret": storage.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": storage.get("AWS_SESSION_TOKEN"),
        "region": storage.get("AWS_REGION", "us-east-1"),
        "endpoint": endpoint.netloc,
        "url_style": "path" if endpoint.netloc else None,
        "use_ssl": "false" if endpoint.scheme == "http" else None,
    }
    words = ", ".join(f"{name} {text(value)}" for name, value in given.items() if value)
    return f"create secret storage (type s3, {words})"


def text(value: str) -> str:
    """Return a text in SQL."""
    return "'" + value.replace("'", "''") + "'"


# ---------------------------------------------------------------- extensions


def _load(connection: duckdb.DuckDBPyConnection) -> None:
    for name in EXTENSIONS:
        connection.execute(f"load {quoted(extension_file(name))}")


def extension_file(name: str) -> Path:
    """Return where an extension is. Raises `LakeError` when it is not here, or not for this DuckDB."""
    spec = find_spec(f"duckdb_extension_{name}")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise LakeError(f"the lake needs packages that are not here: {install_hint('lake')}")
    file = Path(folders[0]) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not file.exists():
        made_for = ", ".join(path.name for path in sorted((Path(folders[0]) / "extensions").glob("v*")))
        raise LakeError(
            f"duckdb is {duckdb.__version__}, and its extension {name} is for {made_for}: {install_hint('lake')}"
        )
    return file


# ---------------------------------------------------------------- what is wrong


@contextmanager
def explained(place: LakePlace) -> Iterator[None]:
    """Turn what DuckDB says of the lake into what it means. Raises `LakeError`, `HeldError`."""
    try:
        yield
    except duckdb.Error as error:
        problem = without_passwords(WORDS_OF_ATTACHING.sub("", " ".join(str(error).split())))
        if "set lock on file" in problem:
            raise HeldError(str(meaning_of(Path(place.catalogue), problem))) from None
        raise LakeError(f"{place.shown}: {_meaning(problem)}") from None


def _meaning(problem: str) -> str:
    """Return what is wrong with the way to the catalogue; of all else what DuckDB says."""
    for words, meaning in MEANINGS.items():
        if re.search(words, problem):
            reason = REASON.search(problem)
            return f"{meaning} ({reason[1].strip()})" if reason else meaning
    return f"can't be used now ({problem[:300]})"


REASON: Final = re.compile(r" failed: (\w[a-z ]{3,40})")
"""The system's word for it, such as "Connection refused"; where Postgres itself refuses, FATAL stands there."""

MEANINGS: Final = {
    r"database \S+ does not exist": "Postgres has no such database: make it (createdb)",
    r"role \S+ does not exist": "Postgres knows no such user: make it (createuser)",
    r"password authentication failed|no password supplied|no pg_hba.conf entry":
        "Postgres lets nobody in who comes so: PGPASSWORD, or the file that PGPASSFILE names, has the password",
    r"could not translate host name": "there is no host of that name",
    r"connection to server .* failed|[Uu]nable to connect to Postgres|could not connect to server":
        "Postgres can't be reached there",
}  # fmt: skip
"""By what Postgres' own library says where a connection fails; addresses and words of ours stand around it."""


WORDS_OF_ATTACHING: Final = re.compile(
    r"""(Failed to attach DuckLake MetaData \S+ )?at (path \+ )?"(postgres:)?host='[^"]*":? ?"""
)
"""All that we say to Postgres, which tells nobody what is wrong."""
