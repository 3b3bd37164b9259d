"""The audit in CI: what is found fails, what could not be looked up is said, and any other fault is no green."""

import os
import subprocess
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / ".ci" / "audit"
UNREACHABLE = """error: Request failed after 3 retries
  cause: error sending request for url (https://api.osv.dev/v1/querybatch)
  cause: client error (Connect)
  cause: dns error"""


@pytest.mark.parametrize(
    ("says", "ends", "code"),
    [
        ("Found no known vulnerabilities", 0, 0),
        ("h11 0.16.0 has 1 known vulnerability:", 1, 1),
        (UNREACHABLE, 2, 0),
        ("error: the lockfile needs to be updated", 2, 2),
        ("error: unrecognized subcommand 'audit'", 2, 2),
    ],
)
def test_only_an_unreachable_database_is_forgiven(tmp_path: Path, says: str, ends: int, code: int) -> None:
    fake = tmp_path / "uv"
    fake.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {ends}\n")
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([AUDIT], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert says in done.stdout
    assert ("could not reach the advisory database" in done.stderr) == (says == UNREACHABLE)
