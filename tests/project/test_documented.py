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

from bridge.agents import Agent
from bridge.checks import key_of
from bridge.cli import main as bridge
from bridge.config import Settings, parse
from bridge.observe.metric import Metric
from bridge.observe.metric_table import COUNTERS, GAUGES, HISTOGRAMS, TOTALS
from bridge.screen.lazy_group import LazyGroup
from bridge.settings.filler import Clip
from bridge.settings.languages import Sentence
from bridge.settings.leaving import WAYS
from bridge.settings.places import Collect, Place, Voicemail
from bridge.settings.turn_detection import SemanticVad, ServerVad
from bridge.store.database import KEPT
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

NO_SETTING = {Settings: {"agents", "folder"}, Agent: {"name"}, Place: {"name", *WAYS[1:]}}
"""Fields that have another source: the tables' own names, and where the file is; and what stands for another one."""

MADE_BY_HAND = {"transfer.events": Place(), "voicemail": Voicemail(), "collect": Collect()}
"""Tables of an agent that are not there until somebody writes one."""

WRITTEN = tomllib.loads(re.sub(r"^# (?=\[|\w+ = )", "", CONFIG, flags=re.MULTILINE))
"""`config.toml` with what is commented out in force."""


def settings_of(values: Any, table: dict[str, Any], path: str) -> Iterator[tuple[str, bool]]:
    """Yield the path of every setting there is, and whether the file has it in its table."""
    for field in attrs.fields(type(values)):
        if field.name in NO_SETTING.get(type(values), ()):
            continue
        key, value = key_of(field), getattr(values, field.name)
        at = f"{path}{key}"
        yield at, key in table
        if attrs.has(type(value)) and not isinstance(value, Sentence | Clip):
            yield from settings_of(value, table.get(key, {}), f"{at}.")


def table_at(path: str) -> dict[str, Any]:
    """Return one of an agent's tables."""
    table: dict[str, Any] = WRITTEN["agents"]["front-desk"]
    for key in path.split("."):
        table = table.get(key, {})
    return table


FOUND = [
    *settings_of(Settings(), WRITTEN, ""),
    *settings_of(Agent(), WRITTEN["agents"]["front-desk"], "agents.front-desk."),
    *(
        one
        for path, values in MADE_BY_HAND.items()
        for one in settings_of(values, table_at(path), f"{path}.")
    ),
]


def test_every_setting_stands_in_its_table_of_the_configuration_file() -> None:
    assert len(FOUND) > 100
    assert [path for path, is_there in FOUND if not is_there] == []


def test_what_is_commented_out_there_could_be_in_force() -> None:
    with_another = WRITTEN | {"agents": WRITTEN["agents"] | {"night": {}}}
    agent = parse(with_another, Path("config.toml")).agents["front-desk"]
    assert agent.voicemail == Voicemail()
    assert agent.transfer["events"] == Place(
        "events", agent.transfer["events"].description, number="+15550100199"
    )


def test_what_only_semantic_turn_detection_has_is_named_beside_the_type() -> None:
    only = {field.name for field in attrs.fields(SemanticVad)} - {
        field.name for field in attrs.fields(ServerVad)
    }
    (line,) = (line for line in CONFIG.splitlines() if line.startswith('type = "server_vad"'))
    assert only
    assert [name for name in only if name not in line] == []


def test_each_way_to_a_place_is_named_beside_the_first() -> None:
    (beside,) = re.findall(r"# number = .*\n(?:#  .*\n)*", CONFIG)
    assert [way for way in WAYS if f"{way} = " not in beside] == []


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
            table: [row[0] for row in connection.execute(f"describe {table}").fetchall()] for table in KEPT
        }
    assert {table: columns_shown(table) for table in KEPT} == there
    assert len(re.findall(r"^## `", DOCS["database.md"], re.MULTILINE)) == len(KEPT)
