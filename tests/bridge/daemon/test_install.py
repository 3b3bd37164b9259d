"""`bridge install`: the units, where they may be written, and what systemd itself says of them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.config import Settings, parse, read_secrets
from bridge.daemon.install import MARGIN_SECONDS, Installation
from bridge.errors import BridgeError, ConfigError

ROOT = Path(__file__).parents[3]
CONFIG = Path("/etc/bridge/config.toml")
TEXT = '[server]\ndrain_seconds = 20\n[recording]\nfolder = "/var/lib/bridge"\n[agents.front-desk]\n'
MOST_EXPOSED = 2.0


def settings_in(folder: str, drain_seconds: int = 20) -> Settings:
    raw = {
        "server": {"drain_seconds": drain_seconds},
        "recording": {"folder": folder},
        "agents": {"front-desk": {}},
    }
    return parse(raw, CONFIG)


USUAL = Installation(Path("/opt/bridge/bin/bridge"), CONFIG, settings_in("/var/lib/bridge"), with_socket=True)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a root folder with a configuration in it."""
    (tmp_path / "etc" / "bridge").mkdir(parents=True)
    (tmp_path / "etc" / "bridge" / "config.toml").write_text(TEXT)
    return tmp_path


def install(machine: Path, *options: str) -> Result:
    usual = ["--root", str(machine), "--config", str(CONFIG), "--bin", "/opt/bridge/bin/bridge"]
    return CliRunner().invoke(main, ["install", *usual, *options])


# ---------------------------------------------------------------- the units


@pytest.mark.parametrize("name", ["bridge.service", "bridge.socket"])
def test_the_units_in_deploy_are_what_install_writes(name: str) -> None:
    assert (ROOT / "deploy" / name).read_text("utf-8") == USUAL.units()[name]


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.search(r"@[A-Z]+@", "".join(USUAL.units().values()))


def test_systemd_waits_longer_than_the_daemon_drains() -> None:
    unit = attrs.evolve(USUAL, settings=settings_in("/var/lib/bridge", 600)).units()["bridge.service"]
    assert f"TimeoutStopSec={600 + MARGIN_SECONDS}\n" in unit


def test_a_user_of_its_own_writes_below_var_lib_alone() -> None:
    with pytest.raises(BridgeError, match=r"/srv/calls: .* set \[recording\] folder = \"/var/lib/bridge\""):
        attrs.evolve(USUAL, settings=settings_in("/srv/calls")).units()
    unit = attrs.evolve(USUAL, settings=settings_in("/srv/calls"), user="phone").units()["bridge.service"]
    assert "User=phone\nReadWritePaths=/srv/calls\n" in unit
    assert "DynamicUser" not in unit


@pytest.mark.parametrize(
    "hidden", ["/home/me/venv/bin/bridge", "/root/venv/bin/bridge", "/tmp/venv/bin/bridge"]
)
def test_what_the_service_could_not_see_is_refused(hidden: str) -> None:
    with pytest.raises(BridgeError, match=f"^{hidden}: a service .*/opt/bridge"):
        attrs.evolve(USUAL, binary=Path(hidden)).units()


def test_an_owner_may_keep_it_at_home() -> None:
    unit = attrs.evolve(USUAL, binary=Path("/home/me/venv/bin/bridge"), user="me").units()["bridge.service"]
    assert "ProtectHome=read-only\n" in unit


@pytest.mark.parametrize("path", ["/opt/my bridge/bin/bridge", "/opt/100%/bridge", "bridge"])
def test_a_path_that_a_unit_would_read_differently_is_refused(path: str) -> None:
    with pytest.raises(BridgeError, match="absolute path"):
        attrs.evolve(USUAL, binary=Path(path)).units()


# ---------------------------------------------------------------- writing them


def test_it_writes_the_units_and_says_what_is_left(machine: Path) -> None:
    result = install(machine, "--socket")
    units = machine / "etc" / "systemd" / "system"
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in units.iterdir()) == ["bridge.service", "bridge.socket"]
    for said in (
        f"{units / 'bridge.service'}: written",
        '[twilio] auth_token_file = "$CREDENTIALS_DIRECTORY/twilio"',
        "systemctl enable --now bridge.socket bridge.service",
        "nothing was started",
    ):
        assert said in result.output


def test_a_second_time_changes_nothing(machine: Path) -> None:
    install(machine)
    assert "bridge.service: is as it should be" in install(machine).output


def test_a_changed_unit_is_left_alone_without_force(machine: Path) -> None:
    install(machine)
    unit = machine / "etc" / "systemd" / "system" / "bridge.service"
    unit.write_text("mine")
    refused = install(machine, "--socket")
    assert (refused.exit_code, unit.read_text()) == (2, "mine")
    assert "--force" in refused.output
    assert not unit.with_suffix(".socket").exists()
    assert "bridge.service: overwritten" in install(machine, "--force").output


def test_printing_writes_nothing(machine: Path) -> None:
    result = install(machine, "--print")
    assert "ExecStart=/opt/bridge/bin/bridge serve --config /etc/bridge/config.toml" in result.output
    assert not (machine / "etc" / "systemd").exists()


# ---------------------------------------------------------------- what systemd says

analyses = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@analyses
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    here = attrs.evolve(USUAL, binary=Path("/bin/true"))  # the path in deploy/ is on no machine of ours
    for name, text in here.units().items():
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in here.units()]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@analyses
def test_the_service_is_hardly_exposed() -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        str(ROOT / "deploy" / "bridge.service"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Overall exposure level for bridge.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED


WITHOUT_EXECUTABLE_DATA = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE, which Linux 6.3 brought
    sys.exit(77)
import duckdb, numpy, ssl
import bridge.daemon.server
numpy.linalg.svd(numpy.ones((50, 50)))
assert duckdb.connect().execute("select sum(i) from range(1000) t(i)").fetchone() == (499500,)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux can forbid it")
def test_the_daemon_needs_no_memory_that_is_writable_and_executable() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXECUTABLE_DATA], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("this kernel can't forbid it")
    assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- its secrets


def test_secrets_are_found_where_systemd_puts_them(tmp_path: Path) -> None:
    (tmp_path / "twilio").write_text("a-token\n")
    raw = {**ONE_AGENT, "twilio": {"auth_token_file": "$CREDENTIALS_DIRECTORY/twilio"}}
    settings = parse(raw, CONFIG)
    assert read_secrets(settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).auth_tokens == ("a-token",)
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY is not set; systemd sets it"):
        read_secrets(settings, {})


ONE_AGENT = {"agents": {"front-desk": {}}}
