"""Which proxy is on the way to the model: the configuration's, else the environment's; no password is shown."""

from pathlib import Path
from typing import Any

import pytest

from bridge.calls.setup import model_address
from bridge.config import parse, read_secrets
from bridge.errors import ConfigError
from bridge.proxies import Proxy, proxy_for

OPENAI = "wss://api.openai.com/v1/realtime"
P = "http://proxy.example.com:3128"


def way(url: str = OPENAI, setting: str = "", **environment: str) -> str:
    """Return the proxy on the way as it is shown, and who named it; nothing for none."""
    proxy = proxy_for(url, setting, environment)
    return f"{proxy} {proxy.named_by}" if proxy else ""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": P}, f"{P} HTTPS_PROXY"),
        ({"https_proxy": P, "HTTPS_PROXY": "http://other:1"}, f"{P} https_proxy"),
        ({"ALL_PROXY": "socks5h://p:1"}, "socks5h://p:1 ALL_PROXY"),
        ({"ALL_PROXY": "socks5://p"}, "socks5://p:1080 ALL_PROXY"),
        ({"HTTPS_PROXY": "", "all_proxy": P}, f"{P} all_proxy"),
        ({"HTTP_PROXY": P}, ""),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128 HTTPS_PROXY"),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:3128/"}, "http://[2001:db8::1]:3128 HTTPS_PROXY"),
    ],
)
def test_the_environment_names_it_as_for_curl(environment: dict[str, str], expected: str) -> None:
    assert way(**environment) == expected


def test_plain_websockets_have_the_proxy_of_plain_http() -> None:
    assert way("ws://model.example.com/v1", HTTP_PROXY=P, HTTPS_PROXY="http://other:1") == f"{P} HTTP_PROXY"


@pytest.mark.parametrize(
    ("no_proxy", "is_excepted"),
    [
        ("*", True), ("api.openai.com", True), ("openai.com", True), (".openai.com", True), ("*.openai.com", True),
        ("API.OpenAI.com", True), ("a.example, openai.com", True), ("a.example openai.com", True),
        ("openai.com:443", True), ("openai.com:8443", False), ("penai.com", False), ("i.com", False), ("", False),
        ("com.", True), ("api.openai.com.example", False), ("10.0.0.0/8", False), (",", False), (".", False),
    ],
)  # fmt: skip
def test_no_proxy_names_what_needs_none(no_proxy: str, is_excepted: bool) -> None:
    assert way(HTTPS_PROXY=P, NO_PROXY=no_proxy) == ("" if is_excepted else f"{P} HTTPS_PROXY")
    assert way(HTTPS_PROXY=P, no_proxy=no_proxy) == ("" if is_excepted else f"{P} HTTPS_PROXY")


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_excepted"),
    [("10.1.2.3", "10.0.0.0/8", True), ("11.1.2.3", "10.0.0.0/8", False), ("10.1.2.3", "10.1.2.3:443", True),
     ("[2001:db8::7]", "2001:db8::/32", True), ("[2001:db8::7]", "[2001:db8::7]:443", True)],
)  # fmt: skip
def test_no_proxy_names_addresses_and_networks(host: str, no_proxy: str, is_excepted: bool) -> None:
    assert (way(f"wss://{host}/v1", HTTPS_PROXY=P, NO_PROXY=no_proxy) == "") == is_excepted


@pytest.mark.parametrize("host", ["localhost", "me.localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_is_reached_by_no_proxy_but_one_that_is_configured(host: str) -> None:
    url = f"ws://{host}:9/v1"
    assert way(url, HTTP_PROXY=P, ALL_PROXY=P) == ""
    assert way(url, setting=P) == f"{P} [realtime] proxy"


def test_the_configuration_comes_before_the_environment() -> None:
    assert way(setting="socks5h://p:1", HTTPS_PROXY=P, NO_PROXY="*") == "socks5h://p:1 [realtime] proxy"
    assert way(setting="none", HTTPS_PROXY=P) == ""


# ---------------------------------------------------------------- passwords

SECRET = "http://me%40here:hush%3Ahush@proxy.example.com:3128"


def read(proxy: str = "", **environment: str) -> Any:
    settings = parse({"agents": {"a": {}}, "realtime": {"proxy": proxy}}, Path("config.toml"))
    return settings, read_secrets(settings, environment)


def test_name_and_password_are_used_and_never_shown() -> None:
    settings, secrets = read(HTTPS_PROXY=SECRET)
    proxy = model_address(settings, secrets).proxy
    assert proxy == Proxy("http", "proxy.example.com", 3128, "HTTPS_PROXY", "me@here", "hush:hush")
    assert "hush" not in f"{proxy} {proxy!r} {secrets!r} {model_address(settings, secrets)!r}"
    assert {"me@here", "hush:hush"} <= set(secrets.all)


@pytest.mark.parametrize("value", ["ftp://me:hush@p:1", "https://me:hush@p:1", "http://me:hush@p:99999999", "http://",
                                   "http://p:1/path", "me:hush@", "socks4://me:hush@p:1"])  # fmt: skip
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(value: str) -> None:
    with pytest.raises(ConfigError, match=r"HTTPS_PROXY = .*: use http://HOST:PORT") as caught:
        read(HTTPS_PROXY=value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["http://me:hush@p:1", "https://p:1", "p:1", "http://p:0", "http://p:1?a=b", 5]
)
def test_a_setting_that_is_no_proxy_is_told(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"\[realtime\] proxy = .*: use \"http://HOST:PORT\"") as caught:
        parse({"agents": {"a": {}}, "realtime": {"proxy": value}}, Path("config.toml"))
    assert "hush" not in str(caught.value)
