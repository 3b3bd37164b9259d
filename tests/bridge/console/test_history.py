"""The list of calls: what is found, in which order, page by page; and that nothing said does anything."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest
from consoles import Site, site
from kept import Folder

from bridge.console.queries import PAGE
from bridge.store.database import TABLES, Store
from bridge.text.visible import UNSEEN

EVIL = (
    "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}\u202e\x1b[31m\u200b</td></table>"
    "&lt;b&gt;javascript:alert(3)"
)
MANY = PAGE * 2 + 7


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(page: str) -> Seen:
    found = Seen()
    found.feed(page)
    return found


def spoil(store: Store, call_id: str) -> int:
    """Write what would do something into every text that is kept of a call; return how many there are."""
    count = 0
    with duckdb.connect(str(store.path), config={"threads": 1}) as connection:
        for table in TABLES:
            for name, kind, *_ in connection.execute(f"describe {table}").fetchall():
                if kind == "VARCHAR" and name not in ("call_id", "role"):
                    connection.execute(f"update {table} set {name} = ? where call_id = ?", [EVIL, call_id])
                    count += 1
    return count


@pytest.mark.parametrize(
    "path",
    ["/console/calls", "/console/calls?words=alert", "/console/calls/CA1", "/console/calls?part=history"],
)
async def test_nothing_that_was_said_or_sent_does_anything_on_a_page(tmp_path: Path, path: str) -> None:
    folder = Folder(tmp_path)
    folder.put("CA1", tape="interrupted")
    plain = seen(await site(tmp_path).page(path.replace("alert", "table")))
    assert spoil(folder.store, "CA1") > 20
    page = await site(tmp_path).page(path)
    found = seen(page)
    assert "alert(1)" in found.text
    assert "49" not in found.text.replace("10:49", "").replace(str(tmp_path), "")
    assert found.tags.get("script", 0) <= plain.tags.get("script", 0)
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [
        value
        for name, value in found.attributes
        if name in ("href", "src") and not value.startswith(("/console/", "#"))
    ]
    assert [char for char in UNSEEN.findall(page) if char != "\n"] == []


async def test_what_is_typed_into_an_address_does_nothing_either(tmp_path: Path) -> None:
    Folder(tmp_path).put("CA1")
    names = (
        "words",
        "agent",
        "number",
        "tool",
        "since",
        "waited",
        "sort",
        "after",
        "ended_by",
        "marked",
        "label",
    )
    page = await site(tmp_path).page(
        "/console/calls?" + "&".join(f"{name}=%22%3E%3Cscript%3Ealert(1)%3C/script%3E" for name in names)
    )
    assert "<script>alert" not in page


# ---------------------------------------------------------------- finding calls


@pytest.fixture
def many(tmp_path: Path) -> Site:
    """Many calls, made of one: another minute, length, cost and wait each."""
    folder = Folder(tmp_path)
    folder.put("CA0")
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        row = "call_id: 'CA' || i, started_at: timestamp '2026-11-01' + interval (i) minute, "
        row += "duration_ms: 1000 * (i % 50), cost_usd: (i % 7) / 100, longest_wait_ms: 100 * (i % 60), "
        row += "interruptions: i % 3, failed_tool_calls: i % 4, agent: if(i % 2 = 0, 'night', 'front-desk'), "
        row += "ended_by: 'caller', from_number: '+1555010' || i"
        connection.execute("delete from calls; delete from transcript")
        connection.execute(f"insert into calls by name select unnest({{{row}}}) from range({MANY}) r(i)")
        said = "if(i = 42, 'A ZEPPELIN, 100% off_the_ground.', 'A table for two.')"
        connection.execute(
            f"insert into transcript by name select 'CA' || i as call_id, 1 as position, 'caller' as role, "
            f"{said} as said from range({MANY}) r(i)"
        )
        connection.execute("delete from spoken")
        connection.execute("insert into spoken select call_id, 0, said, lower(said) from transcript")
    return site(tmp_path)


def calls_on(page: str) -> list[str]:
    return [
        value.removeprefix("/console/calls/")
        for name, value in seen(page).attributes
        if name == "href" and value.startswith("/console/calls/")
    ]


async def listed(console: Site, address: str) -> list[str]:
    """Return the calls of a list, read page by page."""
    found, pages = list[str](), 0
    while address:
        page = await console.page(address)
        found += calls_on(page)
        following = [value for name, value in seen(page).attributes if name == "href" and "after=" in value]
        address, pages = (following or [""])[0], pages + 1
        assert pages < 10
    return found


ORDERS: dict[str, Any] = {
    "newest": lambda i: i,
    "slowest": lambda i: i % 60,
    "longest": lambda i: i % 50,
    "dearest": lambda i: i % 7,
    "interrupted": lambda i: i % 3,
}


@pytest.mark.parametrize("sort", ORDERS)
async def test_page_by_page_every_call_comes_once_in_its_order(many: Site, sort: str) -> None:
    found = await listed(many, f"/console/calls?sort={sort}")
    wanted = sorted(range(MANY), key=lambda i: (ORDERS[sort](i), f"CA{i}"), reverse=True)
    assert found == [f"CA{i}" for i in wanted]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("agent=night", lambda i: i % 2 == 0),
        ("number=55501042", lambda i: i == 42),
        ("longer=40", lambda i: i % 50 > 40),
        ("waited=5", lambda i: i % 60 > 50),
        ("dearer=0.05", lambda i: i % 7 > 5),
        ("interrupted=1", lambda i: i % 3 > 0),
        ("failed=1", lambda i: i % 4 > 0),
        ("since=2026-11-02", lambda i: False),
        ("until=2026-11-01&agent=night&failed=1", lambda i: i % 2 == 0 and i % 4 > 0),
        ("words=zeppelin", lambda i: i == 42),
        ("words=Zeppelin+off_the+100%25", lambda i: i == 42),
        ("words=zeppelin+nowhere", lambda i: False),
        ("words=offxthe", lambda i: False),
        ("words=Table%3F+%22for%22", lambda i: i != 42),
        ("words=two,++%C2%BFA+TABLE!", lambda i: i != 42),
        ("words=zeppelin%3A+off-the", lambda i: i == 42),
        ("words=guests%27", lambda i: False),
        ("words=table+TWO&interrupted=1", lambda i: i % 3 > 0 and i != 42),
    ],
)
async def test_filters_find_what_they_say(many: Site, asked: str, wanted: Any) -> None:
    assert sorted(await listed(many, f"/console/calls?{asked}")) == sorted(
        f"CA{i}" for i in range(MANY) if wanted(i)
    )


async def test_calls_are_found_by_a_word_of_the_label_that_they_have_now(many: Site, tmp_path: Path) -> None:
    labels = [("CA1", 0, "Slow tool"), ("CA2", 0, "slow"), ("CA2", 1, "100% fine"), ("CA3", 0, "other")]
    with duckdb.connect(str(tmp_path / "calls.duckdb"), config={"threads": 1}) as connection:
        connection.executemany("insert into marks (call_id, position, label) values (?, ?, ?)", labels)
    assert await listed(many, "/console/calls?label=SLOW") == ["CA1"]
    assert await listed(many, "/console/calls?label=0%25") == ["CA2"]
    assert await listed(many, "/console/calls?label=nothing") == []


async def test_a_word_that_was_found_is_marked_where_it_stands(many: Site) -> None:
    assert "A <mark>ZEPPELIN</mark>, 100% off_the_ground." in await many.page("/console/calls?words=zeppelin")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Don\u2019t close, I\u2019m late.", "don't \"i'm\""),
        ("Don't close, I'm late.", "DON\u2019T close!"),
        ("Die T\u00fcr, bitte!", "\u00abT\u00dcR\u00bb"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442!", "\u043f\u0440\u0438\u0432\u0435\u0442?"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947\u0964", "\u0928\u092e\u0938\u094d\u0924\u0947,"),
        ("\u4e88\u7d04\u3092\u304a\u9858\u3044\u3057\u307e\u3059\u3002", "\u300c\u4e88\u7d04\u300d"),
    ],
)
async def test_words_are_found_in_any_script_whatever_stands_round_them(
    tmp_path: Path, said: str, words: str
) -> None:
    folder = Folder(tmp_path)
    folder.put("CA0")
    with duckdb.connect(str(folder.store.path), config={"threads": 1}) as connection:
        connection.execute("update spoken set said = ?, lowered = ?", [said, said.lower()])
    page = await site(tmp_path).page(f"/console/calls?{urlencode({'words': words})}")
    assert calls_on(page) == ["CA0"]
    assert seen(page).tags["mark"] >= 1


async def test_of_punctuation_alone_the_page_says_that_there_is_no_word(many: Site) -> None:
    assert "said: use a word" in await many.page("/console/calls?words=%3F!")


async def test_a_filter_that_can_not_be_understood_is_told(many: Site) -> None:
    page = await many.page("/console/calls?waited=long&since=yesterday")
    assert "waited more than (s): use a number" in page
    assert "since: use a day, such as 2026-11-28" in page


@pytest.mark.parametrize("after", ["", "~", "x~y", "9" * 40 + "~CA1", "-5~CA1", "%D9%A1~CA1"])
async def test_a_place_that_was_made_up_is_a_place_like_any_other(many: Site, after: str) -> None:
    await many.page(f"/console/calls?after={after}")


async def test_the_times_and_the_days_of_the_list_say_that_they_are_utc(many: Site) -> None:
    page = await many.page("/console/calls")
    text = " ".join(seen(page).text.split())
    assert all(f"{name} (UTC)" in text for name in ("When", "Since", "Until"))
    assert ">01 Nov 01:46</time>" in page


async def test_before_the_first_call_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    assert "Ring the number" in await site(tmp_path).page("/console/calls")
