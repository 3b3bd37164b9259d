"""`bridge check`: what it says of a file that is right, of one that is not, and of one that callers may regret."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge import checks
from bridge.agents import Agent
from bridge.cli import main
from bridge.config import Secrets, parse
from bridge.doctor.doubts import doubts

SET = {
    "BRIDGE_PUBLIC_URL": "https://bridge.example.com",
    "TWILIO_AUTH_TOKEN": "a-token-of-this-test",
    "OPENAI_API_KEY": "sk-a-key-of-this-test",
}
PLAIN = {"instructions": "Answer the phone.", "greeting": "Hello."}


def check(folder: Path, text: str, *options: str, **environment: str) -> Any:
    (folder / "config.toml").write_text(text)
    command = ["check", "--config", str(folder / "config.toml"), *options]
    return CliRunner().invoke(main, command, env=dict.fromkeys(SET) | {"BRIDGE_CONFIG": None} | environment)


def doubts_of(agent: dict[str, Any], **tables: Any) -> list[str]:
    return doubts(parse({"agents": {"a": agent}, **tables}, Path("config.toml")), Secrets(api_key="any"))


def test_a_right_file_is_told_with_what_goes_into_the_console(tmp_path: Path) -> None:
    result = check(tmp_path, "[agents.a]\ngreeting = 'Hi.'\n", "--ready", **SET)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"OK {tmp_path / 'config.toml'}: 1 agent",
        "  one process carries the calls",
        "  a: voice webhook https://bridge.example.com/voice/a (HTTP POST)",
        "    tools: hang_up",
    ]


@pytest.mark.parametrize(
    ("cores", "said"),
    [(2, "one process carries the calls"), (8, "7 worker processes carry the calls, beside a supervisor")],
)
def test_how_many_workers_auto_comes_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, said: str
) -> None:
    monkeypatch.setattr(checks, "usable_cores", lambda: cores)
    result = check(tmp_path, '[server]\nworkers = "auto"\n[agents.a]\n', **SET)
    assert result.stdout.splitlines()[1] == f"  {said}"


def test_no_ok_stands_beside_an_error_and_all_of_them_are_told(tmp_path: Path) -> None:
    text = '[agents.a]\ntools = ["none.py:x"]\n[agents.b]\ntools = ["nothing:y"]\n'
    result = check(tmp_path, text, **SET)
    assert (result.exit_code, result.stdout) == (2, "")
    assert ["[agents.a] tools:" in result.stderr, "[agents.b] tools:" in result.stderr] == [True, True]


def test_what_is_missing_is_told_and_fails_only_who_asks(tmp_path: Path) -> None:
    text = "[agents.a]\ngreeting = 'Hi.'\n"
    assert [check(tmp_path, text).exit_code, check(tmp_path, text, "--ready").exit_code] == [0, 1]
    assert check(tmp_path, text).stdout.count("before it can serve:") == 3


def test_what_callers_may_regret_is_a_note_and_no_fault(tmp_path: Path) -> None:
    result = check(tmp_path, '[realtime]\nmodel = "gpt-4o"\n[agents.a]\n', "--ready", **SET)
    assert (result.exit_code, result.stdout.count("note: ")) == (0, 2)


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "gpt-realtime-mini", "gpt-4o-realtime-preview"])
def test_a_realtime_model_is_no_doubt(model: str) -> None:
    assert doubts_of(PLAIN, realtime={"model": model}) == []


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-live-1", "gpt-realtime-whisper", "gpt-realtime-translate"])
def test_a_model_that_holds_no_conversation_is_one(model: str) -> None:
    (doubt,) = doubts_of(PLAIN, realtime={"model": model})
    assert f'model = "{model}" is no realtime model' in doubt
    assert doubts_of(PLAIN, realtime={"model": model, "url": "ws://127.0.0.1:8090/v1/realtime"}) == []


def test_an_agent_that_knows_nothing_and_greets_like_all_others_is_one() -> None:
    (doubt,) = doubts_of({})
    assert "[agents.a] has no instructions and no greeting" in doubt
    assert Agent().greeting in doubt
    assert [doubts_of({key: value}) for key, value in PLAIN.items()] == [[], []]


@pytest.mark.parametrize(
    ("told", "agent"),
    [
        ("{date}", {"greeting": "Today is {date}."}),
        ("{weekday}", {"instructions": "It is {weekday}, {caller}."}),
        ("its hours", {"hours": {"open": ["mon-fri 09:00-18:00"]}}),
    ],
)
def test_a_time_without_a_time_zone_is_one_of_utc(told: str, agent: dict[str, Any]) -> None:
    (doubt,) = doubts_of(PLAIN | agent)
    assert doubt.startswith(f"[agents.a] has {told} in UTC, for it has no time_zone; set one")
    assert doubts_of(PLAIN | agent | {"time_zone": "UTC"}) == []


def test_a_public_url_in_the_clear_is_one() -> None:
    (doubt,) = doubts_of(PLAIN, server={"public_url": "http://bridge.example.com"})
    assert "over https alone" in doubt


def test_a_server_that_is_asked_without_a_key_is_one() -> None:
    settings = parse(
        {"agents": {"a": PLAIN}, "realtime": {"url": "ws://127.0.0.1:8090/v1/realtime"}}, Path("c")
    )
    (doubt,) = doubts(settings, Secrets())
    assert "is asked without one; if it wants any, set OPENAI_API_KEY" in doubt
    assert doubts(settings, Secrets(api_key="any")) == []


LEAVES = """
[agents.a]
greeting = 'Hi.'
send_digits = true
[agents.a.transfer.sales]
number = '+4930901820'
warm = true
[agents.a.transfer.owner]
client = 'anna'
offered = false
[agents.a.voicemail]
[agents.a.failure]
steps = ['say:One moment.', 'dial:owner', 'voicemail']
full = ['voicemail']
"""


def test_what_an_agent_may_do_off_the_line_is_told(tmp_path: Path) -> None:
    lines = check(tmp_path, LEAVES, "--ready", **SET).stdout.splitlines()
    assert lines[3:] == [
        "    tools: hang_up, transfer_call, send_digits, take_message",
        "    may transfer to sales: number +4930901820, warm",
        "    may transfer to owner: client anna, for the failure plan alone",
        "    when the model can't be had: say:One moment., then dial:owner, then voicemail",
        "    when full: voicemail",
    ]


def test_fields_that_nobody_published_are_told_and_no_fault(tmp_path: Path) -> None:
    text = "[agents.a]\ngreeting = 'Hi.'\n[agents.a.session.reasoning]\nefort = 'low'\n"
    result = check(tmp_path, text, "--ready", **SET)
    assert result.exit_code == 0
    assert "note: [agents.a.session] reasoning.efort: not among the fields published" in result.stdout
    assert "did you mean effort?" in result.stdout


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ({"turn_detection": {"idle_timeout_ms": 6000}}, ""),
        (
            {"turn_detection": {"idle_timeout_ms": 6000}, "limits": {"still_there_times": 2}},
            "at its own times",
        ),
        ({"limits": {"spend_cap_usd": 1}}, ""),
        (
            {"limits": {"spend_cap_usd": 1}, "transcription_model": "whisper-1"},
            "no price of whisper-1 was read",
        ),
        ({"transcription_model": "whisper-1"}, ""),
        ({"speaking": {"resume_after_ms": 300}}, "those on their way are taken for noise"),
        ({"speaking": {"resume_after_ms": 300}, "transcription_model": "gpt-realtime-whisper"}, ""),
        ({"speaking": {"resume_after_ms": 8000}}, "answer_timeout_ms = 5000 at most"),
        ({"speaking": {"protected": ["This call is recorded."]}}, "these are not in the instructions"),
        (
            {
                "speaking": {"protected": ["This call is recorded."]},
                "instructions": "Say: this call is recorded",
            },
            "",
        ),
        ({"mcp": {"crm": {"tunnel_id": "t", "approval": "always"}}}, "approve is empty"),
        ({"mcp": {"crm": {"tunnel_id": "t", "approval": "always", "approve": ["x"]}}}, ""),
        ({"session": {"include": ["x"], "reasoning": {"effort": "low"}}}, ""),
    ],
)
def test_what_a_session_would_do_that_callers_may_regret_is_told(agent: dict[str, Any], told: str) -> None:
    found = doubts_of(PLAIN | agent)
    assert [told in one for one in found] == ([True] if told else [])


def test_a_model_that_does_not_reason_is_told() -> None:
    found = doubts_of(PLAIN | {"reasoning_effort": "low"}, realtime={"model": "gpt-realtime-1.5"})
    assert ["does not reason" in one for one in found] == [True]


def test_whose_tools_run_elsewhere_is_told(tmp_path: Path) -> None:
    text = "[agents.a]\ngreeting = 'Hi.'\n[agents.a.mcp.crm]\ntunnel_id = 't'\napprove = ['refund']\n"
    assert (
        "tools of the MCP server crm: all it has; when asked, yes to refund" in check(tmp_path, text).stdout
    )


def test_a_cap_that_can_not_be_kept_is_told_with_what_is_counted_instead() -> None:
    (doubt,) = doubts_of(PLAIN | {"limits": {"spend_cap_usd": 1}}, realtime={"model": "their-realtime-9"})
    assert "no price of their-realtime-9 was read (2026-11-01)" in doubt
    assert (
        "nothing but what transcription takes is counted towards it, and max_call_seconds is the bound"
        in doubt
    )


def test_what_a_call_may_cost_is_told_with_the_day_of_the_prices(tmp_path: Path) -> None:
    cap = "[agents.a]\ngreeting = 'Hi.'\n[agents.a.limits]\nspend_cap_usd = 0.5\n"
    (tmp_path / "prices.toml").write_text("read_on = 2027-02-03\n")
    assert (
        "a call may cost 0.5 USD, by prices read on 2026-11-01; warned of at 80 %"
        in check(tmp_path, cap).stdout
    )
    named = check(tmp_path, '[realtime]\nprices = "prices.toml"\n' + cap)
    assert "by prices read on 2027-02-03" in named.stdout


def test_a_file_of_prices_that_can_not_be_used_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    result = check(tmp_path, '[realtime]\nprices = "none.toml"\n[agents.a]\n')
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.toml: can't be read" in result.stderr


RULED = """
from bridge.tools import tool

@tool(late=True, once=True)
async def book(day: str) -> str: ...

@tool({})
async def search(dish: str) -> str: ...
"""


def test_what_a_tool_says_of_how_it_is_run_is_told_and_what_can_not_be_is_a_fault(tmp_path: Path) -> None:
    text = "[agents.a]\ngreeting = 'Hi.'\ntools = ['tools_a.py:book', 'tools_a.py:search']\n"
    (tmp_path / "tools_a.py").write_text(RULED.format("cancellable=True"))
    assert "tools: book (late, once), search (cancellable), hang_up" in check(tmp_path, text, **SET).stdout
    (tmp_path / "tools_b.py").write_text(RULED.format("late=True, cancellable=True"))
    result = check(tmp_path, text.replace("tools_a", "tools_b"), **SET)
    assert result.exit_code == 2
    assert "late and cancellable: a late tool runs while the caller talks" in result.stderr


def test_a_filler_that_comes_after_the_word_of_patience_is_a_doubt() -> None:
    (doubt,) = doubts_of({**PLAIN, "tool_speech": {"filler_after_ms": 5000}})
    assert (
        "filler_after_ms = 5000: a word of patience comes before it, after answer_timeout_ms = 5000" in doubt
    )
    assert doubts_of({**PLAIN, "tool_speech": {"filler_after_ms": 1500}}) == []


@pytest.mark.parametrize(
    ("trial", "told"),
    [
        (
            "share = 0.5\n[agents.a.trial.turn_detection]\nthreshold = 0.5\n",
            "half of the calls get threshold = 0.5 in place of 0.6 (trial x)",
        ),
        (
            'share = 0.07\n[agents.a.trial.turn_detection]\ntype = "semantic_vad"\n',
            '7 % of the calls get semantic_vad with eagerness = "auto" in place of server_vad (trial x)',
        ),
    ],
)
def test_a_trial_is_told_with_its_share_and_what_differs(tmp_path: Path, trial: str, told: str) -> None:
    text = f"[agents.a]\ngreeting = 'Hi.'\n[agents.a.trial]\nname = 'x'\n{trial}"
    assert check(tmp_path, text, "--ready", **SET).stdout.splitlines()[4:] == [f"    {told}"]


def test_what_is_allowed_in_a_console_that_is_off_is_a_doubt() -> None:
    off, on = ({"reports": "reports", "lab_runs": True, "on": is_on} for is_on in (False, True))
    agent = PLAIN | {"listen_in": True}
    assert ["lab_runs" in one or "[agents.a] listen_in" in one for one in doubts_of(agent, console=off)] == [
        True, True,
    ]  # fmt: skip
    assert doubts_of(agent, console=on) == []


FLEET = """
[server]
host_url = "https://one.example.com"
[fleet]
hosts = { one = "https://one.example.com", two = "https://two.example.com" }
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        (FLEET, "host one at https://one.example.com, in a fleet with two"),
        ('[store]\nlake = "lake.sqlite"\ndata = "files"\n', 'lake "lake.sqlite", its files in "files"'),
        (
            f'{FLEET}[store]\ntapes = "s3://calls/tapes"\n',
            "host one at https://one.example.com, in a fleet with two; tapes to s3://calls/tapes",
        ),
    ],
)
def test_what_is_shared_with_other_hosts_is_told_in_a_line(
    tmp_path: Path, text: str, said: str | None
) -> None:
    lines = check(tmp_path, f"{text}[agents.a]\n", **SET).stdout.splitlines()
    assert lines[2].strip() == said if said else lines[2].startswith("  a: ")


def test_a_host_that_others_look_for_in_vain_is_told(tmp_path: Path) -> None:
    admin = 'admin = { one = "http://10.0.0.1:9090" }\n'
    told = check(tmp_path, f"{FLEET}{admin}[agents.a]\n", "--ready", **SET)
    assert told.exit_code == 1
    for part in (
        "before it can serve: no admin address",
        "note: no admin token",
        "note: [fleet] admin has no address of two",
    ):
        assert part in told.stdout
