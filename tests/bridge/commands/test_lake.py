"""The lake from the command line before anybody has sent a call, and where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lakes import Postgres, needs_extensions, needs_postgres, postgres

from bridge.cli import main

pytestmark = needs_extensions
NOBODY_YET = "No host has sent a call to the lake yet.\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["file", pytest.param("postgres", marks=needs_postgres)])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    lake = "lake.ducklake"
    if request.param == "postgres":
        lake = request.getfixturevalue("server").database(f"c{abs(hash(tmp_path))}")
    return written(tmp_path, lake)


def written(folder: Path, lake: str) -> Path:
    path = folder / "config.toml"
    path.write_text(f'[store]\nlake = "{lake}"\ndata = "files"\n[agents.front-desk]\n')
    return path


def bridge(config: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(config)], env={"PGPASSWORD": None})


def test_a_lake_that_nobody_has_sent_a_call_to_is_empty_and_nothing_in_it_needs_tidying(config: Path) -> None:
    for _ in ("before there is one", "after"):
        result = bridge(config, "calls", "--store", "lake")
        assert (result.exit_code, result.output) == (0, NOBODY_YET)
        none = bridge(config, "show", "last", "--store", "lake")
        assert (none.exit_code, "no call last in the lake" in none.stderr) == (2, True)
        tidied = bridge(config, "lake", "tidy")
        assert (tidied.exit_code, tidied.output) == (0, NOBODY_YET)
    forgotten = bridge(config, "forget", "+493012345678", "--yes", "--wait", "0")
    assert forgotten.exit_code == 0, forgotten.output


@pytest.mark.parametrize(
    ("lake", "told"),
    [
        ("postgres://bridge@127.0.0.1:9/lake", "Postgres can't be reached there"),
        ("postgres://bridge@no-such-host.invalid/lake", "no host of that name"),
        ("postgres://bridge@/lake?host=/nowhere", "Postgres can't be reached there"),
    ],
)
def test_a_catalogue_that_cant_be_reached_is_told_in_one_sentence(
    tmp_path: Path, lake: str, told: str
) -> None:
    for words in (("calls", "--store", "lake"), ("lake", "tidy"), ("lake", "send")):
        result = bridge(written(tmp_path, lake), *words)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"Error: {lake}: ")
        assert told in line
