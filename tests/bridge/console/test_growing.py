"""A call's page while the call goes on: what its tape has by now, again when that is more, and that it is over."""

import gzip
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from consoles import ADMIN, ON, TOKEN, AtOnce, Seen

from bridge.console.app import Door, Pages
from bridge.console.growing import Growing
from bridge.indexing.desk import Desk
from bridge.store.database import Store

TAPE = Path(__file__).parents[2] / "tapes" / "interrupted.jsonl.gz"
LINES = gzip.decompress(TAPE.read_bytes()).splitlines(keepends=True)
CALL_ID = "CAf46413694d3b4e1559edc623516ad667"


@define
class Live:
    """A call that goes on."""

    call_id: str = CALL_ID


@pytest.fixture
def path(tmp_path: Path) -> Path:
    day = tmp_path / "tapes" / "2026-11-23"
    day.mkdir(parents=True)
    return day / f"{CALL_ID}.jsonl"


def growing(path: Path, *live: Live) -> tuple[Growing, Seen]:
    data = path.parents[2]
    seen = Seen(AtOnce(Desk(data / "calls.duckdb")), live)
    door = Door(ADMIN, ON, TOKEN)
    return Growing(Pages(lambda: door, seen)), seen  # type: ignore[arg-type]


def write(path: Path, lines: int) -> None:
    """Write as many lines of the tape."""
    path.write_bytes(b"".join(LINES[:lines]))


def complete(path: Path) -> None:
    """Complete the tape, and have it indexed."""
    done = path.with_suffix(".jsonl.gz")
    done.write_bytes(TAPE.read_bytes())
    path.unlink()
    Store(path.parents[2] / "calls.duckdb").add([done])


def told(event: bytes) -> dict[str, Any]:
    return dict(json.loads(event.removeprefix(b"data: ")))


async def test_the_page_comes_again_when_there_is_more_to_tell_and_ends_with_the_rows(path: Path) -> None:
    write(path, 300)
    watched, seen = growing(path, Live())
    async with aclosing(watched.events(CALL_ID)) as events:
        first = told(await anext(events))
        assert "How " in first["body"]
        assert "Wait, " not in first["body"]
        write(path, len(LINES))
        second = told(await anext(events))
        assert "Wait, " in second["body"]
        assert "The tape was torn" not in second["body"]
        complete(path)
        seen.live = ()
        assert [event async for event in events] == [b"event: over\ndata: \n\n"]


async def test_a_call_without_a_line_yet_has_nothing_to_tell(path: Path) -> None:
    watched, seen = growing(path, Live())
    seen.live = ()
    Store(path.parents[2] / "calls.duckdb").add([TAPE])
    assert [event async for event in watched.events(CALL_ID)] == [b"event: over\ndata: \n\n"]
