"""How an agent did: each kind of bad moment is found at its place, and the curves say what the calls do."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from consoles import Site, site
from kept import Folder

from bridge.console.filters import ENDERS
from bridge.console.moments import numbers

NOW = datetime.now(UTC).replace(tzinfo=None)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two calls of today, in which nothing happened yet, and one of last year."""
    kept = Folder(tmp_path)
    kept.put("CA0")
    with duckdb.connect(str(kept.store.path), config={"threads": 1}) as connection:
        for table in ("calls", "transcript", "turns", "items", "tool_calls"):
            connection.execute(f"delete from {table}")
    for call, days in (("CA1", 0), ("CA2", 0), ("CA3", 400)):
        put(kept, "calls", call_id=call, agent="front-desk", started_at=NOW - timedelta(days=days), ended_by="caller",
            interruptions=1, cost_usd=0.5, duration_ms=60_000, is_torn=False, failed_tool_calls=0)  # fmt: skip
    return kept


def put(folder: Folder, table: str, **row: Any) -> None:
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        marks = ", ".join("?" for _ in row)
        connection.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values()))


def turn(folder: Folder, call: str, position: int, **ms: int) -> None:
    put(
        folder,
        "turns",
        call_id=call,
        position=position,
        caller_item_id=f"t{position}",
        **{f"{name}_ms": value for name, value in ms.items()},
    )


async def moments(console: Site, heading: str, asked: str = "") -> list[str]:
    """Return where the links of a section lead."""
    page = await console.page(f"/console/quality{asked}")
    section = page.split(f"<h2>{heading}</h2>")[1].split("</section>")[0]
    return re.findall(r'href="/console/calls/(\w+#t=[\d.]+)"', section)


async def test_the_longest_waits_come_first_and_lead_to_where_they_began(folder: Folder) -> None:
    turn(folder, "CA1", 0, speech_stopped=4000, committed=4100, response=900, latency=1400)
    turn(folder, "CA2", 0, speech_stopped=9000, committed=9100, response=3000)
    turn(folder, "CA3", 0, speech_stopped=1000, committed=1100, response=9000)
    assert await moments(site(folder.data), "Longest waits") == ["CA2#t=9.0", "CA1#t=4.0"]


async def test_where_both_were_heard_at_once_is_told(folder: Folder) -> None:
    turn(folder, "CA1", 0, speech_started=5000, speech_stopped=7000)
    for item, first, heard in (("a", 4000, 2500), ("b", 6900, 3000), ("c", -1, 9000)):
        put(folder, "items", call_id="CA1", position=0, item_id=item, first_heard=first, heard_ms=heard)
    assert await moments(site(folder.data), "Talked over") == ["CA1#t=5.0"]


async def test_callers_who_were_not_let_finish_are_told_with_their_words(folder: Folder) -> None:
    turn(folder, "CA1", 0, speech_started=1000, speech_stopped=2000, first_heard=2600)
    turn(folder, "CA1", 1, speech_started=3000, speech_stopped=4000, first_heard=4600)
    turn(folder, "CA1", 2, speech_started=9000, speech_stopped=9900)
    put(
        folder,
        "transcript",
        call_id="CA1",
        position=0,
        item_id="t0",
        role="caller",
        said="I want a table for",
    )
    console = site(folder.data)
    assert await moments(console, "Cut off") == ["CA1#t=2.6"]
    assert "I want a table for" in await console.page("/console/quality")


async def test_failed_tools_and_questions_that_were_asked_again_are_told(folder: Folder) -> None:
    put(
        folder,
        "tool_calls",
        call_id="CA1",
        position=0,
        name="book",
        error_kind="timeout",
        called_ms=1000,
        answered_ms=9000,
    )
    put(folder, "tool_calls", call_id="CA1", position=1, name="fine", called_ms=1000, answered_ms=1100)
    for position, said in enumerate(("For how many people?", "Yes.", "for how many people?", "Yes.")):
        put(
            folder,
            "transcript",
            call_id="CA2",
            position=position,
            role="agent",
            said=said,
            began_ms=position * 5000,
        )
    console = site(folder.data)
    assert await moments(console, "Failed tools") == ["CA1#t=9.0"]
    assert await moments(console, "Asked again") == ["CA2#t=10.0"]


async def test_days_and_agents_narrow_it(folder: Folder) -> None:
    turn(folder, "CA3", 0, speech_stopped=1000, committed=1100, response=9000)
    console = site(folder.data)
    assert "No call in these days" in await console.page("/console/quality?agent=night")
    assert await moments(console, "Longest waits", "?days=9999") == []
    for days in ("0", "-1", "x", "99999999999", "%D9%A3"):
        await console.page(f"/console/quality?days={days}")


async def test_the_curves_are_what_the_calls_were(folder: Folder) -> None:
    turn(folder, "CA1", 0, response=1000, latency=1500)
    turn(folder, "CA2", 0, response=2000, latency=2500)
    page = await site(folder.data).page("/console/trends?days=7")
    curves = json.loads(page.split('id="curves">')[1].split("</script>")[0])
    assert [curves[name] for name in ("calls", "by_caller", "cost_usd", "interruptions", "p50_ms")] == [
        [2], [2], [1.0], [1.0], [2000.0],
    ]  # fmt: skip


async def test_whoever_ended_a_call_is_in_the_curves_and_in_the_figures(folder: Folder) -> None:
    for number, ender in enumerate((*ENDERS, None, "somebody else")):
        put(folder, "calls", call_id=f"CB{number}", agent="night", started_at=NOW, ended_by=ender)
    page = await site(folder.data).page("/console/trends?agent=night")
    curves = json.loads(page.split('id="curves">')[1].split("</script>")[0])
    names = re.search('data-curves="(by_[^"]*)"', page)
    assert names is not None
    counts = {name: curves[name] for name in names[1].split()}
    assert counts == {**{f"by_{one}": [1] for one in ENDERS}, "by_unknown": [2]}
    assert sum(sum(count) for count in counts.values()) == curves["calls"][0]
    assert ", ".join(f"{one} 1" for one in ENDERS) + ", unknown 2" in page


async def test_who_ended_no_call_has_no_curve(folder: Folder) -> None:
    assert 'data-curves="by_caller"' in await site(folder.data).page("/console/trends")


@pytest.mark.parametrize(("days", "piece"), [(1, "hour"), (7, "day"), (90, "day")])
async def test_the_curves_begin_and_end_with_the_days_that_were_chosen(
    folder: Folder, days: int, piece: str
) -> None:
    before = datetime.now(UTC)
    page = await site(folder.data).page(f"/console/trends?days={days}")
    curves = json.loads(page.split('id="curves">')[1].split("</script>")[0])
    first, until = (datetime.fromtimestamp(curves[name], UTC) for name in ("from", "until"))
    assert before - timedelta(seconds=1) <= until <= datetime.now(UTC)
    assert (first.minute, first.second) == (0, 0)
    assert first.hour == 0 or piece == "hour"
    assert timedelta(days) <= until - first < timedelta(days) + timedelta(**{f"{piece}s": 1})
    assert first.timestamp() <= curves["times"][0] <= curves["until"]


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
def test_the_days_that_are_counted_back_begin_now_wherever_the_machine_is(folder: Folder, zone: str) -> None:
    for call, hours in (("CB1", 23), ("CB2", 25)):
        put(folder, "calls", call_id=call, agent="night", started_at=NOW - timedelta(hours=hours))
    sql, values = numbers(1, "night")
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        connection.execute(f"set TimeZone = '{zone}'")
        found = connection.execute(sql, values).fetchone()
    assert found is not None
    assert found[0] == 1


async def test_with_no_calls_at_all_both_pages_say_so(tmp_path: Path) -> None:
    for page in ("quality", "trends"):
        assert "No call in these days" in await site(tmp_path).page(f"/console/{page}")
