"""Servers other than OpenAI's: their keys, headers and queries arrive, and no secret of them stays anywhere."""

from pathlib import Path
from typing import Any

import pytest
import trio
from model_client import running

from bench.stage import GREETING, MakePlace, open_stage
from bridge.calls.setup import model_address
from bridge.config import Secrets, missing_secrets, parse, read_secrets
from bridge.errors import ConfigError
from bridge.links.model import open_model
from bridge.tapes.reader import read_tape
from replay.model.script import Script
from replay.phone.ring import Caller
from replay.phone.script import WaitForAgent

AZURE_GA = {"model": "my-deployment", "api_key_header": "api-key"}
AZURE_DATED = {
    "api_key_header": "api-key",
    "query": {"api-version": "2025-04-01-preview", "deployment": "my deployment"},
}
GATEWAY = {
    "headers": {"OpenAI-Project": "proj_1", "X-Gateway-Key": "$GATEWAY_KEY", "Authorization": "$BEARER"},
    "query": {"token": "$QUERY_TOKEN"},
}
WORDS = {"GATEWAY_KEY": "hush-header", "BEARER": "Bearer hush-bearer", "QUERY_TOKEN": "hush&query"}


def settings_with(**realtime: Any) -> Any:
    return parse({"agents": {"a": {}}, "realtime": realtime}, Path("config.toml"))


def faults(**realtime: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        settings_with(**realtime)
    return str(caught.value)


@pytest.mark.parametrize(
    ("realtime", "query"),
    [
        (AZURE_GA, "?model=my-deployment"),
        (AZURE_DATED, "?api-version=2025-04-01-preview&deployment=my%20deployment"),
        ({}, "?model=gpt-realtime-2.1"),
    ],
)
def test_the_address_is_as_its_server_wants_it(realtime: dict[str, Any], query: str) -> None:
    settings = settings_with(url="wss://x.openai.azure.com/openai/v1/realtime", **realtime)
    address = model_address(settings, Secrets(api_key="k"))
    assert address.session_url == address.door == f"wss://x.openai.azure.com/openai/v1/realtime{query}"
    assert address.headers == (
        [("api-key", "k")] if "api_key_header" in realtime else [("Authorization", "Bearer k")]
    )


@pytest.mark.parametrize("realtime", [AZURE_GA, AZURE_DATED, GATEWAY], ids=["GA", "dated", "gateway"])
async def test_a_session_is_opened_with_them(realtime: dict[str, Any]) -> None:
    with trio.fail_after(10):
        async with running(Script()) as server:
            settings = settings_with(url=server.url, **realtime)
            secrets = read_secrets(settings, {"OPENAI_API_KEY": "sk", **WORDS})
            async with open_model(model_address(settings, secrets)) as link:
                assert "session.created" in str(await link.receive())
            (session,) = server.sessions
    if realtime is GATEWAY:
        assert session.headers["x-gateway-key"] == "hush-header"
        assert session.headers["openai-project"] == "proj_1"
    else:
        assert session.model.replace(" ", "-") == "my-deployment"


async def test_no_secret_of_an_address_is_on_a_tape_or_in_a_log(
    place: MakePlace, capsys: pytest.CaptureFixture[str]
) -> None:
    where = place(script=GREETING, realtime=GATEWAY, words=WORDS)
    with trio.fail_after(20):
        async with open_stage(where) as stage:
            await stage.ring(Caller(steps=(WaitForAgent(),), answer_delay_ms=0))
    (path,) = where.tapes
    tape = read_tape(path)
    assert any(b"?model=gpt-realtime-2.1&token=$QUERY_TOKEN" in line for line in tape.lines)
    address = model_address(settings_with(**GATEWAY), Secrets(words=WORDS))
    assert "hush" not in repr((tape, address)) + capsys.readouterr().out


# ---------------------------------------------------------------- what is wrong with them


@pytest.mark.parametrize(
    "realtime",
    [
        {"headers": {"X-Api-Key": "hush"}},
        {"headers": {"Authorization": "Bearer hush"}},
        {"headers": {"Cookie": "hush"}},
        {"query": {"api_key": "hush"}},
        {"query": {"access_token": "hush"}},
        {"headers": {"X": ["hush"]}},
        {"headers": "hush"},
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(realtime: dict[str, Any]) -> None:
    assert "hush" not in faults(**realtime)


@pytest.mark.parametrize(
    ("realtime", "told"),
    [
        ({"headers": {"Host": "x"}}, "other headers than Host"),
        ({"headers": {"Sec-WebSocket-Protocol": "x"}}, "other headers than Sec-WebSocket-Protocol"),
        ({"headers": {"X": "a\r\nY: b"}}, "text in ASCII"),
        ({"headers": {"X y": "a"}}, "names of letters"),
        ({"headers": {"x-a": "1", "X-A": "2"}}, "each header once"),
        ({"query": {"model": "x"}}, "the model has a setting of its own"),
        ({"query": {"a&b": "x"}}, "names of letters"),
    ],
)
def test_what_would_break_the_handshake_is_refused(realtime: dict[str, Any], told: str) -> None:
    assert told in faults(**realtime)


def test_a_word_that_the_environment_has_not_is_missed_by_its_name() -> None:
    settings = settings_with(url="wss://x.example.com/v1/realtime", headers={"X-Key": "$GATEWAY_KEY"})
    told = [one for one in missing_secrets(settings, Secrets(("t",))) if "GATEWAY_KEY" in one]
    assert told == ["no GATEWAY_KEY: [realtime] headers X-Key stands for it; set it in the environment"]
    with pytest.raises(ConfigError, match="GATEWAY_KEY"):
        read_secrets(settings, {"GATEWAY_KEY": "a\nb"})


def test_every_word_of_a_secret_is_kept_out_of_logs() -> None:
    assert {"hush-bearer", "hush-header", "hush&query"} <= {*Secrets(words=WORDS).all}
