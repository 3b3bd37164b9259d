"""The engine of a comparison: plans, variants, and real calls through a daemon for each, with stand-ins."""

import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from bridge.errors import ConfigError
from bridge.settings.hours import Hours
from bridge.store.records import records_of
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.compare.manifest import ManifestError, read_manifest, read_runs
from replay.compare.plan import callers_of, load_plan, parse_plan
from replay.compare.run import run_plan
from replay.compare.types import NamedCaller, Plan, Run, Variant
from replay.compare.variants import read_base, secrets_of, settings_of
from replay.phone.script import Caller, Wait, WaitForQuiet

ROOT = Path(__file__).parents[3]
TAPES = Path(__file__).parents[2] / "tapes"

BASE = """
[agents.front-desk]
tools = ["replay.callers.restaurant:check_table"]
greeting = "Hello."
[agents.front-desk.turn_detection]
threshold = 0.5
[agents.night-desk]
"""

MODEL = """
opening = { text = "Hello.", ms = 300 }
delivery = { first_delta_ms = 40, response_delay_ms = 20 }
[versions.chatty]
opening = { text = "Hello and welcome.", ms = 600 }
"""

PLAN = """
base = "config.toml"
agent = "front-desk"
callers = ["call.toml"]
repeats = 2
at_once = 4
baseline = "today"
[variants.today]
standin = "model.toml"
[variants.next]
standin = "model.toml"
version = "chatty"
agent.greeting = "Good day."
[thresholds]
anything = 1
"""

CALL = 'steps = [{ wait_for_quiet_ms = 400 }, "hang_up"]'


def a_folder(folder: Path) -> Path:
    """A plan with everything it names; the plan's path."""
    texts = {"config.toml": BASE, "model.toml": MODEL, "plan.toml": PLAN, "call.toml": CALL}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder / "plan.toml"


async def run(plan: Plan, out: Path) -> tuple[list[Run], int]:
    """Make the plan's calls; the runs, and how many calls were made for them."""
    made: list[Run] = []
    with trio.fail_after(20):
        runs = await run_plan(
            plan,
            callers_of(plan, []),
            out=out,
            progress=lambda run, _done, _of: made.append(run),
            environment={},
        )
    return runs, len(made)


def said(run: Run) -> list[str]:
    tape = read_tape(run.tape)
    return [row["said"] for row in records_of(tape.header, map(decode, tape.lines)).transcript]


# ---------------------------------------------------------------- calls


async def test_every_variant_gets_every_caller_so_many_times(tmp_path: Path) -> None:
    plan, out = load_plan(a_folder(tmp_path)), tmp_path / "out"
    runs, made = await run(plan, out)
    assert made == 4
    assert [(run.variant, run.caller, run.repeat, run.error) for run in runs] == [
        ("next", "call", 0, None),
        ("next", "call", 1, None),
        ("today", "call", 0, None),
        ("today", "call", 1, None),
    ]
    assert [said(run) for run in runs] == [["Hello and welcome."]] * 2 + [["Hello."]] * 2
    assert len({read_tape(run.tape).header.call_sid for run in runs}) == 4
    assert read_tape(runs[0].tape).header.settings["greeting"] == "Good day."
    assert read_runs(out) == runs
    assert (out / "today" / "calls.duckdb").exists()


async def test_a_run_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    plan, out = load_plan(a_folder(tmp_path)), tmp_path / "out"
    first, _ = await run(attrs.evolve(plan, repeats=1), out)
    first[0].tape.unlink()
    runs, made = await run(attrs.evolve(plan, repeats=1), out)
    assert made == 1
    assert runs[1] == first[1]
    assert runs[0] != first[0]
    faster = attrs.evolve(plan.variants[0], agent={"voice": "cedar"})
    changed = attrs.evolve(plan, repeats=1, variants=(faster, plan.variants[1]))
    runs_after, made = await run(changed, out)
    assert made == 1
    assert runs_after[0] == runs[0]


async def test_what_was_in_force_is_written_down(tmp_path: Path) -> None:
    plan, out = attrs.evolve(load_plan(a_folder(tmp_path)), repeats=1), tmp_path / "out"
    await run(plan, out)
    found = read_manifest(out)
    assert found["variants"]["next"]["standin"]["version"] == "chatty"
    assert found["variants"]["next"]["agent"]["turn_detection"]["threshold"] == 0.5
    assert found["callers"]["call"]["sha256"] == callers_of(plan, [])[0].sha256
    assert found["runs"][0]["report"]["ended_by"] == "caller"
    assert found["lateness"]["ticks"] > 0


async def test_a_call_that_is_never_over_can_not_be_judged(tmp_path: Path) -> None:
    plan = attrs.evolve(load_plan(a_folder(tmp_path)), repeats=1)
    one = attrs.evolve(plan, variants=plan.variants[:1])
    endless = NamedCaller("endless", Caller(steps=(Wait(60_000),)), max_ms=400)
    with trio.fail_after(20):
        (run,) = await run_plan(
            one, [endless], out=tmp_path / "out", progress=lambda *_: None, environment={}
        )
    assert run.error == "not over after 400 ms"


async def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    plan = load_plan(a_folder(tmp_path))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "runs.json").write_text("[]")
    with pytest.raises(ManifestError, match="no record of runs"):
        await run(plan, tmp_path / "out")


# ---------------------------------------------------------------- variants


def settings(folder: Path, **changes: Any) -> Any:
    path = a_folder(folder).with_name("config.toml")
    return settings_of(Variant("v", **changes), read_base(path), path, "front-desk")


def test_a_variant_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    changed = settings(
        tmp_path,
        realtime={"model": "next"},
        agent={"voice": "cedar", "turn_detection": {"silence_duration_ms": 900}},
    )
    agent = changed.agents["front-desk"]
    assert (changed.realtime.model, agent.voice, agent.greeting) == ("next", "cedar", "Hello.")
    assert (agent.turn_detection.threshold, agent.turn_detection.silence_duration_ms) == (0.5, 900)


def test_callers_of_a_comparison_ring_at_any_hour(tmp_path: Path) -> None:
    path = a_folder(tmp_path).with_name("config.toml")
    hours = '\n[agents.front-desk.hours]\nclosed_days = ["2026-12-25"]\nagent = "night"\n[agents.night]\n'
    path.write_text(path.read_text() + hours)
    found = settings_of(Variant("v"), read_base(path), path, "front-desk")
    assert found.agents["front-desk"].hours == Hours()


def test_another_kind_of_turn_detection_takes_nothing_from_the_first(tmp_path: Path) -> None:
    changed = settings(tmp_path, agent={"turn_detection": {"type": "semantic_vad", "eagerness": "high"}})
    assert changed.agents["front-desk"].turn_detection.eagerness == "high"


def test_a_real_model_needs_a_key(tmp_path: Path) -> None:
    real = settings(tmp_path, realtime={"api_key_env": "OTHER_KEY"})
    variant = Variant("v")
    with pytest.raises(ConfigError, match=r"\[variants\.v\] no OpenAI key: set OTHER_KEY"):
        secrets_of(variant, real, {"OPENAI_API_KEY": "sk-1"})
    assert secrets_of(variant, real, {"OTHER_KEY": "sk-2"}).api_key == "sk-2"


# ---------------------------------------------------------------- plans


def faults(folder: Path, old: str, new: str) -> list[str]:
    path = a_folder(folder)
    path.write_text(PLAN.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_plan(path)
    return [fault.removeprefix(f"{path}: ").replace(str(folder), "") for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("repeats = 2", "repeats = 0", "repeats = 0: use a whole number from 1 to 1000"),
        ("repeats = 2", "repeat = 2", "repeat: unknown key; did you mean repeats?"),
        ('base = "config.toml"', 'base = "x.toml"', "base: /x.toml: no such file; name another with --config"),
        ('"front-desk"', '"front"', 'agent = "front": no such agent in the base; did you mean front-desk?'),
        ('["call.toml"]', '["gone.toml"]', "callers: /gone.toml: no such file or folder"),
        ('callers = ["call.toml"]', "", 'callers: missing; write callers = ["data/tapes"], tapes or phone scenarios'),
        ('baseline = "today"', 'baseline = "toda"', 'baseline = "toda": no such variant; did you mean today?'),
        ('"chatty"', '"chaty"', '[variants.next] version = "chaty": not in /model.toml; did you mean chatty?'),
        ("agent.greeting", "agent.greting", "[variants.next] [agents.front-desk] greting: unknown key"),
        ("agent.greeting", "greeting", "[variants.next] greeting: unknown key; "),
        ('agent.greeting = "Good day."', 'realtime.model = "x"', "[variants.next] realtime.model: not with"),
        ("[variants.next]", "[variants.Next]", '[variants.Next]: use a name of a-z'),
        ("[thresholds]\nanything = 1", "", ""),
    ],
)  # fmt: skip
def test_every_fault_of_a_plan_is_told_with_what_to_write(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    if not fault:
        path = a_folder(tmp_path)
        path.write_text(PLAN.replace(old, new))
        assert load_plan(path).thresholds == {}
        return
    assert [found for found in faults(tmp_path, old, new) if found.startswith(fault)]


def test_tapes_and_scenarios_call_under_their_own_names(tmp_path: Path) -> None:
    plan = attrs.evolve(
        load_plan(a_folder(tmp_path)),
        callers=(TAPES / "hung_up.jsonl.gz", tmp_path / "call.toml", TAPES / "hung_up.jsonl.gz"),
    )
    assert [caller.name for caller in callers_of(plan, [])] == ["hung_up", "call"]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "call.toml").write_text(CALL)
    both = attrs.evolve(plan, callers=(tmp_path / "call.toml", tmp_path / "more"))
    assert [caller.name for caller in callers_of(both, [])] == ["call", "call-2"]


def test_a_folder_without_callers_is_told(tmp_path: Path) -> None:
    plan = load_plan(a_folder(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no tapes and no phone scenarios"):
        callers_of(attrs.evolve(plan, callers=(tmp_path / "empty",)), [])


def test_another_pause_makes_another_caller() -> None:
    one, other = (NamedCaller("a", Caller(steps=(WaitForQuiet(ms),))) for ms in (400, 500))
    assert one.sha256 != other.sha256
    assert one.sha256 == NamedCaller("b", one.caller).sha256


def test_the_examples_are_plans() -> None:
    plan = load_plan(ROOT / "docs" / "compare" / "stand-ins.toml")
    assert [variant.name for variant in plan.variants] == ["today", "next", "patient"]
    assert [caller.name for caller in callers_of(plan, [])] == ["interruption-phone", "hung_up"]
    path = ROOT / "docs" / "compare" / "models.toml"
    text = path.read_text().replace("../../data/tapes", "../../tests/tapes")
    assert parse_plan(tomllib.loads(text), path).baseline == "today"
