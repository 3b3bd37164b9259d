"""The checker of wire logs in `tests/golden`, as a module: it is a script that can be run alone, too."""

import importlib.util
from pathlib import Path
from types import ModuleType

GOLDEN = Path(__file__).parent / "golden"


def load_checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_wire", GOLDEN / "check_wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_wire = load_checker()
