"""Lakes for tests: in a file, or in a Postgres of this machine's own that lives as long as its tests."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from attrs import frozen

from bridge.lake.opening import LakePlace, opened

DEBIANS: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NOBODY: Final = "postgres"
"""Postgres refuses to be run by root; Debian's package brings this user."""

needs_extensions: Final = pytest.mark.skipif(
    find_spec("duckdb_extension_ducklake") is None, reason="needs the extra lake"
)
needs_postgres: Final = pytest.mark.skipif(not DEBIANS, reason="needs Debian's package postgresql")


@frozen
class Postgres:
    """A server on a socket in a folder of its own."""

    folder: Path

    def run(self, program: str, *words: str) -> None:
        """Run one of its programs, as whoever it lets."""
        command = [str(DEBIANS[-1] / program), *words]
        as_user = {"user": NOBODY} if os.getuid() == 0 else {}
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=60, **as_user)  # type: ignore[call-overload]

    def start(self) -> None:
        """Let it answer."""
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=250"
        self.run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-w",
            "-l",
            str(self.folder / "log"),
            "-o",
            options,
            "start",
        )

    def stop(self) -> None:
        """Let it answer no more; whoever is in is thrown out."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def database(self, name: str) -> str:
        """Make an empty database; return its URL."""
        self.run("createdb", "-h", str(self.folder), "-U", "bridge", name)
        return f"postgres://bridge@/{name}?host={self.folder}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a Postgres with nothing in it; its socket's path has to be short."""
    with TemporaryDirectory(prefix="lake-") as name:
        server = Postgres(Path(name))
        if os.getuid() == 0:
            shutil.chown(name, NOBODY)
        server.run("initdb", "-D", f"{name}/data", "-A", "trust", "-U", "bridge", "--no-sync", "-E", "UTF8")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def asked(place: LakePlace, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows that the lake has for a query."""
    with opened(place) as connection:
        return connection.execute(sql).fetchall()
