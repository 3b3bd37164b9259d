"""`bridge install`: systemd's units with the paths of this installation. It writes files and starts nothing."""

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from attrs import field, frozen

from bridge.config import CREDENTIALS, Settings
from bridge.errors import BridgeError

UNITS: Final = Path("/etc/systemd/system")
STATE: Final = Path("/var/lib")
HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
HIDDEN: Final = (Path("/tmp"), Path("/var/tmp"))
"""What PrivateTmp= shows the daemon empty."""

MARGIN_SECONDS: Final = 15
"""What the end may take beyond drain_seconds: last words, last lines on tapes, and a slow disk."""


USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")
SAFE: Final = re.compile(r"/[A-Za-z0-9./_+-]*")


@frozen
class Installation:
    """What the units depend on."""

    binary: Path
    config: Path
    settings: Settings
    user: str = ""
    with_socket: bool = False
    also_read: tuple[Path, ...] = field(default=())

    @property
    def data(self) -> Path:
        """Where the daemon records."""
        return self.settings.data_folder

    @property
    def credentials(self) -> Path:
        """Where root keeps the secrets."""
        return self.config.parent / "credentials"

    def units(self) -> dict[str, str]:
        """Return the text of each unit, by its file's name. Raises `BridgeError` when the service could not start."""
        names = ["bridge.service", "bridge.socket"] if self.with_socket else ["bridge.service"]
        values = self._values()
        return {
            name: _filled(files("bridge.daemon").joinpath("units", name).read_text("utf-8"), values)
            for name in names
        }

    def _values(self) -> dict[str, str]:
        self._check_paths()
        drain = self.settings.server.drain_seconds
        user = f"User={self.user}" if self.user else "User=bridge\nDynamicUser=yes"
        return {
            "BIN": str(self.binary),
            "CONFIG": str(self.config),
            "CREDENTIALS": str(self.credentials),
            "DRAIN": str(drain),
            "STOP": str(drain + MARGIN_SECONDS),
            "BIND": self.settings.server.bind,
            "USER": user,
            "PLACES": self._places(),
            "DATA": str(self.data),
            "HOME": self._home(),
        }

    def _check_paths(self) -> None:
        if self.user and not USER.fullmatch(self.user):
            raise BridgeError(f"--user {self.user}: use the name of a user of this machine")
        for path in (self.binary, self.config, self.data):
            if not SAFE.fullmatch(str(path)):
                raise BridgeError(
                    f"{path}: use an absolute path of letters, digits and ./_+-, as units need no quotes then"
                )

    @property
    def _state(self) -> str:
        """Return the data folder's name under /var/lib; empty when it is elsewhere."""
        return str(self.data.relative_to(STATE)) if STATE in self.data.parents else ""

    def _places(self) -> str:
        if not self._state and not self.user:
            raise BridgeError(
                f"{self.data}: a service of its own user writes below {STATE} alone; set [recording] folder = "
                f'"{STATE / "bridge"}", or name the owner of that folder with --user'
            )
        data = f"ReadWritePaths={self.data}"
        if self._state:
            data = f"StateDirectory={self._state}\nStateDirectoryMode=0750"
        etc = Path("/etc")
        if self.config.parent == etc or not self.config.is_relative_to(etc):
            return data
        return f"{data}\nConfigurationDirectory={self.config.parent.relative_to(etc)}"

    def _home(self) -> str:
        """Return how much of home directories the daemon may see: nothing, unless it lives in one."""
        needed = [self.binary, self.config, self.data, *self.also_read]
        if tmp := [path for path in needed if _is_below(path, HIDDEN)]:
            raise BridgeError(
                f"{tmp[0]}: a service sees an empty /tmp; install the bridge elsewhere, in /opt/bridge say"
            )
        home = [path for path in needed if _is_below(path, HOMES)]
        if home and not self.user:
            raise BridgeError(
                f"{home[0]}: a service of its own user can't look into home directories; install the bridge in "
                "/opt/bridge (python3 -m venv /opt/bridge), or name the owner with --user"
            )
        return "read-only" if home else "yes"


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _filled(template: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def write_units(units: dict[str, str], root: Path, *, force: bool) -> list[str]:
    """Write the units below `root`, and return a sentence for each; nothing is written when one may not be.

    Raises `BridgeError` when a file is there that says something else, unless `force`.
    """
    folder = root / UNITS.relative_to("/")
    changed = [name for name, text in units.items() if _text_of(folder / name) not in (None, text)]
    if changed and not force:
        raise BridgeError(
            f"{folder / changed[0]} is there and says something else; nothing was written. See the difference with "
            "--print, overwrite it with --force, and keep changes of your own in a drop-in (systemctl edit)"
        )
    return [_write(folder / name, text) for name, text in units.items()]


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _write(path: Path, text: str) -> str:
    before = _text_of(path)
    if before == text:
        return f"{path}: is as it should be"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return f"{path}: {'written' if before is None else 'overwritten'}"


def next_steps(installation: Installation) -> list[tuple[str, list[str]]]:
    """Return what is left to do by hand, each with the commands for it, in order."""
    config, credentials, settings = installation.config, installation.credentials, installation.settings
    wanted = [
        (f'[twilio] auth_token_file = "{CREDENTIALS}twilio"', settings.twilio.auth_token_file),
        (f'[realtime] api_key_file = "{CREDENTIALS}openai"', settings.realtime.api_key_file),
    ]
    missing = [line for line, file in wanted if not file.startswith(CREDENTIALS)]
    names = "bridge.socket bridge.service" if installation.with_socket else "bridge.service"
    steps = [
        (
            "Put the secrets where root alone reads them (paste each one, then Ctrl-D)",
            [f"install -d -m 700 {credentials}"]
            + [f"install -m 600 /dev/stdin {credentials}/{name}" for name in ("twilio", "openai")],
        ),
        (f"Say in {config} where the daemon finds them", missing),
        (
            "Check what it would start with",
            [f"CREDENTIALS_DIRECTORY={credentials} {installation.binary} check --ready --config {config}"],
        ),
        (
            "Start it, now and with the machine",
            ["systemctl daemon-reload", f"systemctl enable --now {names}"],
        ),
        ("Look at it", ["systemctl status bridge", "journalctl -u bridge -f"]),
        ("After a change of the configuration or a tool", ["systemctl reload bridge"]),
    ]
    return [(what, commands) for what, commands in steps if commands]
