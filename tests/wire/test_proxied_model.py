"""The way to the model through a proxy: CONNECT and SOCKS5, with a password or without, and what is told of it."""

import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
import trustme
from click.testing import CliRunner
from model_client import running
from small_proxies import NAME, PASSWORD, SmallProxy, Speak, proxy_of, speak_http, speak_nonsense, speak_socks

from bridge import config
from bridge.cli import main
from bridge.config import Secrets
from bridge.doctor.model import check_model
from bridge.doctor.world import Patient
from bridge.errors import LinkError
from bridge.links.model import ModelAddress, open_model, open_pipe
from bridge.proxies import Proxy
from replay.model.script import Script
from replay.model.server import ModelServer

KINDS: dict[str, tuple[Speak, str]] = {
    "http": (speak_http, "CONNECT model.invalid:80"),
    "socks5h": (speak_socks, "name model.invalid:80"),
}
URL = "ws://model.invalid/v1/realtime"
KEY = [("Authorization", "Bearer sk-test")]


def port_of(server: ModelServer) -> int:
    return urlsplit(server.url).port or 0


def proxied(
    scheme: str, proxy: SmallProxy, *, url: str = URL, named: bool = False, **more: Any
) -> ModelAddress:
    credentials = (NAME, PASSWORD) if named else ("", "")
    return ModelAddress(
        url, "m", KEY, proxy=Proxy(scheme, "127.0.0.1", proxy.port, "test", *credentials), **more
    )


@pytest.mark.parametrize("is_guarded", [False, True])
@pytest.mark.parametrize("scheme", list(KINDS))
async def test_a_session_goes_through_the_proxy_which_looks_the_name_up(
    scheme: str, is_guarded: bool
) -> None:
    speak, asked = KINDS[scheme]
    with trio.fail_after(20):
        async with (
            running(Script()) as server,
            proxy_of(speak, port_of(server), is_guarded=is_guarded) as proxy,
            open_model(proxied(scheme, proxy, named=is_guarded)) as link,
        ):
            assert "session.created" in str(await link.receive())
    assert proxy.asked == [asked]


async def test_a_socks5_proxy_is_given_an_address_that_was_looked_up_here() -> None:
    with trio.fail_after(20):
        async with running(Script()) as server, proxy_of(speak_socks, port_of(server)) as proxy:
            url = f"ws://localhost:{port_of(server)}/v1/realtime"
            async with open_model(proxied("socks5", proxy, url=url)) as link:
                assert "session.created" in str(await link.receive())
    assert re.fullmatch(rf"address .*:{port_of(server)}", proxy.asked[0])


@pytest.mark.parametrize("scheme", list(KINDS))
async def test_tls_goes_from_here_to_the_model_and_the_proxy_sees_none_of_it(scheme: str) -> None:
    authority = trustme.CA()
    theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("model.invalid").configure_cert(theirs)
    authority.configure_trust(ours)

    async def echo(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.send_all(await stream.receive_some())

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_ssl_over_tcp_listeners(0, theirs, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, echo, [listener])
            port = listener.transport_listener.socket.getsockname()[1]
            async with proxy_of(KINDS[scheme][0], port) as proxy:
                address = proxied(scheme, proxy, url="wss://model.invalid/v1", context=ours)
                async with open_pipe(address) as pipe:
                    pipe.write(b"hello")
                    assert await pipe.read() == b"hello"
            nursery.cancel_scope.cancel()
    assert proxy.asked == [KINDS[scheme][1].replace(":80", ":443")]


REFUSALS: dict[str, tuple[str, Speak, str]] = {
    "no password for HTTP": ("http", speak_http, "refused: HTTP 407"),
    "no password for SOCKS": ("socks5h", speak_socks, "refused: "),
    "no HTTP": ("http", speak_nonsense, "speaks no HTTP, or left without an answer"),
    "no SOCKS": ("socks5h", speak_nonsense, "refused: "),
}


@pytest.mark.parametrize(("scheme", "speak", "words"), REFUSALS.values(), ids=list(REFUSALS))
async def test_a_proxy_that_refuses_is_told_without_its_password(
    scheme: str, speak: Speak, words: str
) -> None:
    with trio.fail_after(20):
        async with proxy_of(speak, is_guarded=True) as proxy:
            address = proxied(scheme, proxy)
            if speak is speak_nonsense:
                address = proxied(scheme, proxy, named=True)
            with pytest.raises(LinkError) as refused:
                async with open_model(address):
                    pass
    told = f"{URL} can't be reached: the proxy {scheme}://127.0.0.1:{proxy.port} {words}"
    assert str(refused.value).startswith(told)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("scheme", list(KINDS))
async def test_a_proxy_that_is_not_there_is_told(scheme: str) -> None:
    with (
        trio.fail_after(20),
        pytest.raises(LinkError, match=rf"the proxy {scheme}://127.0.0.1:1 can't be reached"),
    ):
        async with open_model(proxied(scheme, SmallProxy(1, port=1))):
            pass


async def test_an_address_made_by_hand_has_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://p.example.com:1")
    assert str(ModelAddress(URL, "m", []).proxy) == "socks5h://p.example.com:1"
    assert ModelAddress("ws://127.0.0.1:1/v1", "m", []).proxy is None


# ---------------------------------------------------------------- what is said of it


def patient_behind(proxy: Proxy) -> Patient:
    raw = {"realtime": {"url": URL}, "agents": {"front-desk": {}}}
    return Patient(config.parse(raw, Path("config.toml")), Secrets(("t",), "k", proxy=proxy), "", False)


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


async def speak_and_answer(proxy: SmallProxy, client: trio.SocketStream) -> bool:
    """Be the proxy and the server behind it: over plain HTTP a request is passed on, without a tunnel."""
    proxy.asked.append((await client.receive_some()).decode().split("\r\n")[0])
    await client.send_all(ANSWER)
    return False


async def speak_socks_and_answer(proxy: SmallProxy, client: trio.SocketStream) -> bool:
    return await speak_socks(proxy, client) and await speak_and_answer(proxy, client)


@pytest.mark.parametrize(
    ("scheme", "speak"),
    [("http", speak_and_answer), ("socks5", speak_socks_and_answer), ("socks5h", speak_socks_and_answer)],
)
async def test_the_doctor_goes_the_same_way_and_says_so(scheme: str, speak: Speak) -> None:
    with trio.fail_after(20):
        async with proxy_of(speak, is_guarded=True) as small:
            proxy = Proxy(scheme, "127.0.0.1", small.port, "HTTPS_PROXY", NAME, PASSWORD)
            found = await check_model(patient_behind(proxy))
    said = [finding.text for finding in found]
    assert (
        f"calls reach model.invalid, through the proxy {scheme}://127.0.0.1:{small.port} (HTTPS_PROXY)"
        in said
    )
    assert PASSWORD not in str(found)
    assert "model.invalid" in small.asked[0]


async def test_the_doctor_says_which_proxy_refused() -> None:
    with trio.fail_after(20):
        async with proxy_of(speak_nonsense) as small:
            (found,) = await check_model(
                patient_behind(Proxy("http", "127.0.0.1", small.port, "HTTPS_PROXY"))
            )
    assert f"through the proxy http://127.0.0.1:{small.port} (HTTPS_PROXY)" in found.text
    assert "is HTTPS_PROXY right" in found.next


def test_check_says_which_proxy_is_used(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[agents.front-desk]\ngreeting = "Hello."\n')
    environment = {"HTTPS_PROXY": "http://me:hush@p.example.com:3128", "OPENAI_API_KEY": "k", "NO_PROXY": ""}
    outcome = CliRunner().invoke(main, ["check", "--config", str(path)], env=environment)
    assert "to the model through the proxy http://p.example.com:3128 (HTTPS_PROXY)" in outcome.output
    assert "hush" not in outcome.output
