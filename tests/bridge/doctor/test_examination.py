"""What `bridge doctor` makes of what it sees, where no network is needed, and the command itself."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from attrs import evolve
from click.testing import CliRunner
from doctor_town import only

from bridge import config
from bridge.cli import main
from bridge.config import Realtime, Secrets
from bridge.doctor.examination import CHECKS
from bridge.doctor.findings import doubtful, fine, presentable, worst, wrong
from bridge.doctor.machine import (
    check_daemon,
    check_disk,
    check_files,
    check_records,
    judge_clock,
    judge_room,
    runs_here,
)
from bridge.doctor.model import check_model, check_retirements, judge_day, models_url
from bridge.doctor.public_url import check_dns, check_url
from bridge.doctor.retirements import RETIREMENTS, STAYING
from bridge.doctor.twilio import Number, judge_numbers
from bridge.doctor.world import Patient, Seen, World
from bridge.store.database import Store
from bridge.store.migrations import MIGRATIONS
from bridge.tapes.lock import held_alone

PUBLIC = "https://bridge.example.com"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TAPES = Path(__file__).parents[2] / "tapes"


def patient_with(folder: Path = Path(), *, is_up: bool = False, **tables: Any) -> Patient:
    """Return a patient whose clock stands and who has no network."""
    raw = {"agents": {"front-desk": {}}, "server": {"public_url": PUBLIC}, **tables}
    return Patient(config.parse(raw, folder / "config.toml"), Secrets(), "", is_up, World(now=lambda: NOW))


def with_url(url: str) -> Patient:
    return patient_with(server={"public_url": url})


# ---------------------------------------------------------------- findings


def test_the_exit_code_is_that_of_the_worst_finding() -> None:
    assert worst([]) == worst([fine("a", "b")]) == 0
    assert worst([fine("a", "b"), doubtful("a", "b", "c")]) == 1
    assert worst([wrong("a", "b", "c"), doubtful("a", "b", "c")]) == 2


def test_a_finding_for_a_screen_is_one_bounded_line_without_secrets() -> None:
    shown = presentable(wrong("a", "Bearer sk-0123456789\x1b[31m\nx", "y" * 500), ["sk-0123456789", "", "x"])
    assert shown.text == r"Bearer (not shown)\x1b[31m\nx"
    assert len(shown.next) == 400


def test_every_check_has_a_name_of_its_own() -> None:
    names = [name for check in CHECKS for name in (check.name, *(later.name for later in check.then))]
    assert len(names) == len(set(names))


# ---------------------------------------------------------------- the public URL


@pytest.mark.parametrize(
    ("url", "level", "text"),
    [
        (PUBLIC, "ok", PUBLIC),
        (f"{PUBLIC}:8443", "ok", f"{PUBLIC}:8443"),
        (f"{PUBLIC}/phone", "ok", f"{PUBLIC}/phone; your proxy must take /phone off"),
        ("http://bridge.example.com", "warning", "the public URL is http"),
        ("https://Bridge.Example.com", "warning", "Bridge.Example.com has capitals"),
        ("https://localhost", "error", "localhost is known on this machine"),
        ("https://bridge", "error", "bridge is known on this machine"),
        ("https://phone.internal", "error", "phone.internal is known"),
        ("https://10.1.2.3", "error", "10.1.2.3 is known"),
        ("https://[::1]:8443", "error", "::1 is known"),
    ],
)
async def test_a_public_url_is_judged_by_its_form(url: str, level: str, text: str) -> None:
    found = only(await check_url(with_url(url)))
    assert (found.level, found.text[: len(text)]) == (level, text)
    assert bool(found.next) == (level != "ok")


@pytest.mark.parametrize(
    ("addresses", "level", "text"),
    [
        (["93.184.215.14"], "ok", "bridge.example.com is 93.184.215.14"),
        (["10.0.0.1"], "warning", "bridge.example.com is 10.0.0.1 here, which only this network can reach"),
        (["2606:2800::1"], "warning", "bridge.example.com has IPv6 addresses alone"),
        (["2606:2800::1", "93.184.215.14"], "ok", "bridge.example.com is 2606:2800::1, 93.184.215.14"),
        ([], "error", "bridge.example.com has no address"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "error",
            "bridge.example.com has no address: Name or",
        ),
    ],
)
async def test_a_public_name_is_judged_by_its_addresses(addresses: Any, level: str, text: str) -> None:
    async def resolve(host: str) -> list[str]:
        if isinstance(addresses, OSError):
            raise addresses
        return list(addresses)

    found = only(await check_dns(evolve(with_url(PUBLIC), world=World(resolve=resolve))))
    assert (found.level, found.text[: len(text)]) == (level, text)


async def test_an_address_or_a_private_name_is_not_asked_for() -> None:
    for url in ("https://93.184.215.14", "https://localhost", ""):
        assert await check_dns(with_url(url)) == []


# ---------------------------------------------------------------- Twilio's numbers


def listed(url: str = f"{PUBLIC}/voice/front-desk", **fields: Any) -> Number:
    return Number.of({"phone_number": "+15550100199", "voice_url": url, "voice_method": "POST", **fields})


NUMBERS = {
    "right": (listed(), "ok", "leads to front-desk (no fallback URL)"),
    "slash": (listed(f"{PUBLIC}/voice/front-desk/"), "ok", "leads to front-desk"),
    "port 443": (listed(f"{PUBLIC}:443/voice/front-desk"), "ok", "leads to front-desk"),
    "fallback": (
        listed(voice_fallback_url="https://h.example/x"),
        "ok",
        "leads to front-desk (with a fallback",
    ),
    "same fallback": (
        listed(voice_fallback_url=f"{PUBLIC}/f"),
        "warning",
        "leads to front-desk, and falls back to",
    ),
    "GET": (listed(voice_method="GET"), "error", "calls front-desk with GET, which is refused"),
    "http": (listed("http://bridge.example.com/voice/front-desk"), "error", "calls front-desk over http"),
    "unknown agent": (listed(f"{PUBLIC}/voice/front-dsk"), "error", "calls an agent front-dsk that is not"),
    "no agent": (listed(f"{PUBLIC}/voice/"), "error", "calls /voice/ here, where no agent is"),
    "other path": (listed(f"{PUBLIC}/twiml"), "error", "calls /twiml here, where no agent is"),
    "root": (listed(PUBLIC), "error", "calls / here, where no agent is"),
    "next": (listed(f"{PUBLIC}/voice/front-desk/next"), "error", "calls /voice/front-desk/next here"),
    "trunk": (listed(trunk_sid="TK1"), "warning", "has the URL of front-desk, but a SIP trunk answers it"),
    "application": (
        listed(voice_application_sid="AP1"),
        "warning",
        "has the URL of front-desk, but a TwiML app",
    ),
}


@pytest.mark.parametrize(("number", "level", "text"), NUMBERS.values(), ids=list(NUMBERS))
def test_a_number_that_leads_here_is_judged_by_how(number: Number, level: str, text: str) -> None:
    found, total = judge_numbers(with_url(PUBLIC), [number])
    assert (found.level, found.text[: 13 + len(text)]) == (level, f"+xxxxxxxxx99 {text}")
    assert total.text == "1 of 1 number leads here"
    assert "5550100" not in found.text + found.next


@pytest.mark.parametrize(("url", "level"), [("", "warning"), (f"{PUBLIC}/voice/front-desk", "ok")])
def test_of_several_hosts_the_fallback_is_the_balancer_for_another_answers_there(
    url: str, level: str
) -> None:
    one_of_several = patient_with(server={"public_url": PUBLIC, "host_url": "https://one.example.com"})
    found, _ = judge_numbers(one_of_several, [listed(voice_fallback_url=url)])
    assert found.level == level


def test_a_wrong_agent_is_answered_with_the_nearest() -> None:
    found, _ = judge_numbers(with_url(PUBLIC), [listed(f"{PUBLIC}/voice/front-dsk")])
    assert found.next == f"did you mean front-desk? Then set {PUBLIC}/voice/front-desk, HTTP POST"


@pytest.mark.parametrize(
    "url", ["", "https://other.example.com/voice/front-desk", "https://[broken", "not a URL"]
)
def test_numbers_that_lead_elsewhere_are_counted_and_not_shown(url: str) -> None:
    found = only(judge_numbers(with_url(PUBLIC), [listed(url)]))
    assert (found.level, found.text) == ("warning", "none of 1 number leads here")
    assert f"{PUBLIC}/voice/front-desk, HTTP POST" in found.next


def test_what_is_wrong_stands_first_and_long_lists_are_cut() -> None:
    found = judge_numbers(with_url(PUBLIC), [*[listed()] * 30, listed(voice_method="GET")])
    assert found[0].level == "error"
    assert (len(found), found[-1].text) == (22, "31 of 31 numbers lead here")


def test_an_account_without_a_number_is_told() -> None:
    assert only(judge_numbers(with_url(PUBLIC), [])).text == "the account has no phone number"


def test_a_number_with_nothing_in_it_is_elsewhere() -> None:
    assert Number.of({"phone_number": None, "voice_url": 7}) == Number("a number", "", "POST", "", "")


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("wss://api.openai.com/v1/realtime", "https://api.openai.com/v1/models/gpt-realtime-2.1"),
        ("ws://127.0.0.1:9/v1/realtime", "http://127.0.0.1:9/v1/models/gpt-realtime-2.1"),
        ("wss://other.example.com/talk", ""),
    ],
)
def test_where_the_model_is_asked_for_comes_from_its_url(url: str, asked: str) -> None:
    assert models_url(Realtime(url=url)) == asked


async def test_a_server_that_cant_be_asked_for_its_models_is_told() -> None:
    settings = evolve(patient_with().settings, realtime=Realtime(url="wss://other.example.com/talk"))
    found = only(await check_model(evolve(patient_with(), settings=settings)))
    assert (found.level, found.text[:53]) == ("ok", "other.example.com has no list of models that is known")


@pytest.mark.parametrize(
    ("days", "level"), [(61, "ok"), (60, "ok"), (59, "warning"), (1, "warning"), (0, "error"), (-3, "error")]
)
def test_a_retirement_is_told_in_time(days: int, level: str) -> None:
    day = (NOW + timedelta(days=days)).date()
    found = judge_day("a-model", day, "a page", "b-model", patient_with())
    assert (found.level, str(day) in found.text) == (level, True)
    assert ("switch to b-model" in found.next) == (level != "ok")


async def test_every_model_that_is_named_is_looked_up_once() -> None:
    agents = {
        "a": {"transcription_model": "whisper-1"},
        "b": {"transcription_model": "mine"},
        "c": {},
        "d": {},
    }
    found = await check_retirements(patient_with(realtime={"model": "gpt-realtime"}, agents=agents))
    assert [(finding.level, finding.text.split()[0].strip(":")) for finding in found] == [
        ("warning", "gpt-realtime"), ("ok", "whisper-1"), ("ok", "mine"), ("ok", "gpt-transcribe"),
    ]  # fmt: skip
    assert "not in our table" in found[2].text


def test_the_table_of_retirements_can_be_used() -> None:
    assert [date.fromisoformat(known.day) for known in RETIREMENTS.values()]
    assert {known.instead for known in RETIREMENTS.values()} <= STAYING
    assert not STAYING & RETIREMENTS.keys()


# ---------------------------------------------------------------- the clock


def seen(ahead: float, *, is_elsewhere: bool = True) -> Seen:
    """Return a clock that ours is ahead of by so many seconds."""
    theirs = format_datetime(NOW - timedelta(seconds=ahead), usegmt=True)
    return Seen(
        "Twilio" if is_elsewhere else "the public URL", theirs, NOW + timedelta(seconds=0.5), is_elsewhere
    )


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(0, "ok"), (5, "ok"), (-5, "ok"), (6, "warning"), (-60, "warning"), (61, "error"), (-9e4, "error")],
)
def test_the_clock_is_compared_with_others(ahead: float, level: str) -> None:
    assert only(judge_clock([seen(ahead)])).level == level


def test_a_clock_that_is_surely_elsewhere_counts_alone() -> None:
    assert only(judge_clock([seen(0), seen(500, is_elsewhere=False)])).text == "agrees with Twilio"
    assert only(judge_clock([seen(500, is_elsewhere=False)])).level == "error"
    assert "may be this machine's own" in only(judge_clock([seen(0, is_elsewhere=False)])).text


def test_a_date_that_is_none_is_no_clock() -> None:
    assert judge_clock([Seen("x", "yesterday", NOW, True)]) == judge_clock([]) == []


# ---------------------------------------------------------------- the disk


@pytest.mark.parametrize(
    ("free", "total", "level"),
    [
        (50 * 10**9, 100 * 10**9, "ok"),
        (5 * 10**9, 100 * 10**9, "warning"),
        (9 * 10**8, 10**9, "warning"),
        (9 * 10**7, 10**8, "error"),
        (0, 0, "error"),
    ],
)
def test_room_is_judged_by_bytes_and_share(free: int, total: int, level: str) -> None:
    assert judge_room(Path("data"), free, total).level == level


async def test_a_folder_to_come_is_judged_by_its_parent_and_not_made(tmp_path: Path) -> None:
    found = only(await check_disk(patient_with(tmp_path)))
    assert "free for" in found.text
    assert os.listdir(tmp_path) == []


async def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert only(await check_disk(patient_with(tmp_path))).text == f"{tmp_path / 'data'} is no folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    assert "can't be written" in (await check_disk(patient_with(tmp_path)))[1].text


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may give folders away")
async def test_a_folder_of_another_user_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 54321, -1)
    found = (await check_disk(patient_with(tmp_path)))[1]
    assert (found.level, "belongs to user 54321, and this is root" in found.text) == ("warning", True)


# ---------------------------------------------------------------- tapes and the database


def taped(folder: Path, *names: str) -> list[Path]:
    tapes = folder / "data" / "tapes" / "2026-11-25"
    tapes.mkdir(parents=True)
    return [Path(shutil.copy(TAPES / "hung_up.jsonl.gz", tapes / name)) for name in names]


async def records(folder: Path, *, is_up: bool = False) -> list[tuple[str, str]]:
    found = await check_records(patient_with(folder, is_up=is_up))
    return [(finding.level, finding.text) for finding in found]


def database(folder: Path) -> Path:
    return folder / "data" / "calls.duckdb"


async def test_a_folder_that_is_not_there_has_nothing_wrong(tmp_path: Path) -> None:
    assert await records(tmp_path) == [
        ("ok", "calls.duckdb appears when the first call has ended"),
        ("ok", "0 complete"),
    ]


async def test_a_tape_that_is_not_indexed_is_told_and_the_database_is_left_as_it_is(tmp_path: Path) -> None:
    (tape,) = taped(tmp_path, "CAother.jsonl.gz")
    Store(database(tmp_path)).add([tape])
    before = database(tmp_path).read_bytes()
    assert await records(tmp_path) == [
        ("ok", f"calls.duckdb: 1 call, schema {len(MIGRATIONS)}"),
        ("warning", "1 of 1 tape is not in the database"),
    ]
    assert database(tmp_path).read_bytes() == before


async def test_open_tapes_are_live_calls_or_torn_ones(tmp_path: Path) -> None:
    taped(tmp_path, "CA1.jsonl")
    assert (await records(tmp_path))[1] == ("warning", "1 tape of calls that a crash cut off")
    assert (await records(tmp_path, is_up=True))[1] == ("ok", "0 complete, 1 of live calls")


async def test_a_database_of_a_newer_version_is_told(tmp_path: Path) -> None:
    Store(database(tmp_path)).add(taped(tmp_path, "CA1.jsonl.gz"))
    with duckdb.connect(str(database(tmp_path))) as connection:
        connection.execute("insert into migrations values (99)")
    assert (await records(tmp_path))[0] == (
        "error",
        f"calls.duckdb was made by a newer bridge (schema {len(MIGRATIONS) + 1}, this one knows {len(MIGRATIONS)})",
    )  # fmt: skip


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database(tmp_path).write_bytes(b"not a database" * 1000)
    ((level, text), _) = await records(tmp_path)
    assert (level, text[:27]) == ("error", "calls.duckdb can't be read:")


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[int]:
    """Run another process that holds the database open."""
    Store(database(tmp_path)).add(taped(tmp_path, "CA1.jsonl.gz"))
    command = [sys.executable, "-c", HOLD, str(database(tmp_path))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.communicate(b"", timeout=5)


async def test_a_database_that_somebody_holds_is_told_with_who(
    tmp_path: Path, holder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.doctor.machine.TRIES", 2)
    ((level, text), _) = await records(tmp_path)
    assert (level, text) == (
        "warning", f"calls.duckdb is held open by PID {holder}: ended calls wait until it is let go",
    )  # fmt: skip


# ---------------------------------------------------------------- the process


def test_asking_who_runs_here_leaves_no_lock_behind(tmp_path: Path) -> None:
    assert not runs_here(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with held_alone(tmp_path):
        assert runs_here(tmp_path)
    assert not runs_here(tmp_path)


@pytest.fixture
def strangers_port() -> Iterator[int]:
    """Hold a port as any other program would, without ever answering."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


async def test_a_port_that_somebody_else_has_is_told(strangers_port: int) -> None:
    patient = patient_with(server={"bind": f"127.0.0.1:{strangers_port}"})
    found = only(await check_daemon(evolve(patient, world=World(check_seconds=0.3))))
    assert found.level == "error"
    assert f"can't listen on 127.0.0.1:{strangers_port}: Address already in use" in found.text


async def test_a_daemon_that_does_not_answer_where_it_should_is_told() -> None:
    found = only(await check_daemon(patient_with(is_up=True, server={"bind": "127.0.0.1:1"})))
    assert (found.level, "does not answer on 127.0.0.1:1" in found.text) == ("warning", True)


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "0.0.0.0:0"])
async def test_a_free_port_is_free(bind: str) -> None:
    found = only(await check_daemon(patient_with(server={"bind": bind})))
    assert found.text == f"does not run here; {bind} is free for it"


async def test_an_address_of_another_machine_is_told() -> None:
    found = only(
        await check_daemon(
            evolve(patient_with(server={"bind": "192.0.2.1:8080"}), world=World(check_seconds=0.3))
        )
    )
    assert (found.level, "can't listen on 192.0.2.1:8080" in found.text) == ("error", True)


@pytest.fixture
def few_files() -> Iterator[None]:
    """Let this process open 256 files for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
async def test_too_few_files_for_all_calls_are_told() -> None:
    many = only(await check_files(patient_with(server={"max_calls": 50})))
    few = only(await check_files(patient_with(server={"max_calls": 40})))
    assert (many.level, many.text) == ("warning", "this user may open 256 files; 50 calls need about 264")
    assert few.level == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="no way to ask another process")
@pytest.mark.usefixtures("few_files")
async def test_the_files_of_the_daemon_itself_are_counted(tmp_path: Path) -> None:
    with held_alone(tmp_path / "data"):
        found = only(await check_files(patient_with(tmp_path, is_up=True)))
    assert found.text.startswith("the daemon may open 256 files")


# ---------------------------------------------------------------- the command


def run(folder: Path, text: str, *options: str, **environment: str) -> Any:
    (folder / "config.toml").write_text(text)
    names = ("TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID", "OPENAI_API_KEY", "BRIDGE_PUBLIC_URL")
    given = {**dict.fromkeys(names), **environment}
    command = ["doctor", "--json", "--offline", "--config", str(folder / "config.toml"), *options]
    return CliRunner().invoke(main, command, env=given)


RIGHT = f'[server]\nbind = "127.0.0.1:0"\npublic_url = "{PUBLIC}"\n[agents.a]\n'
SECRETS = {"TWILIO_AUTH_TOKEN": "a-token-of-this-test", "OPENAI_API_KEY": "sk-a-key-of-this-test"}


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the command from ending the whole process for a thread that still works."""
    monkeypatch.setattr("bridge.commands.doctor.leave_hung_threads", lambda code: None)


pytestmark = pytest.mark.usefixtures("as_process")


def told_by(result: Any) -> dict[str, Any]:
    return dict(json.loads(result.stdout))


def test_all_well_is_exit_0(tmp_path: Path) -> None:
    result = run(tmp_path, RIGHT, **SECRETS)
    report = told_by(result)
    assert [finding for finding in report["findings"] if finding["level"] == "error"] == []
    assert result.exit_code == report["exit_code"] == min(1, report["warnings"])  # the disk may be full


def test_a_warning_is_exit_1_and_an_error_exit_2(tmp_path: Path) -> None:
    http = RIGHT.replace("https", "http")
    assert run(tmp_path, http, **SECRETS).exit_code == 1
    assert run(tmp_path, http).exit_code == 2


def test_a_file_that_is_wrong_is_an_error_for_each_fault(tmp_path: Path) -> None:
    result = run(tmp_path, '[server]\nmax_calls = 0\nbnd = "x"\n[agents.a]\n')
    assert (result.exit_code, told_by(result)["errors"]) == (2, 2)


def test_an_option_overrides_the_file(tmp_path: Path) -> None:
    result = run(tmp_path, RIGHT, "--public-url", "https://localhost", **SECRETS)
    assert "localhost is known on this machine" in result.stdout


@pytest.mark.parametrize(
    ("text", "environment", "fault"),
    [
        (RIGHT, {}, "no Twilio auth token"),
        (RIGHT.replace("[agents", '[twilio]\nauth_token_file = "none"\n[agents'), {}, "can't be read"),
        (RIGHT + 'tools = ["nowhere:tool"]\n', SECRETS, "nowhere:tool: no module nowhere"),
        (
            RIGHT,
            {**SECRETS, "TWILIO_ACCOUNT_SID": "a-token-by-mistake"},
            "TWILIO_ACCOUNT_SID is no account SID",
        ),
    ],
)
def test_what_is_missing_is_an_error(
    tmp_path: Path, text: str, environment: dict[str, str], fault: str
) -> None:
    result = run(tmp_path, text, **environment)
    assert result.exit_code == 2
    assert fault in result.stdout
    assert "by-mistake" not in result.stdout


def test_what_a_tool_prints_while_it_is_imported_is_not_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "from bridge.tools import tool\nprint('hello')\n@tool\ndef f() -> str:\n    '''Do.'''\n    return ''\n"
    )
    report = told_by(run(tmp_path, RIGHT + 'tools = ["loud.py:f"]\n', **SECRETS))
    assert "a: f, hang_up" in [finding["text"] for finding in report["findings"]]


def test_people_get_a_line_a_finding_and_the_sum(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(RIGHT)
    command = ["doctor", "--offline", "--config", str(tmp_path / "config.toml")]
    result = CliRunner().invoke(
        main, command, env={**SECRETS, "TWILIO_ACCOUNT_SID": None, "BRIDGE_PUBLIC_URL": None}
    )
    assert re.search(r"OK +public URL +https", result.stdout)
    assert "0 errors" in result.stdout
    assert "Offline, so not looked at: DNS, certificate, way in" in result.stdout


def test_the_help_tells_the_exit_codes() -> None:
    result = CliRunner().invoke(main, ["doctor", "--help"])
    assert "Exit 0 when all is well, 1 for warnings alone, 2 for errors." in result.stdout
