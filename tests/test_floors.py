"""The floors of the house: a module imports only from lower floors, and the pure ones import nothing that acts."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = [
    {"__init__", "text"},
    {
        "audio",
        "checks",
        "dead_air",
        "effects",
        "errors",
        "events",
        "heard_text",
        "keys",
        "metric_table",
        "nesting",
        "prices",
        "proxies",
        "retirements",
        "retry_after",
        "session_fields",
        "signed_form",
        "visible",
        "wording",
    },
    {"languages", "transcribed"},
    {"config", "findings", "held", "last_words", "playout", "turns"},
    {"admission", "doubts", "journal", "letters", "lines", "realtime", "twilio"},
    {"session", "tape", "tool_calls"},
    {"call", "key_mask", "reading", "records", "redact", "restore"},
    {"files", "tape_writer"},
    {
        "doctor_world",
        "extras",
        "forgotten",
        "http",
        "lag",
        "late_pings",
        "links",
        "logs",
        "machine",
        "post",
        "recorder",
        "spans",
        "tools",
        "tunnel",
    },
    {
        "disk",
        "doctor_model",
        "doctor_public",
        "fallback",
        "hand",
        "install",
        "listener",
        "lock",
        "model_link",
        "notify",
        "outbox",
        "recovery",
        "tracing",
    },
    {"model_door"},
    {"doctor_socket", "doctor_twilio", "shadow", "store"},
    {"doctor_entry", "erase", "live"},
    {"current"},
    {"birth", "doctor_session"},
    {"place"},
    {"reaper"},
    {"keep", "search", "switchboard"},
    {"forget", "sockets"},
    {"app", "house"},
    {"crew", "here"},
    {"worker"},
    {"metrics"},
    {"admin"},
    {"watching"},
    {"server"},
    {"service"},
    {"doctor_machine"},
    {"doctor"},
    {"options", "output"},
    {"lazy_group", "output_keep"},
    {
        "cmd_calls",
        "cmd_check",
        "cmd_doctor",
        "cmd_init",
        "cmd_install",
        "cmd_keep",
        "cmd_reindex",
        "cmd_serve",
    },
    {"cmd_demo"},
    {"cli"},
]
PURE = set().union(*FLOORS[:7])
ACTING = {
    "asyncio", "datetime", "duckdb", "hypercorn", "logging", "os", "quart", "quart_trio", "random", "secrets",
    "select", "signal", "socket", "structlog", "subprocess", "threading", "time", "trio", "trio_websocket", "uuid",
}  # fmt: skip


def imports_of(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "bridge":
            names += [f"bridge.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def floor_of(module: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if module in floor)


def own_imports(path: Path) -> list[str]:
    named = [name.split(".")[1] for name in imports_of(path) if name.startswith("bridge.")]
    return ["__init__" if name == "__version__" else name for name in named]


MODULES = sorted((ROOT / "bridge").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_imports_only_from_lower_floors(path: Path) -> None:
    higher = [name for name in own_imports(path) if floor_of(name) >= floor_of(path.stem)]
    assert higher == []


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem in PURE], ids=lambda path: path.stem)
def test_the_pure_floors_import_nothing_that_acts(path: Path) -> None:
    acting = {name.split(".")[0] for name in imports_of(path)} & ACTING
    assert acting == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_bridge_uses_the_lab_in_its_demo_alone(path: Path) -> None:
    lab = [name for name in imports_of(path) if name.split(".")[0] == "replay"]
    assert lab == (["replay.demo"] if path.stem == "cmd_demo" else [])


def test_the_heart_iterates_over_no_set() -> None:
    for name in (
        "call",
        "dead_air",
        "playout",
        "turns",
        "journal",
        "held",
        "keys",
        "last_words",
        "session",
        "session_fields",
    ):
        tree = ast.parse((ROOT / "bridge" / f"{name}.py").read_text(encoding="utf-8"))
        sets = [node for node in ast.walk(tree) if isinstance(node, ast.Set | ast.SetComp)]
        calls = [
            node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "set"
        ]
        assert sets + calls == []
