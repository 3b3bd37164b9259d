"""The hosts of a fleet, as the file lists them."""

from pathlib import Path
from typing import Any

import pytest

from bridge.config import Settings, parse
from bridge.errors import ConfigError
from bridge.settings.fleet import MOST_HOSTS, Fleet, missing_of_fleet

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
        ("admin", {"one": "http://user:password@10.0.0.1:9090"}),
        ("admin", {"one": "unix:relative.sock"}),
        ("admin", {"one": 9090}),
    ],
)
def test_what_is_no_list_of_addresses_is_refused_and_says_what_to_write(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_with(fleet={key: value})
    assert str(refused.value).startswith(f"config.toml: [fleet] {key} = ")
    assert ": use " in str(refused.value)
    assert "password" not in str(refused.value)


def test_an_admin_address_may_be_a_socket_of_this_machine() -> None:
    admin = {"one": "http://10.0.0.1:9090", "two": "unix:/run/two.sock"}
    assert settings_with(fleet={"admin": admin}).fleet.admin == admin


@pytest.mark.parametrize(
    ("hosts", "host_url", "said"),
    [
        ({}, "", None),
        ({}, ONE, None),
        ({"one": ONE}, ONE, None),
        ({"one": ONE}, "", '[fleet] hosts has no ""'),
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
