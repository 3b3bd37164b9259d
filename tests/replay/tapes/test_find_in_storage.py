"""Every command that takes a tape takes one in object storage, or a folder of them, and says of it what it says of a
file."""

import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from storage import Storage, storage

from bridge.errors import ConfigError
from bridge.objects.bucket import put
from replay.cli import main
from replay.compare.plan import callers_of, load_plan
from replay.tapes.rewrite import RefusedError, accept

__all__ = ["storage"]
TAPES = Path("tests/tapes")
NAMES = ("hung_up", "interrupted")


@pytest.fixture
def folder(storage: Storage) -> str:
    """Return the URL of a folder with two tapes, and something that is none."""
    for name in NAMES:
        put(storage.object(f"2026-11-23/{name}.jsonl.gz"), (TAPES / f"{name}.jsonl.gz").read_bytes())
    put(storage.object("2026-11-23/notes.txt"), b"no tape")
    return f"{storage.url}/2026-11-23"


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


OF_ITS_WORDS = re.compile(rb"nonce-?=?\"?[0-9a-f]+|sha256-[^&]+")
"""In a page: what is worked out from all that stands in it, its tape's name too."""

ONE = {
    "show": [],
    "wav": ["-o", "OUT"],
    "page": ["-o", "OUT"],
    "export": ["--wire"],
    "redact": ["-o", "OUT"],
    "list": ["--json"],
    "run": [],
}


@pytest.mark.parametrize("command", ONE)
def test_a_command_makes_the_same_of_an_object_as_of_its_file(
    command: str, folder: str, tmp_path: Path
) -> None:
    made = []
    for number, tape in enumerate((f"{folder}/interrupted.jsonl.gz", str(TAPES / "interrupted.jsonl.gz"))):
        out = tmp_path / f"{number}.out.gz"
        result = replay(command, tape, *(str(out) if arg == "OUT" else arg for arg in ONE[command]))
        assert result.exit_code == 0, result.output
        shown = result.output.replace(tape, "TAPE").replace(str(out), "OUT")
        data = out.read_bytes().replace(tape.encode(), b"TAPE") if out.exists() else b""
        made.append((shown if command != "run" else shown[:30], OF_ITS_WORDS.sub(b"", data)))
    assert made[0] == made[1]


def test_a_folder_in_storage_is_gone_through(folder: str) -> None:
    told = msgspec.json.decode(replay("run", folder, "--json").stdout)
    assert [one["path"] for one in told["tapes"]] == [f"{folder}/{name}.jsonl.gz" for name in NAMES]
    assert told["ok"] == len(NAMES)
    assert "hung_up" in replay("grep", ".", folder, "--json").stdout


def test_the_callers_of_a_plan_may_lie_in_storage(folder: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(f'callers = ["{folder}"]\n[variants.now]\n[variants.next]\n', encoding="utf-8")
    assert [caller.name for caller in callers_of(load_plan(plan), [])] == [*NAMES]
    plan.write_text(plan.read_text().replace(folder, f"{folder}/nothing"), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"callers: {folder}/nothing: no tapes in this folder"):
        callers_of(load_plan(plan), [])


@pytest.mark.parametrize("name", ["nothing", "nothing/CA1.jsonl.gz"])
def test_what_is_not_there_is_said_with_its_url(name: str, folder: str) -> None:
    result = replay("show", f"{folder}/{name}")
    assert result.exit_code != 0
    assert f"{folder}/{name}: " in result.output


def test_a_golden_tape_is_a_file(folder: str) -> None:
    with pytest.raises(RefusedError, match="copy it into a folder"):
        accept(Path(f"{folder}/interrupted.jsonl.gz"))
