"""Every room, setting, command, metric and table stands in the documents, where somebody would look for it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
import duckdb
import pytest
from kept import Folder

from bridge.agents import Agent, SemanticVad, ServerVad
from bridge.cli import main as bridge
from bridge.config import Settings
from bridge.languages import Sentence
from bridge.observe.metric_table import COUNTERS, GAUGES, HISTOGRAMS, TOTALS, Metric
from bridge.screen.lazy_group import LazyGroup
from bridge.store.database import TABLES
from replay.cli import main as replay

ROOT = Path(__file__).parents[2]
DOCS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIG = (ROOT / "config.toml").read_text(encoding="utf-8")

# ---------------------------------------------------------------- rooms


@pytest.mark.parametrize("top", ["bridge", "replay"])
def test_every_room_stands_in_the_picture_and_has_its_sentence(top: str) -> None:
    rooms = {path.parent.name for path in (ROOT / top).glob("*/__init__.py")}
    picture, sentences = DOCS["architecture.md"].split("```")[1:3]
    assert len(rooms) > 8
    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", picture)] == []
    assert [room for room in sorted(rooms) if f"`{room}/`" not in sentences] == []


# ---------------------------------------------------------------- settings

NO_SETTING = {Settings: {"agents", "folder"}, Agent: {"name"}}
"""Fields that have another source: the tables' own names, and where the file is."""

WRITTEN = tomllib.loads(re.sub(r"^# (?=\[|\w+ = )", "", CONFIG, flags=re.MULTILINE))
"""`config.toml` with what is commented out in force."""


def settings_of(values: Any, table: dict[str, Any], path: str) -> Iterator[tuple[str, bool]]:
    """Yield the path of every setting there is, and whether the file has it in its table."""
    for field in attrs.fields(type(values)):
        if field.name in NO_SETTING.get(type(values), ()):
            continue
        at, value = f"{path}{field.name}", getattr(values, field.name)
        yield at, field.name in table
        if attrs.has(type(value)) and not isinstance(value, Sentence):
            yield from settings_of(value, table.get(field.name, {}), f"{at}.")


FOUND = [
    *settings_of(Settings(), WRITTEN, ""),
    *settings_of(Agent(), WRITTEN["agents"]["front-desk"], "agents.front-desk."),
]


def test_every_setting_stands_in_its_table_of_the_configuration_file() -> None:
    assert len(FOUND) > 80
    assert [path for path, is_there in FOUND if not is_there] == []


def test_what_only_semantic_turn_detection_has_is_named_beside_the_type() -> None:
    only = {field.name for field in attrs.fields(SemanticVad)} - {
        field.name for field in attrs.fields(ServerVad)
    }
    (line,) = (line for line in CONFIG.splitlines() if line.startswith('type = "server_vad"'))
    assert only
    assert [name for name in only if name not in line] == []


# ---------------------------------------------------------------- commands


def commands(group: click.Command, path: str) -> Iterator[str]:
    if not isinstance(group, LazyGroup):
        yield path
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, f"{path} {name}")


@pytest.mark.parametrize("path", [*commands(bridge, "bridge"), *commands(replay, "replay")])
def test_every_command_stands_on_a_page(path: str) -> None:
    assert re.search(rf"(`|^|bin/|uv run ){path}\b", "\n".join([README, *DOCS.values()]), re.MULTILINE)


# ---------------------------------------------------------------- metrics


def shown_rows() -> list[str]:
    """Return the table of all metrics as the page must have it."""
    kinds: list[tuple[str, str, tuple[Metric, ...]]] = [
        ("counter", "_total", (*COUNTERS, *TOTALS)), ("gauge", "", GAUGES), ("histogram", "", HISTOGRAMS),
    ]  # fmt: skip
    return [
        f"| `{metric.name}{ending}` | {kind} | {', '.join(metric.labels) or '-'} | {metric.text} |"
        for kind, ending, metrics in kinds
        for metric in metrics
    ]


def test_the_page_of_metrics_has_the_table_of_the_code() -> None:
    lines = DOCS["observability.md"].splitlines()
    assert [line for line in lines if line.startswith("| `bridge_")] == shown_rows()


# ---------------------------------------------------------------- tables


def columns_shown(table: str) -> list[str]:
    """Return the columns that the page has under the heading of a table, in its order."""
    (section,) = re.findall(
        rf"^## `{table}`\n(.*?)(?=^## |\Z)", DOCS["database.md"], re.MULTILINE | re.DOTALL
    )
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def test_the_page_of_the_database_has_every_column_of_every_table(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("CA" + "0" * 32)
    with duckdb.connect(str(folder.store.path), read_only=True) as connection:
        there = {
            table: [row[0] for row in connection.execute(f"describe {table}").fetchall()] for table in TABLES
        }
    assert {table: columns_shown(table) for table in TABLES} == there
    assert len(re.findall(r"^## `", DOCS["database.md"], re.MULTILINE)) == len(TABLES)
