"""What all commands have in common: what they load, how they leave, and what a newcomer is given to start from."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bridge.cli import main as bridge
from bridge.commands.init import TOOLS, templates
from bridge.extras import EXTRAS, Origin, command_for, extra_with
from bridge.screen.lazy_group import NOBODY_READS, LazyGroup
from bridge.screen.output import moment
from bridge.store.database import Store
from bridge.text.wording import counted, seconds
from replay.cli import main as replay

ROOT = Path(__file__).parents[2]
MAINS = {"bridge": bridge, "replay": replay}

# ---------------------------------------------------------------- what is loaded

HEAVY = {"duckdb", "httpx", "httpx2", "hypercorn", "msgspec", "numpy", "quart", "rich", "structlog", "trio", "twilio",
         "werkzeug"}  # fmt: skip


def loaded_by(*words: str) -> set[str]:
    """Return the packages that a command has imported at its end."""
    program, *arguments = words
    code = (
        f"import sys; from {program}.cli import main\n"
        f"try: main({arguments!r})\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("words", ["bridge --help", "bridge --version", "replay --help", "replay vad --help"])
def test_asking_for_help_loads_nothing_heavy(words: str) -> None:
    assert loaded_by(*words.split()) & HEAVY == set()


def test_looking_at_calls_loads_neither_the_daemon_nor_the_lab(tmp_path: Path) -> None:
    Store(tmp_path / "calls.duckdb").add([ROOT / "tests" / "tapes" / "hung_up.jsonl.gz"])
    loaded = loaded_by("bridge", "calls", "--data", str(tmp_path))
    neither = {
        "httpx",
        "httpx2",
        "hypercorn",
        "numpy",
        "quart",
        "replay",
        "structlog",
        "trio",
        "trio_websocket",
        "twilio",
        "werkzeug",
    }
    assert loaded & neither == set()


def test_the_indexers_process_loads_no_loop_and_no_log_before_it_needs_them() -> None:
    code = "import bridge.indexing.worker, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert {"bridge.store.records", "bridge.tapes.late", "bridge.page.html"} & set(
        done.stdout.split()
    ) == set()
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "duckdb" in loaded, done.stderr
    assert (
        loaded & {"asyncio", "hypercorn", "quart", "regex", "rich", "structlog", "trio", "twilio", "werkzeug"}
        == set()
    )


# ---------------------------------------------------------------- which commands there are


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, group
    if isinstance(group, LazyGroup):
        context = click.Context(group, info_name=path)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, f"{path} {name}")


ALL = dict(item for name, main in MAINS.items() for item in commands(main, name))


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_the_name_it_is_known_by_and_a_help_text(path: str) -> None:
    command = ALL[path]
    assert path.endswith(command.name or "") or command.name == "main"
    assert command.help


@pytest.mark.parametrize("path", [path for path, command in ALL.items() if isinstance(command, LazyGroup)])
def test_a_group_says_of_every_command_what_it_is_for(path: str) -> None:
    shown = CliRunner().invoke(MAINS[path.split()[0]], [*path.split()[1:], "--help"]).output
    told = set(re.findall(rf"^ +{path} (\w+) .*  \S", shown, re.MULTILINE))
    assert told == {other.split()[-1] for other in ALL if other.rpartition(" ")[0] == path}


# ---------------------------------------------------------------- what is not installed


@pytest.mark.parametrize(
    ("words", "extra"), [("vad sweep data/tapes", "vad"), ("compare plan.toml", "compare")]
)
def test_a_command_whose_extra_is_missing_says_what_to_install(words: str, extra: str) -> None:
    code = f"import sys; sys.modules['numpy'] = None; from replay.cli import main; main({words.split()!r}, 'replay')"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert result.returncode == 2
    assert re.search(rf"`replay {extra}.*` needs numpy", result.stderr)
    (hint,) = re.findall(r"uv sync .*|phone-bridge\[.*\]", result.stderr)
    assert extra in re.split(r"\W+", hint)


WHEEL = "file:///tmp/phone_bridge-0.1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (Origin(python="/opt/b/bin/python"), "/opt/b/bin/python -m pip install 'phone-bridge[vad]'"),
        (Origin(WHEEL), f"python -m pip install 'phone-bridge[vad] @ {WHEEL}'"),
        (Origin(WHEEL, is_uv_tool=True, has_pip=False), f"uv tool install 'phone-bridge[vad] @ {WHEEL}'"),
        (Origin(has_pip=False), "uv pip install --python python 'phone-bridge[vad]'"),
        (
            Origin(extras=frozenset({"metrics"}), is_uv_tool=True),
            "uv tool install 'phone-bridge[metrics,vad]'",
        ),
        (Origin(extras=frozenset({"metrics"})), "python -m pip install 'phone-bridge[vad]'"),
        (Origin("file:///x", folder=ROOT), "uv sync --extra vad"),
        (
            Origin("file:///x", folder=ROOT, extras=frozenset({"compare"})),
            "uv sync --extra compare --extra vad",
        ),
        (Origin("file:///x", folder=Path("/x")), "python -m pip install --editable '/x[vad]'"),
    ],
)
def test_what_to_install_names_what_there_is_here(origin: Origin, command: str) -> None:
    assert command_for("vad", origin) == command


def test_every_extra_of_the_project_is_known_with_its_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"])
    assert extra_with("opentelemetry.sdk.trace") == "otel"
    assert extra_with("duckdb") is None


# ---------------------------------------------------------------- nobody reads any more


@pytest.mark.parametrize(
    "words",
    [
        "replay export --wire tests/tapes/interrupted.jsonl.gz",
        "replay show tests/tapes/interrupted.jsonl.gz",
        "replay show --json tests/tapes/interrupted.jsonl.gz",
        "replay grep . tests/tapes",
        "replay run tests/tapes",
        "replay list tests/tapes",
        "replay run --help",
        "bridge --help",
    ],
)
def test_a_reader_that_has_seen_enough_ends_the_command_quietly(words: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    program, *arguments = words.split()
    code = f"from {program}.cli import main; main({arguments!r})"
    with os.fdopen(write_end, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=nobody, stderr=subprocess.PIPE, timeout=60, cwd=ROOT
        )
    assert (done.returncode, done.stderr.decode()) == (NOBODY_READS, "")


# ---------------------------------------------------------------- a first configuration


def run(*arguments: str, **environment: str) -> Any:
    names = ("BRIDGE_CONFIG", "BRIDGE_PUBLIC_URL", "TWILIO_AUTH_TOKEN", "OPENAI_API_KEY")
    return CliRunner().invoke(bridge, list(arguments), env=dict.fromkeys(names) | environment)


SET = {
    "BRIDGE_PUBLIC_URL": "https://bridge.example.com",
    "TWILIO_AUTH_TOKEN": "a-token-of-this-test",
    "OPENAI_API_KEY": "sk-a-key-of-this-test",
}


def test_an_empty_folder_becomes_one_that_can_serve(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert run("init", str(folder)).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "my_tools.py"]
    result = run("check", "--ready", "--config", str(folder / "config.toml"), **SET)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "https://bridge.example.com/voice/front-desk" in result.stdout
    assert "tools: book_table, check_table, hang_up" in result.stdout


@pytest.mark.parametrize("name", ["config.toml", "my_tools.py"])
def test_what_is_there_already_is_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    result = run("init", str(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path / name} is there already; nothing was written" in result.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_the_first_configuration_is_the_projects_own_but_for_its_tools() -> None:
    written, ours = templates()["config.toml"], (ROOT / "config.toml").read_text(encoding="utf-8")
    (tools,) = [line for line in ours.splitlines(keepends=True) if line.startswith("tools = ")]
    assert written.replace(TOOLS, tools) == ours


def test_the_first_tool_is_the_one_of_the_readme() -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n# my_tools\.py\n(.*?)```", shown, re.DOTALL)
    assert templates()["my_tools.py"].endswith(code)


# ---------------------------------------------------------------- what they write


def test_nobody_is_shown_a_plural_in_parentheses() -> None:
    sources = [*ROOT.glob("bridge/**/*.py"), *ROOT.glob("replay/**/*.py")]
    assert [path.name for path in sources if re.search(r"\w\(s\)", path.read_text(encoding="utf-8"))] == []


def test_counts_and_lengths_and_moments_are_written_as_people_do() -> None:
    assert [counted(n, "call") for n in (0, 1, 2)] == ["0 calls", "1 call", "2 calls"]
    assert counted(2, "entry", "entries") == "2 entries"
    assert [seconds(ms) for ms in (None, 900, 59_949, 61_000)] == ["", "0.9 s", "59.9 s", "1 min 01 s"]
    at = datetime(2026, 11, 23, 7, 3, 57, 123_000, tzinfo=UTC)
    assert moment(at) == moment(at.isoformat()) == moment("2026-11-23T07:03:57Z") == "2026-11-23 07:03:57"
    assert (moment("yesterday"), moment(None)) == ("yesterday", "")


def test_every_list_of_calls_writes_a_call_and_its_beginning_alike(tmp_path: Path) -> None:
    tape = ROOT / "tests" / "tapes" / "interrupted.jsonl.gz"
    (tmp_path / "tapes").mkdir()
    shutil.copy(tape, tmp_path / "tapes" / "CAf46413694d.jsonl.gz")
    data = ["--data", str(tmp_path)]
    CliRunner().invoke(bridge, ["reindex", *data])
    lists = {
        "calls": CliRunner().invoke(bridge, ["calls", *data]),
        "list": CliRunner().invoke(replay, ["list", str(tmp_path)]),
        "grep": CliRunner().invoke(replay, ["grep", "Wait, stop", str(tmp_path)]),
        "forget": CliRunner().invoke(bridge, ["forget", "CAf4", "--dry-run", *data]),
    }
    assert [name for name, result in lists.items() if not re.search(r"\bCAf4641369\b", result.output)] == []
    del lists["grep"]
    assert [name for name, result in lists.items() if "2026-11-23 07:03:57" not in result.output] == []
