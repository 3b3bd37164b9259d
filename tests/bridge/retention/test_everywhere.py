"""Erasing a number across hosts, the lake and its catalogue: afterwards no byte of it is anywhere."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from kept import ALICE, Folder
from lakes import Postgres, asked, needs_extensions, needs_postgres, postgres

from bridge.lake.erasures import open_for
from bridge.lake.opening import LakePlace, opened
from bridge.lake.sending import send
from bridge.lake.upkeep import tidy
from bridge.retention.everywhere import answer_requests, erase_everywhere, meant_everywhere
from bridge.store.unsent import Unsent

pytestmark = [needs_extensions, needs_postgres]
HOSTS = ("host-a", "host-b", "host-c")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def fleet(tmp_path: Path, server: Postgres) -> dict[str, tuple[Folder, LakePlace]]:
    """Return three hosts, each with a call of Alice's and one of somebody else's; one of Alice's is not sent yet."""
    place = LakePlace(server.database(f"f{abs(hash(tmp_path))}"), str(tmp_path / "files"), "", {})
    hosts = {}
    for number, name in enumerate(HOSTS):
        folder, here = Folder(tmp_path / name), evolve(place, host=name)
        folder.put(f"CAalice{number}", caller=ALICE)
        folder.put(f"CAother{number}", day=f"2026-11-2{number}")
        Unsent.in_folder(folder.data).mark([f"CAalice{number}", f"CAother{number}"], are_new=True)
        hosts[name] = (folder, here)
        if name != "host-c":
            with opened(here) as connection:
                send(connection, here, folder.store)
    with opened(hosts["host-c"][1]) as connection:
        send(connection, hosts["host-c"][1], hosts["host-c"][0].store, 1)  # of its two calls one still waits
    return hosts


def bytes_left(folder: Path, words: list[bytes]) -> list[str]:
    """Return the files under a folder that hold one of these words, unpacked or not, or in their name."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "pg_wal" not in path.parts):
        data = path.read_bytes() + str(path.relative_to(folder)).encode()
        data += gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else b""
        found += [str(path)] if any(word in data for word in words) else []
    return found


def test_a_number_is_erased_from_three_hosts_and_the_lake_to_the_last_byte(tmp_path: Path, server: Postgres):
    hosts = fleet(tmp_path, server)
    (folder, here), words = hosts["host-a"], [ALICE[1:].encode(), b"CAalice"]
    assert bytes_left(tmp_path, words)
    with opened(here) as connection:
        tidy(connection, here)
        meant = meant_everywhere(connection, folder.data, ALICE)
        others_answer(hosts)
        erased = erase_everywhere(connection, here, folder.data, meant, wait_seconds=60)
    assert {(one.host, one.calls, one.left) for one in erased.answers} == {("host-b", 1, 0), ("host-c", 1, 0)}
    assert (erased.silent, erased.left, erased.is_gone) == ((), (), True)
    server.run("psql", "-h", str(server.folder), "-U", "bridge", "postgres", "-c", "checkpoint")
    assert bytes_left(tmp_path, words) == []
    assert bytes_left(server.folder, words) == []
    names = [row[0] for row in asked(here, "select call_id from lake.calls order by 1")]
    assert names == [name for name in ("CAother0", "CAother1", "CAother2") if name in names]
    with opened(hosts["host-c"][1]) as connection:
        send(connection, hosts["host-c"][1], hosts["host-c"][0].store)
    assert asked(here, "select call_id from lake.calls order by 1") == [
        ("CAother0",),
        ("CAother1",),
        ("CAother2",),
    ]


def others_answer(hosts: dict[str, tuple[Folder, LakePlace]]) -> None:
    """Let the other hosts look for requests meanwhile, each as its sender would."""
    from threading import Thread

    def look(folder: Folder, place: LakePlace) -> None:
        with opened(place) as connection:
            for _ in range(200):
                if open_for(connection, place.host):
                    answer_requests(connection, place, folder.data)
                    return

    for name in ("host-b", "host-c"):
        Thread(target=look, args=hosts[name], daemon=True).start()


def test_a_host_that_is_silent_is_named_and_erases_its_own_when_it_looks(tmp_path: Path, server: Postgres):
    hosts = fleet(tmp_path, server)
    folder, here = hosts["host-a"]
    with opened(here) as connection:
        meant = meant_everywhere(connection, folder.data, ALICE)
        erased = erase_everywhere(connection, here, folder.data, meant, wait_seconds=0)
        assert "host-b" in erased.silent
        assert not erased.is_gone
    other, place = hosts["host-b"]
    assert other.holding("CAalice1")
    with opened(place) as connection:
        assert answer_requests(connection, place, other.data) == 1
        assert answer_requests(connection, place, other.data) == 0
    assert other.holding("CAalice1", ALICE[1:]) == []
