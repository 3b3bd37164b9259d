"""The rooms of the house: small, each with its sentence, and mirrored by the tests. `lint-imports` guards the walls."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = sorted({path.parent for top in ("bridge", "replay") for path in (ROOT / top).rglob("*.py")})
MIRRORED = sorted(path for top in ("bridge", "replay") for path in (ROOT / "tests" / top).rglob("test_*.py"))
MOST_MODULES = 20
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 45


def modules_of(room: Path) -> list[Path]:
    return [path for path in sorted(room.glob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_is_small_and_says_what_it_is(room: Path) -> None:
    assert len(modules_of(room)) <= MOST_MODULES
    assert ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))


def test_no_module_is_long() -> None:
    long = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for room in ROOMS
        for path in modules_of(room)
    }
    assert {str(path.relative_to(ROOT)): lines for path, lines in long.items() if lines > MOST_LINES} == {}


def test_no_function_is_long() -> None:
    long = {}
    for path in (path for room in ROOMS for path in modules_of(room)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{path.relative_to(ROOT)}: {node.name}"] = lines
    assert long == {}


@pytest.mark.parametrize("path", MIRRORED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_stands_where_its_module_stands(path: Path) -> None:
    room = ROOT / path.parent.relative_to(ROOT / "tests")
    about = path.stem.removeprefix("test_")
    assert any(about == one.stem or about.startswith(f"{one.stem}_") for one in modules_of(room))
