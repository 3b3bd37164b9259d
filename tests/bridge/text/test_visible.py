"""What strangers wrote can't steer the terminal of whoever looks at it, nor begin a line that looks like ours."""

import gzip
import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from report_cards import a_card

from bridge import cli
from bridge.doctor.findings import presentable, wrong
from bridge.logs import set_up_logging
from bridge.screen.output import Screen, calls_table, console, show_call
from bridge.store.database import Store
from bridge.tapes.reader import read_tape
from bridge.text.visible import UNSEEN, all_visible, visible, visible_json
from replay.cli import main as replay_main
from replay.conformance.card import Evidence
from replay.conformance.shown.screen import show_card
from replay.model.watch import Watcher
from replay.model.watch import narrate as narrate_model
from replay.phone.screen import narrate as narrate_phone
from replay.tapes.pages import page_of

TAPES = Path(__file__).parents[2] / "tapes"
FORGED = "2026-01-01 00:00:00 [error] FORGED"
HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\b\u202egnorts\u2066\u2028\u200b\U000e0041\r"
    f"\n{FORGED}\n[bold red]MARKUP[/] [link=https://evil.example.com]here[/link] [/nothing] \\[x]"
)
STYLE = re.compile(r"\x1b\[[\d;]*m")
"""How rich colours: the only thing that may steer a terminal."""


def assert_harmless(printed: str) -> None:
    """Fail when a printed text steers a terminal, links to somewhere, or has a line that a stranger made."""
    plain = STYLE.sub("", printed)
    assert set(UNSEEN.findall(plain)) <= {"\n"}
    assert [line for line in plain.splitlines() if line.startswith(FORGED)] == []
    assert "\x1b]8" not in printed  # a link


# ---------------------------------------------------------------- texts

TEXTS = st.text(st.characters() | st.sampled_from("\x1b\x9b\n\r\u202e\u2028\ud800"))


@given(TEXTS)
def test_nothing_unseen_is_left_and_all_else_stays(text: str) -> None:
    shown = visible(text)
    assert UNSEEN.search(shown) is None
    assert visible(shown) == shown
    assert visible(UNSEEN.sub("", text)) == UNSEEN.sub("", text)


@pytest.mark.parametrize(
    "text",
    [
        "Zoë Łuk",
        "한국어",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d🔬",
        "a\u00a0b",
        "C:\\x1b",
        "[bold]",
    ],
)
def test_words_of_any_language_are_shown_as_they_are(text: str) -> None:
    assert visible(text) == text


WHOLE = TEXTS.filter(lambda text: not re.search("[\ud800-\udfff]", text))


@given(st.lists(WHOLE | st.dictionaries(WHOLE, WHOLE | st.integers() | st.none(), max_size=3), max_size=3))
def test_json_means_the_same_and_can_be_looked_at(value: Any) -> None:
    document = json.dumps(value, ensure_ascii=False, indent=2)
    shown = visible_json(document)
    assert json.loads(shown) == json.loads(document)
    assert set(UNSEEN.findall(shown)) <= {"\n"}


# ---------------------------------------------------------------- log lines


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_no_log_line_is_added_or_steers_a_terminal(as_json: bool, is_terminal: bool) -> None:
    out = StringIO()
    out.isatty = lambda: is_terminal  # type: ignore[method-assign]
    set_up_logging(as_json=as_json, stream=out)
    log = structlog.get_logger().bind(call_id=HOSTILE)
    log.warning(HOSTILE, caller=HOSTILE, inner={HOSTILE: [HOSTILE]}, raw=HOSTILE.encode("utf-8"))
    logging.getLogger("somebody.else").warning("it said %s", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("crashed")
    printed = out.getvalue()
    assert_harmless(printed)
    begun = [line for line in STYLE.sub("", printed).splitlines() if not line.startswith("    ")]
    assert len(begun) == 3 + (
        is_terminal and not as_json
    )  # a traceback's first line stands where its event began


# ---------------------------------------------------------------- what the commands print


def hostile(value: Any, key: str = "") -> Any:
    """Return a message with hostile text wherever a peer chooses what it says."""
    if isinstance(value, dict):
        return {name: hostile(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner, key) for inner in value]
    is_theirs = key in ("transcript", "text", "output", "message", "reason", "CallerName", "why", "error")
    return value + HOSTILE if is_theirs and isinstance(value, str) else value


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with calls in which everybody was hostile, indexed."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "tapes").mkdir()
    for name in ("interrupted", "hung_up", "model_lost"):
        head, *lines = gzip.decompress((TAPES / f"{name}.jsonl.gz").read_bytes()).splitlines()
        header = json.loads(head)
        header |= {key: header[key] + HOSTILE for key in ("from", "to", "agent", "model")}
        told = [json.dumps(header)] + [json.dumps(hostile(json.loads(line))) for line in lines]
        path = folder / "tapes" / f"{header['call_id']}.jsonl.gz"
        path.write_bytes(gzip.compress("".join(f"{line}\n" for line in told).encode()))
    Store(folder / "calls.duckdb").add(sorted((folder / "tapes").iterdir()))
    return folder


FIRST = "CAf46413694d3b4e1559edc623516ad667"
PRINTED: dict[str, list[str]] = {
    "bridge calls": ["calls", "--data", "{data}"],
    "bridge calls --json": ["calls", "--data", "{data}", "--json"],
    "bridge show": ["show", FIRST, "--data", "{data}"],
    "bridge show --json": ["show", FIRST, "--data", "{data}", "--json"],
    "bridge show of none": ["show", HOSTILE, "--data", "{data}"],
    "bridge forget --dry-run": ["forget", FIRST, "--data", "{data}", "--dry-run"],
    "bridge reindex": ["reindex", "--data", "{data}"],
    "replay list": ["list", "{data}"],
    "replay list --json": ["list", "{data}", "--json"],
    "replay grep": ["grep", "FORGED", "{data}"],
    "replay grep --json": ["grep", "FORGED", "{data}", "--json"],
    "replay grep of a wrong pattern": ["grep", HOSTILE + "(", "{data}"],
    "replay show": ["show", "{tape}"],
    "replay show --json": ["show", "{tape}", "--json"],
    "replay run": ["run", "{data}/tapes", "--jobs", "1"],
    "replay run --json": ["run", "{data}/tapes", "--jobs", "1", "--json"],
    "replay run of none": ["run", HOSTILE],
    "replay export --wire": ["export", "--wire", "{tape}"],
    "replay wav": ["wav", "{tape}", "-o", "{data}/x.wav"],
    "replay redact": ["redact", "{tape}", "-o", "{data}/x.jsonl.gz"],
}


@pytest.mark.parametrize(("command", "arguments"), PRINTED.items(), ids=list(PRINTED))
def test_no_command_prints_what_steers_a_terminal(data: Path, command: str, arguments: list[str]) -> None:
    places = {"{data}": str(data), "{tape}": str(data / "tapes" / f"{FIRST}.jsonl.gz")}
    filled = [re.sub(r"\{data\}|\{tape\}", lambda found: places[found[0]], word) for word in arguments]
    result = CliRunner().invoke(cli.main if command.startswith("bridge") else replay_main, filled)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.output
    assert_harmless(result.output)
    assert [line for line in result.output.splitlines() if line.lstrip().startswith(FORGED)] == []
    if arguments[0] in ("list", "grep", "show") and "none" not in command and "wrong" not in command:
        assert "[bold red]MARKUP" in re.sub(r"\s*\n\s*", "", result.output).replace(
            "[bold  red]", "[bold red]"
        )


SILENT = {"clip", "console", "judge", "lake send", "lake tidy", "page", "reload",
          "init", "check", "demo", "doctor", "install", "keep", "serve", "call", "compare", "import", "model", "phone",
          "vad sweep", "vad labels", "vad report", "vad compose"}  # fmt: skip
"""What prints the operator's own words and numbers, or is looked at below by the part that prints for it."""


def commands(group: click.Command, before: str = "") -> Iterator[str]:
    if not isinstance(group, click.Group):
        yield before.strip()
        return
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield from commands(command, f"{before} {name}")


def test_every_command_is_looked_at_or_prints_nothing_of_strangers() -> None:
    known = {arguments[0] for arguments in PRINTED.values()} | SILENT
    assert {*commands(cli.main), *commands(replay_main)} - known == set()


def on_a_terminal(width: int = 100) -> tuple[Screen, StringIO]:
    out = StringIO()
    return Screen(file=out, force_terminal=True, width=width, highlight=False), out


def test_on_a_terminal_there_are_only_our_own_styles(data: Path) -> None:
    page = page_of(read_tape(data / "tapes" / f"{FIRST}.jsonl.gz"))
    rows = Store(data / "calls.duckdb").query("select * from calls")
    screen, out = on_a_terminal()
    show_call(page, screen)
    screen.print(calls_table(rows, width=120))
    screen.print("a stranger said:", HOSTILE.replace(f"\n{FORGED}\n", ""), markup=False)
    assert_harmless(out.getvalue())
    assert STYLE.search(out.getvalue())


def test_the_stand_ins_screens_are_harmless() -> None:
    screen, out = on_a_terminal()
    watch = Watcher(narrate_model(screen), lambda: 0.0)
    watch(
        1,
        "client",
        json.dumps({"type": "conversation.item.create", "item": {"content": [{"text": HOSTILE}]}}),
    )
    watch(1, "model", json.dumps({"type": "error", "error": {"code": HOSTILE, "message": HOSTILE}}))
    watch(1, "client", json.dumps({"type": HOSTILE}))
    tell = narrate_phone(screen)
    tell("error", {"text": HOSTILE}, 0)
    tell("closed", {"by": "bridge", "code": 1000, "reason": HOSTILE}, 0)
    assert_harmless(out.getvalue())


def test_a_report_card_is_harmless() -> None:
    said = Evidence("phone", 0, HOSTILE)
    findings = [
        evolve(one, why=HOSTILE, phone=said, model=evolve(said, side="model")) for one in a_card().findings
    ]
    assert "failed" in {one.result for one in findings}
    screen, out = on_a_terminal()
    show_card(evolve(a_card(), bridge=HOSTILE, notes=(HOSTILE,), findings=tuple(findings)), screen)
    assert_harmless(out.getvalue())
    assert [line for line in out.getvalue().splitlines() if line.lstrip().startswith(FORGED)] == []


def test_what_the_doctor_found_is_harmless() -> None:
    found = presentable(wrong("way in", f"nginx{HOSTILE} answers", HOSTILE), ["secret-in-none"])
    assert_harmless(found.text + found.next)
    assert "\n" not in found.text + found.next


def test_the_screen_of_every_command_is_one_that_shows_escapes() -> None:
    assert isinstance(console(), Screen)
    assert all_visible({HOSTILE: [HOSTILE, 1, None]}) == {visible(HOSTILE): [visible(HOSTILE), 1, None]}


CONSOLES = re.compile(r"(?<!\w)Console\((?!quiet=True|stderr=True)")


def test_nothing_is_printed_on_another_console() -> None:
    root = Path(__file__).parents[3]
    sources = [path for top in ("bridge", "replay") for path in (root / top).rglob("*.py")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in sources}
    assert [name for name, text in texts.items() if "rich" in text and CONSOLES.search(text)] == []
