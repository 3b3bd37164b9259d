"""What the README, the pages and the help texts tell people to type exists, and what can be tried here works."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner
from kept import Folder

from bridge.cli import main as bridge
from bridge.commands.init import templates
from bridge.screen.lazy_group import LazyGroup
from replay.cli import main as replay

ROOT = Path(__file__).parents[2]
MAINS = {"bridge": bridge, "replay": replay}
PAGES = [
    path
    for path in sorted(ROOT.glob("**/*.md"))
    if path.relative_to(ROOT).parts[0]
    in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench", "deploy", "docs", "replay", "tests")
]
BLOCK = re.compile(r"```\w*\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
OURS = re.compile(r"(?:^|(?<!-u)[\s/;&(|])((?:bridge|replay) .*)")  # not the unit of journalctl -u


# ---------------------------------------------------------------- what people are told to type


def told_on(page: Path) -> Iterator[str]:
    """Yield the command lines of a page: those of its shell blocks, and those within its sentences."""
    text = page.read_text(encoding="utf-8")
    for block in SHELL.findall(text):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    for code in INLINE.findall(BLOCK.sub("", text)):
        if re.match(r"(uv run |sudo )*(bridge|replay) ", code):
            yield code.replace("\\|", "|")


def told_by_help(command: click.Command) -> Iterator[str]:
    """Yield the command lines of a help text; what an example does stands two spaces behind it."""
    text = f"{command.help or ''}\n{command.epilog or ''}"
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if re.match(r" *(bridge|replay) [\w-]", line):
            yield re.split(r"  +", line.strip())[0]


def all_commands(group: click.Command) -> Iterator[click.Command]:
    yield group
    if isinstance(group, LazyGroup):
        context = click.Context(group)
        for name in group.lazy:
            yield from all_commands(group.get_command(context, name) or group)


def words_of(line: str) -> list[str] | None:
    """Return a line's call of our commands as words, without what comes behind a pipe; None if it is none."""
    found = OURS.search(line.strip().removeprefix("uv run "))
    if found is None or line.lstrip().startswith("#"):
        return None
    words = shlex.split(found[1], comments=True)
    end = next(
        (at for at, word in enumerate(words) if word in ("|", "&&", ">", "&") or word.endswith(";")),
        len(words),
    )
    return [word.rstrip(";") for word in words[: end + bool(words[end:] and words[end].endswith(";"))]]


TOLD = {
    shlex.join(words): where
    for where, lines in [
        *((page.relative_to(ROOT).as_posix(), list(told_on(page))) for page in PAGES),
        *(
            (f"{main} --help", [*told_by_help(command)])
            for main in MAINS
            for command in all_commands(MAINS[main])
        ),
    ]
    for line in lines
    if (words := words_of(line)) is not None
}


def test_there_are_commands_to_look_at() -> None:
    assert len(TOLD) > 80


def command_of(told: str) -> tuple[click.Command, list[str]]:
    """Return the command that a line calls, and what it gives it."""
    program, *words = shlex.split(told)
    command: click.Command = MAINS[program]
    while isinstance(command, LazyGroup) and words and words[0] not in ("COMMAND", "--help", "…"):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{command.name} has no command {name}"
        command = found
    return command, words


@pytest.mark.parametrize("told", TOLD, ids=lambda told: f"{TOLD[told]}: {told}")
def test_what_is_told_has_the_commands_and_options_that_there_are(told: str) -> None:
    command, words = command_of(told)
    words = [word for word in words if word not in ("…", "COMMAND")]
    context = click.Context(command, info_name=command.name)
    _, left, _ = command.make_parser(context).parse_args(words)  # raises for an option that there is not
    assert left == []


# ---------------------------------------------------------------- what can be tried here

CALL = "CA4f3e" + "0" * 28
RUNS = (
    "bridge calls", "bridge check", "bridge keep", "bridge reindex", "bridge show", "replay export", "replay grep",
    "replay list", "replay redact", "replay run", "replay show", "replay wav",
)  # fmt: skip
WITH_A_RESULT = {"replay grep": (0, 1)}
"""Exit codes that say something of the call, and nothing of the command line."""

PLACES: Final = re.compile(r"…|\.\.\.|/var/lib|s3://|--store lake|TAPE|CALL|PATTERN|\[|--accept")
"""In lines that show where something is to be written, or lead elsewhere; and in one that would change tapes."""


def can_be_tried(told: str) -> bool:
    if " ".join(told.split()[:2]) not in RUNS or PLACES.search(told):
        return False
    command, words = command_of(told)
    return bool(words) or not any(parameter.required for parameter in command.params)


TRIED = [told for told in TOLD if can_be_tried(told)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as somebody has it after a first call: a configuration, tapes, a database."""
    made = tmp_path_factory.mktemp("somebody")
    for name, text in templates().items():
        (made / name).write_text(text, encoding="utf-8")
    Folder(made / "data").put(CALL, day="2026-11-23")
    shutil.copytree(ROOT / "tests" / "tapes", made / "tests" / "tapes")
    for name in (f"{CALL}.jsonl.gz", "call.jsonl.gz"):
        shutil.copy(made / "tests" / "tapes" / "interrupted.jsonl.gz", made / name)
    return made


def test_what_is_tried_is_much_of_what_is_told() -> None:
    assert len(TRIED) > 25
    assert {" ".join(told.split()[:2]) for told in TRIED} == set(RUNS)


@pytest.mark.parametrize("told", TRIED)
def test_what_can_be_tried_works(told: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    program, *words = shlex.split(told)
    words = [f"{CALL}.jsonl.gz" if word == "CA4f3e.jsonl.gz" else word for word in words]
    result = CliRunner().invoke(MAINS[program], words)
    codes = WITH_A_RESULT.get(" ".join(told.split()[:2]), (0,))
    assert result.exit_code in codes, result.output


# ---------------------------------------------------------------- what pages lead to


def anchors_of(page: Path) -> set[str]:
    """Return the names of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(
        r"\]\((?!\w+:)([^)\s#]*)#?([^)\s]*)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))
    )
    dead = []
    for path, anchor in links:
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(f"{path}#{anchor}")
    assert dead == []


FILE = re.compile(
    r"(?:bench|bridge|deploy|docs|replay|tests|\.ci)/[\w./-]+\.(?:css|json|md|py|sh|toml|ya?ml)"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_is_named_is_there(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # what was there then
    named = [code for code in INLINE.findall(page.read_text(encoding="utf-8")) if FILE.fullmatch(code)]
    assert [name for name in named if not (ROOT / name).exists()] == []


# ---------------------------------------------------------------- what people are shown in Python

PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
FACES: Final = {"bridge.outbound.client", "bridge.tools", "replay.testing", "replay.vad"}
"""What others import. The lab's own page has the third, for a notebook: it needs the packages of an extra."""

EXAMPLES = [
    *(
        (page.relative_to(ROOT).as_posix(), block)
        for page in PAGES
        for block in PYTHON.findall(page.read_text("utf-8"))
    ),
    *(
        (path.name, path.read_text("utf-8"))
        for path in sorted((ROOT / "bridge" / "templates").glob("my_*.py"))
    ),
]


def ours_imported_in(code: str) -> Iterator[tuple[str, str]]:
    """Yield each module of ours that is imported, with a name that is taken from it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "__name__") for name in node.names)


IMPORTED = sorted(
    {
        (where, module, name)
        for where, code in EXAMPLES
        for module, name in ours_imported_in(code)
        if module.partition(".")[0] in MAINS
    }
)


def test_examples_of_all_faces_are_looked_at() -> None:
    assert {module for _, module, _ in IMPORTED} == FACES


@pytest.mark.parametrize(("where", "module", "name"), IMPORTED)
def test_examples_import_from_the_faces_alone(where: str, module: str, name: str) -> None:
    assert module in FACES
    assert hasattr(import_module(module), name)


def test_the_face_for_tests_has_what_it_says_and_each_under_its_own_name() -> None:
    face = import_module("replay.testing")
    assert len(face.__all__) == len({id(getattr(face, name)) for name in face.__all__})
    assert set(face.__all__) == set(face._HOME_OF)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = face.nonsense


def test_the_face_for_tests_loads_nothing_until_it_is_asked() -> None:
    code = "import sys, replay.testing; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    assert {"trio", "attrs", "bridge", "msgspec"} & set(done.stdout.split()) == set()
