"""The hosts of a fleet, as the file lists them."""

from pathlib import Path
from typing import Any

import pytest

from bridge.config import Settings, parse
from bridge.errors import ConfigError
from bridge.settings.admin import Admin
from bridge.settings.fleet import (
    MOST_HOSTS,
    Fleet,
    doubts_of_fleet,
    missing_of_fleet,
    missing_of_looking,
)

ONE, TWO = "https://one.example.com", "https://two.example.com"
PUBLIC = "https://bridge.example.com"


def settings_with(**tables: Any) -> Settings:
    return parse({"agents": {"a": {}}, **tables}, Path("config.toml"))


def test_a_host_is_called_as_the_others_list_it_or_as_its_machine_calls_itself() -> None:
    listed = settings_with(server={"host_url": TWO}, fleet={"hosts": {"one": ONE, "two": TWO}})
    assert listed.host_name == "two"
    assert settings_with().host_name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hosts", [ONE]),
        ("hosts", {"one": ""}),
        ("hosts", {"one": "one.example.com"}),
        ("hosts", {"one": f"{ONE}/voice/desk"}),
        ("hosts", {"one": ONE, "two": ONE}),
        ("hosts", {"One": ONE}),
        ("hosts", {"a\nb": ONE}),
        ("hosts", {f"h{number}": f"https://h{number}.example.com" for number in range(MOST_HOSTS + 1)}),
        ("admin", {"one": "http://user:hidden@10.0.0.1:9090"}),
        ("admin", {"one": "unix:relative.sock"}),
        ("admin", {"one": 9090}),
    ],
)
def test_what_is_no_list_of_addresses_is_refused_and_says_what_to_write(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_with(fleet={key: value})
    assert str(refused.value).startswith(f"config.toml: [fleet] {key} = ")
    assert ": use " in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("hosts", {"one": ONE, "two": ONE}, "use an address of its own for each: one and two have the same"),
        (
            "hosts",
            {"one": ONE, "two": TWO, "three": "https://ONE.example.com:443"},
            "one and three have the same",
        ),
        ("admin", {"one": "unix:/run/x", "two": "unix:/run/x"}, "one and two have the same"),
        ("hosts", {"zwei hosts!": TWO}, "use another name than 'zwei hosts!'"),
        ("hosts", {"one": ONE, "two": "https://two.example.com:99999"}, "use for two a port from 1 to 65535"),
        ("hosts", {"one": 7}, "use for one a URL in quotes"),
        ("hosts", {"one": ONE, "two": ""}, "use an address for two, or leave it out"),
        ("admin", {"one": "ftp://10.0.0.1"}, "use for one a URL that begins with https:// or http://"),
        (
            "admin",
            {"one": "unix:relative.sock"},
            "use for one the whole path of a socket, such as unix:/run/",
        ),
        ("admin", {"one": "http://u:password@10.0.0.1"}, "use for one a URL without user, password or @"),
    ],
)
def test_what_is_wrong_with_a_list_of_hosts_is_said_with_the_names(key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_with(fleet={key: value})
    assert said in str(refused.value)


def test_an_admin_address_may_be_a_socket_of_this_machine() -> None:
    admin = {"one": "http://10.0.0.1:9090", "two": "unix:/run/two.sock"}
    assert settings_with(fleet={"admin": admin}).fleet.admin == admin


@pytest.mark.parametrize(
    ("hosts", "host_url", "said"),
    [
        ({}, "", None),
        ({}, ONE, None),
        ({"one": ONE}, ONE, None),
        ({"one": ONE, "two": TWO}, "", "no host_url: this host is one of one, two; set [server] host_url"),
        (
            {"one": ONE},
            "https://ONE.example.com:443",
            f'[fleet] hosts has "{ONE}", which [server] host_url has as',
        ),
        ({}, "https://BRIDGE.example.com:443", "[server] host_url is public_url"),
        ({"one": ONE}, TWO, f'[fleet] hosts has no "{TWO}"'),
        ({"one": ONE, "all": PUBLIC}, ONE, f'[fleet] hosts has "{PUBLIC}", which is [server] public_url'),
        ({}, PUBLIC, "[server] host_url is public_url"),
    ],
)
def test_hosts_that_could_not_find_each_other_do_not_start(
    hosts: dict[str, str], host_url: str, said: str | None
) -> None:
    missing = missing_of_fleet(Fleet(hosts), host_url, PUBLIC)
    assert [sentence.startswith(said) for sentence in missing if said] == [True] * bool(said)
    assert bool(missing) == bool(said)


def test_a_host_that_is_looked_at_and_not_listed_is_named() -> None:
    (said,) = missing_of_fleet(Fleet({"one": ONE}, {"two": "http://10.0.0.2:9090"}), ONE, PUBLIC)
    assert said.startswith("[fleet] admin has two, and [fleet] hosts has not")


LOOKED_AT = {"one": "http://10.0.0.1:9090", "two": "http://10.0.0.2:9090"}
BOTH = Fleet({"one": ONE, "two": TWO}, LOOKED_AT)


@pytest.mark.parametrize(
    ("fleet", "bind", "is_missing"),
    [
        (BOTH, "", True),
        (BOTH, "0.0.0.0:9090", False),
        (Fleet({"one": ONE}), "", False),
        (Fleet({"one": ONE, "two": TWO}, {"two": LOOKED_AT["two"]}), "", False),
    ],
)
def test_a_host_that_the_others_look_for_has_to_listen(fleet: Fleet, bind: str, is_missing: bool) -> None:
    missing = missing_of_looking(fleet, Admin(bind=bind), "one")
    assert [sentence.partition(";")[0] for sentence in missing] == [
        "no admin address: the others look for one at http://10.0.0.1:9090 ([fleet] admin), and lead nobody to a host "
        "that is not there"
    ] * is_missing


@pytest.mark.parametrize(
    ("fleet", "bind", "has_token", "said"),
    [
        (BOTH, "0.0.0.0:9090", True, []),
        (Fleet({"one": ONE, "two": TWO}), "127.0.0.1:9090", False, []),
        (BOTH, "0.0.0.0:9090", False, ["no admin token"]),
        (
            BOTH,
            "127.0.0.1:9090",
            True,
            ['[admin] bind = "127.0.0.1:9090" is reached from this machine alone'],
        ),
        (BOTH, "unix:/run/one.sock", True, ['[admin] bind = "unix:/run/one.sock" is reached']),
        (Fleet({"one": ONE}, {"one": "http://127.0.0.1:9090"}), "127.0.0.1:9090", True, []),
        (Fleet({"one": ONE}, {"one": "http://[::1]:9090"}), "[::1]:9090", True, []),
        (Fleet({"one": ONE}, {"one": "unix:/run/one.sock"}), "unix:/run/one.sock", True, []),
        (
            Fleet({"one": ONE, "two": TWO}, {"one": LOOKED_AT["one"]}),
            "0.0.0.0:9090",
            True,
            ["[fleet] admin has no address of two"],
        ),
    ],
)
def test_what_has_hosts_not_see_each_other_is_a_doubt(
    fleet: Fleet, bind: str, has_token: bool, said: list[str]
) -> None:
    told = list(doubts_of_fleet(fleet, Admin(bind=bind), "one", has_token=has_token))
    assert [sentence[: len(start)] for sentence, start in zip(told, said, strict=True)] == said
