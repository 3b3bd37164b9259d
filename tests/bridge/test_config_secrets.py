"""Secrets: where they come from, what is missing without them, and that they are never shown."""

from pathlib import Path
from typing import Any

import pytest

from bridge.checks import SHA1, SharedKey
from bridge.config import Secrets, Settings, missing_secrets, parse, read_secrets
from bridge.errors import ConfigError


def settings_with(folder: Path = Path(), **tables: dict[str, Any]) -> Settings:
    return parse({"agents": {"front-desk": {}}, **tables}, folder / "config.toml")


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("realtime", "api_key", "sk-hush"),
        ("realtime", "api_key_env", "sk-hush"),
        ("twilio", "auth_token_env", "hush0123456789abcdef"),
        ("twilio", "auth_token", ["hush"]),
        ("realtime", "url", "wss://x.example.com/realtime?api-key=hush"),
        ("admin", "token", "hush"),
        ("admin", "token_env", "hush0123"),
        ("tracing", "endpoint", "https://otlp.example.com/v1/traces?key=hush"),
        ("realtime", "url", "wss://me:hush@x.example.com/realtime"),
    ],
)
def test_a_secret_written_into_the_file_is_refused_and_never_shown(table: str, key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"agents": {"a": {}}, table: {key: value}}, Path("config.toml"))
    assert f"[{table}] {key}" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_tokens_come_from_the_environment_newest_first() -> None:
    environment = {"TWILIO_AUTH_TOKEN": "new, old,new", "OPENAI_API_KEY": " sk-1\n"}
    secrets = read_secrets(settings_with(), environment)
    assert secrets == Secrets(auth_tokens=("new", "old"), api_key="sk-1")


def test_other_variables_can_be_named() -> None:
    named = settings_with(twilio={"auth_token_env": "MY_TOKEN"}, realtime={"api_key_env": "MY_KEY"})
    assert read_secrets(named, {"MY_TOKEN": "t", "MY_KEY": "k"}) == Secrets(("t",), "k")


def test_tokens_of_a_file_follow_those_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("third\nsecond, fourth\n")
    (tmp_path / "key").write_text("sk-file\n")
    named = settings_with(
        tmp_path, twilio={"auth_token_file": "tokens"}, realtime={"api_key_file": str(tmp_path / "key")}
    )
    secrets = read_secrets(named, {"TWILIO_AUTH_TOKEN": "first,second"})
    assert secrets == Secrets(("first", "second", "third", "fourth"), "sk-file")


def test_every_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    named = settings_with(tmp_path, twilio={"auth_token_file": "none"}, realtime={"api_key_file": "binary"})
    with pytest.raises(ConfigError) as caught:
        read_secrets(named, {})
    assert caught.value.faults == [
        f"{tmp_path / 'none'}: can't be read: No such file or directory",
        f"{tmp_path / 'binary'}: can't be read: it is not a text in UTF-8",
    ]


def test_nothing_is_missing_when_all_is_there() -> None:
    ready = settings_with(server={"public_url": "https://b.example.com"})
    assert missing_secrets(ready, Secrets(("t",), "k")) == []


def test_what_is_missing_says_what_to_set() -> None:
    token, public_url, key = missing_secrets(settings_with(), Secrets())
    assert token.startswith("no Twilio auth token: set TWILIO_AUTH_TOKEN, or name a file with [twilio] auth_")
    assert public_url.startswith("no public URL: set [server] public_url")
    assert key == "no OpenAI key: set OPENAI_API_KEY, or name a file with [realtime] api_key_file"


def test_running_open_and_on_a_server_of_ones_own_needs_neither_token_nor_key() -> None:
    own = settings_with(
        server={"public_url": "http://127.0.0.1:8080"},
        twilio={"accept_unsigned_requests_from_anybody": True},
        realtime={"url": "ws://127.0.0.1:9090/realtime"},
    )
    assert missing_secrets(own, Secrets()) == []


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:9090", "127.9.9.9:9090", "[::1]:9090", "localhost:9090", "unix:/a"]
)
def test_an_admin_address_of_this_machine_needs_no_token(bind: str) -> None:
    ready = settings_with(server={"public_url": "https://b.example.com"}, admin={"bind": bind})
    assert missing_secrets(ready, Secrets(("t",), "k")) == []


@pytest.mark.parametrize("bind", ["0.0.0.0:9090", "[::]:9090", "10.0.0.7:9090", "127.evil.example.com:9090"])
def test_an_admin_address_for_others_needs_one(bind: str) -> None:
    ready = settings_with(server={"public_url": "https://b.example.com"}, admin={"bind": bind})
    (sentence,) = missing_secrets(ready, Secrets(("t",), "k"))
    assert sentence.startswith(
        f'no admin token: [admin] bind = "{bind}" is open to other machines; set BRIDGE_ADM'
    )
    assert missing_secrets(ready, Secrets(("t",), "k", "let-me-in")) == []


def test_a_file_for_the_admin_token_without_one_is_no_way_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    ready = settings_with(
        tmp_path,
        server={"public_url": "https://b.example.com"},
        admin={"bind": "127.0.0.1:0", "token_file": "token"},
    )
    environment = {"TWILIO_AUTH_TOKEN": "t", "OPENAI_API_KEY": "k"}
    (sentence,) = missing_secrets(ready, read_secrets(ready, environment))
    assert sentence == "no admin token in token: write one into it, alone on a line"
    (tmp_path / "token").write_text("let-me-in\n")
    assert read_secrets(ready, environment).admin_token == "let-me-in"


def test_secrets_print_as_nothing() -> None:
    assert repr(Secrets(("hush",), "hush", "hush")) == str(Secrets()) == "Secrets()"


# ---------------------------------------------------------------- shared keys


def test_shared_keys_come_from_the_environment_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("k3:HMAC_SHA256=c==\n")
    named = settings_with(tmp_path, twilio={"shared_keys_file": "keys"})
    secrets = read_secrets(named, {"TWILIO_SHARED_KEYS": "k1=a, k2:HMAC_SHA1=b"})
    assert secrets.shared_keys == (SharedKey("k1", "a"), SharedKey("k2", "b", SHA1), SharedKey("k3", "c=="))
    assert secrets.signing == secrets.all == ("a", "b", "c==")


@pytest.mark.parametrize("word", ["hush", "k1=", "=hush", "k1:HMAC_MD5=hush", "k 1=hush"])
def test_what_is_no_shared_key_is_a_fault_that_shows_nothing(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_secrets(settings_with(), {"TWILIO_SHARED_KEYS": f"k0=fine,{word}"})
    assert "TWILIO_SHARED_KEYS" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_shared_keys_alone_will_do_and_a_shut_way_needs_them() -> None:
    ready = settings_with(server={"public_url": "https://b.example.com"})
    assert missing_secrets(ready, Secrets((), "k", shared_keys=(SharedKey("k", "s"),))) == []
    shut = settings_with(
        server={"public_url": "https://b.example.com"}, twilio={"auth_token_signs": "upgrades"}
    )
    (sentence,) = missing_secrets(shut, Secrets(("t",), "k"))
    assert "set TWILIO_SHARED_KEYS" in sentence
