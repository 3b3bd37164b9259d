"""`replay phone` as a shell would run it, against servers of the tests' own."""

import json
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio
from click.testing import CliRunner, Result
from phone_peer import CONNECT, HANGUP, PUBLIC, Bridge, Media, goodbye, to_the_end
from phone_strangers import anybody, http

from replay.commands.phone import phone
from replay.phone.load import Lateness, make_calls
from replay.phone.ring import Account
from replay.phone.screen import plain, summary_table
from replay.phone.signing import sign
from replay.phone.verdict import Verdict, percentile, summarise

SHORT = 'steps = [{ wait_ms = 100 }, "hang_up"]\n'


async def run(folder: Path, scenario: str, *args: str, env: dict[str, str] | None = None) -> Result:
    """Run the command in a thread of its own: it brings its own event loop."""
    path = folder / "call.toml"
    path.write_text(scenario)
    invoke = partial(CliRunner(env=env).invoke, phone, [str(path), *args])
    return await trio.to_thread.run_sync(invoke)


@asynccontextmanager
async def a_server(bridge: Bridge) -> AsyncIterator[str]:
    """A running media server; its http:// address. A test that hangs fails."""
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, bridge.serve, [listener])
            yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            nursery.cancel_scope.cancel()


def a_bridge(talk: object = to_the_end) -> Bridge:
    return Bridge(talk, {"/voice": CONNECT, "/after": HANGUP})  # type: ignore[arg-type]


async def speak(media: Media) -> None:
    await media.until("media")
    await media.play(10)
    await to_the_end(media)


# ---------------------------------------------------------------- one call


async def test_a_call_that_went_as_told_leaves_with_0(tmp_path: Path) -> None:
    expect = '[expect]\nended_by = "caller"\nfirst_audio_ms = 2000\nmax_gap_ms = 100\n'
    async with a_server(a_bridge(speak)) as url:
        result = await run(tmp_path, SHORT + expect, "--to", f"{url}/voice", "--public-url", PUBLIC)
    assert result.exit_code == 0, result.output
    for words in ("asks https://bridge.example.com/voice", "hangs up", "by caller", "went as told"):
        assert words in result.output


async def test_a_call_is_signed_with_the_token_of_the_environment(tmp_path: Path) -> None:
    bridge = a_bridge(goodbye)
    options = ["--public-url", PUBLIC, "--auth-token-env", "LAB_TOKEN"]
    async with a_server(bridge) as url:
        result = await run(tmp_path, SHORT, "--to", f"{url}/voice", *options, env={"LAB_TOKEN": "t0p"})
    signature = bridge.upgrade_headers(0)["x-twilio-signature"]
    assert signature == sign("wss://bridge.example.com/media", (), "t0p")
    assert "t0p" not in result.output


async def test_what_was_expected_and_did_not_come_leaves_with_1(tmp_path: Path) -> None:
    scenario = (
        'steps = [{ wait_for_agent = true, timeout_ms = 50 }, "hang_up"]\n'
        '[expect]\nended_by = "bridge"\nnext_verb = "dial"\nmin_clears = 1\nfirst_audio_ms = 5\nclose_code = 1001'
    )
    async with a_server(a_bridge()) as url:
        result = await run(tmp_path, scenario, "--to", f"{url}/voice", "--public-url", PUBLIC, "--json")
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert said["complaints"][0].startswith("in vain, until 60 ms: WaitForAgent")
    assert said["complaints"][1:] == [
        "ended_by is caller, not bridge",
        "close_code is 1000, not 1001",
        "next_verb is nothing, not dial",
        "the first audio never came, not within 5 ms",
        "0 clears came: at least 1 are expected",
    ]


async def test_a_bridge_that_hangs_up_before_the_caller_had_their_say_leaves_with_1(tmp_path: Path) -> None:
    scenario = 'steps = [{ wait_ms = 5000 }, { press = "12" }, "hang_up"]'
    async with a_server(a_bridge(goodbye)) as url:
        result = await run(tmp_path, scenario, "--to", f"{url}/voice", "--public-url", PUBLIC, "--json")
    assert result.exit_code == 1
    words = "over before the caller came to 2 of the words and keys, the first: Press(digit='1')"
    assert json.loads(result.output)["complaints"] == [words]


async def test_a_warning_leaves_with_1(tmp_path: Path) -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        await media.socket.send_message("no json")
        await to_the_end(media)

    async with a_server(a_bridge(talk)) as url:
        result = await run(tmp_path, SHORT, "--to", f"{url}/voice", "--public-url", PUBLIC)
    assert result.exit_code == 1
    assert "warning 31950" in result.output


async def test_a_bare_media_socket_needs_no_webhook_and_next_verb_is_not_looked_at(tmp_path: Path) -> None:
    bridge = a_bridge(speak)
    wav = tmp_path / "call.wav"
    async with a_server(bridge) as url:
        to = url.replace("http://", "ws://") + "/media"
        options = ["--to", to, "-p", "token=a=b", "--wav", str(wav)]
        result = await run(tmp_path, f'{SHORT}[expect]\nnext_verb = "hangup"\n', *options)
    assert result.exit_code == 0, result.output
    assert bridge.medias[0].got[1]["start"]["customParameters"] == {"token": "a=b"}
    assert bridge.forms == []
    with wave.open(str(wav)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)


async def test_whoever_was_dialled_has_a_sound_file_of_their_own(tmp_path: Path) -> None:
    dial = "<Response><Dial>+15550199</Dial></Response>"
    far_end = '[far_ends."+15550199"]\nanswers_after_ms = 100\nsteps = [{ say = "caller_yes" }, "hang_up"]\n'
    told = f'[call]\npatience_ms = 60000\n{far_end}[expect]\nbridged = 1\nhears = {{ caller = ["Yes"] }}\n'
    wav = tmp_path / "call.wav"
    async with a_server(Bridge(to_the_end, {"/voice": dial})) as url:
        result = await run(tmp_path, told, "--to", f"{url}/voice", "--public-url", PUBLIC, "--wav", str(wav))
    assert result.exit_code == 0, result.output
    for words in ("rings +15550199", "+15550199 answers", "connects caller and +15550199"):
        assert words in result.output
    with wave.open(str(wav)) as call, wave.open(str(tmp_path / "call.1.wav")) as other:
        assert abs(call.getnframes() - other.getnframes()) < 8000
        assert any(other.readframes(other.getnframes()))


async def test_a_server_that_does_not_answer_leaves_with_2(tmp_path: Path) -> None:
    async with anybody(lambda stream: stream.aclose()) as port:
        result = await run(tmp_path, SHORT, "--to", f"ws://127.0.0.1:{port}/media")
    assert result.exit_code == 2
    assert "319" in result.output


async def test_a_refused_signature_is_told_with_what_to_try(tmp_path: Path) -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(http("403 Forbidden"))

    async with anybody(refuse) as port:
        result = await run(tmp_path, SHORT, "--to", f"http://127.0.0.1:{port}/voice")
    assert result.exit_code == 2
    assert "--auth-token-env" in result.output


async def test_no_host_is_contacted_that_was_not_named(tmp_path: Path) -> None:
    async with a_server(a_bridge()) as url:
        result = await run(tmp_path, SHORT, "--to", f"{url}/voice")
    assert result.exit_code == 2
    assert "--public-url https://HOST" in result.output


async def test_a_call_that_the_bridge_asks_for_is_made_and_judged(tmp_path: Path) -> None:
    told = '[far_ends."+15550199"]\nanswers_after_ms = 100\nsteps = [{ say = "caller_yes" }, "hang_up"]\n'
    expects = '[expect]\nended_by = "caller"\nstreams = 1\n'
    port = free_port()
    bridge = Bridge(to_the_end, {"/out": CONNECT, "/after": HANGUP})
    async with a_server(bridge) as url, trio.open_nursery() as nursery:
        nursery.start_soon(ask_for_a_call, port)
        options = ["--to", url, "--public-url", PUBLIC, "--rest", str(port), "--json"]
        result = await run(tmp_path, told + expects, *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["went_as_told"]


async def ask_for_a_call(port: int) -> None:
    account = Account()
    url = f"http://127.0.0.1:{port}/2010-04-01/Accounts/{account.account_sid}/Calls.json"
    form = {"To": "+15550199", "From": account.number, "Url": f"{PUBLIC}/out"}
    async with httpx2.AsyncClient(trust_env=False, auth=(account.account_sid, account.auth_token)) as client:
        while True:
            try:
                assert (await client.post(url, data=form)).status_code == 201
            except httpx2.ConnectError:  # the command is not there yet
                await trio.sleep(0.05)
            else:
                return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---------------------------------------------------------------- what can't be run


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--to", "ftp://a/b"], "Try:   --to https://bridge.example.com"),
        (["--to", "bridge.example.com"], "not a URL that can be rung"),
        (["--to", "ws://[/media"], "not a URL that can be rung"),
        (["--to", "ws://me:pw@h/media"], "not a URL that can be rung"),
        (["--to", "ws://h/media?token=1"], "arrives in `start`"),
        (["--to", "ws://h/m", "-p", "token"], "not NAME=VALUE"),
        (["--to", "http://h/m", "--public-url", "https://h/base"], "has a path"),
        (["--to", "http://h/m", "--account-sid", "AC1"], "32 hex digits"),
        (["--to", "http://h/m", "--auth-token-env", "NONE_SUCH_TOKEN"], "NONE_SUCH_TOKEN is not set"),
        (["--to", "http://h/m", "--calls", "2", "--wav", "x.wav"], "--wav is for one call"),
        (["--to", "http://h/m", "--calls", "2", "--rest", "8091"], "--rest makes one call"),
        (["--to", "ws://h/m", "--rest", "8091"], "--rest makes one call"),
    ],
)
async def test_a_command_line_that_makes_no_sense_leaves_with_2_and_what_to_try(
    tmp_path: Path, args: list[str], words: str
) -> None:
    result = await run(tmp_path, SHORT, *args)
    assert result.exit_code == 2
    assert words in result.output


async def test_a_token_pasted_for_the_name_of_its_variable_is_not_repeated(tmp_path: Path) -> None:
    token = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    result = await run(tmp_path, SHORT, "--to", "http://h/m", "--auth-token-env", token)
    assert result.exit_code == 2
    assert token not in result.output


async def test_a_wrong_scenario_leaves_with_2_and_its_faults(tmp_path: Path) -> None:
    result = await run(tmp_path, "steps = ['hangup']", "--to", "ws://h/media")
    assert result.exit_code == 2
    assert "did you mean hang_up?" in result.output


async def test_the_help_teaches(tmp_path: Path) -> None:
    result = await run(tmp_path, "", "--help")
    for words in ("[network]", "interrupt_after_ms", "--calls 200 --at-once 40", "Exit code: 0"):
        assert words in result.output


# ---------------------------------------------------------------- many calls


async def test_many_calls_end_in_a_table(tmp_path: Path) -> None:
    bridge = a_bridge(speak)
    async with a_server(bridge) as url:
        args = ["--to", f"{url}/voice", "--public-url", PUBLIC, "--calls", "6", "--at-once", "3"]
        result = await run(tmp_path, SHORT, *args)
    assert result.exit_code == 0, result.output
    assert "6: 6 as told, 0 not" in result.output
    assert "P50" in result.output
    assert len({media.got[1]["start"]["callSid"] for media in bridge.medias}) == 6


async def test_many_calls_as_json(tmp_path: Path) -> None:
    async with a_server(a_bridge(speak)) as url:
        args = ["--to", url.replace("http", "ws") + "/media", "--calls", "3", "--at-once", "3", "--json"]
        result = await run(tmp_path, f"{SHORT}[expect]\nmin_clears = 1", *args)
    said = json.loads(result.output)
    assert result.exit_code == 1
    assert (said["summary"]["calls"], said["summary"]["as_told"]) == (3, 0)
    assert said["calls"][0]["complaints"] == ["0 clears came: at least 1 are expected"]


async def test_never_more_calls_at_once_than_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    running, most, done = 0, 0, list[int]()

    async def call(index: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1
        return index

    lateness = await make_calls(call, calls=10, at_once=4, on_done=done.append)
    assert (most, sorted(done)) == (4, list(range(10)))
    assert lateness.worst_ms == 0


def test_a_summary_counts_what_a_caller_would_notice() -> None:
    good = Verdict("CA1", (), True, "caller", 300, (20, 40), 1, 0)
    holes = Verdict("CA2", (), True, "bridge", 500, (60, 100), 0, 0)
    lost = Verdict("CA3", ("31902: refused",), False, None, None, (), 0, 0)
    summary = summarise([good, holes, lost])
    assert (summary.calls, summary.as_told, summary.not_connected) == (3, 2, 1)
    assert (summary.gaps, summary.calls_with_gaps, summary.longest_gap_ms) == (2, 1, 100)
    assert (summary.first_audio_p50_ms, summary.first_audio_p95_ms) == (300, 500)
    assert summary.ended_by == {"caller": 1, "bridge": 1, "nobody": 1}


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 5), (90, 9), (95, 10), (100, 10)])
def test_percentiles_are_values_that_were_measured(percent: int, expected: int) -> None:
    assert percentile(range(1, 11), percent) == expected


def test_a_machine_that_was_too_slow_says_so() -> None:
    lateness = Lateness()
    for late_ms in (0, 0, 50):
        lateness.note(late_ms)
    table = summary_table(summarise([]), lateness)
    assert table.row_count == 9


def test_what_a_peer_says_can_do_nothing_to_the_terminal() -> None:
    assert plain("a\x1b[2Jb\nc") == r"a\x1b[2Jb\nc"
    assert len(plain("x" * 10_000)) == 240


async def test_the_numbers_of_the_scenario_are_those_of_the_call(tmp_path: Path) -> None:
    bridge = a_bridge(goodbye)
    numbers = '[call]\nfrom_number = "+4930123"\nto_number = "+4930456"'
    async with a_server(bridge) as url:
        await run(tmp_path, SHORT + numbers, "--to", f"{url}/voice", "--public-url", PUBLIC)
    form = bridge.forms[0][1]
    assert (form["From"], form["To"]) == (["+4930123"], ["+4930456"])
