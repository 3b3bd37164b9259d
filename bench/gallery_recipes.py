"""How known bridges are got, pointed at the model's stand-in and started: `docs/judge/recipes`, one file a bridge.

What is in a file is checked; nothing is run."""

import tomllib
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from bridge.errors import BridgeError

RECIPES: Final = Path(__file__).parent.parent / "docs" / "judge" / "recipes"
SERVICE: Final = "wss://api.openai.com"
MODEL_PORT: Final = 8090
STAND_IN: Final = f"ws://127.0.0.1:{MODEL_PORT}"
PUBLIC_URL: Final = "https://bridge.example.com"
RUNTIMES: Final = ("python", "node", "here")
KINDS: Final = ("published", "relay", "ours")


@attrs.frozen(kw_only=True)
class Change:
    """A text that is put in place of another in one file of a bridge, and why."""

    file: str
    says: str
    stands: str
    why: str


@attrs.frozen(kw_only=True)
class Recipe:
    """One bridge. Files are named from its folder; {packages} is where its Python packages are."""

    name: str
    title: str
    by: str
    version: str
    source: str
    kind: str = attrs.field(validator=attrs.validators.in_(KINDS))
    runtime: str = attrs.field(validator=attrs.validators.in_(RUNTIMES))
    install: tuple[str, ...]
    """With the ordinary clients of the two registries, nothing is compiled."""
    start: str
    port: int
    path: str
    about: str
    endpoint_file: str = ""
    """Where it names the service's address; nowhere, if it reads OPENAI_REALTIME_URL."""
    commit: str = ""
    folder: str = ""
    """Of the source, where the files are that are needed."""
    environment: dict[str, str] = attrs.field(factory=dict)
    also: tuple[Change, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """All that is changed in its files: the model's address, and what the recipe says besides."""
        address = Change(file=self.endpoint_file, says=SERVICE, stands=STAND_IN, why="the model's address")
        return (address, *self.also) if self.endpoint_file else self.also

    @property
    def command(self) -> str:
        """The command that starts it, with what it has to find in its environment."""
        found = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join(["env", *found, self.start] if found else [self.start])

    @property
    def judged_by(self) -> list[str]:
        """The command, in its folder, that makes its card; `--json` comes behind it."""
        return [
            "replay", "judge", "--name", self.name, "--to", f"http://127.0.0.1:{self.port}{self.path}",
            "--public-url", PUBLIC_URL, "--model-port", str(MODEL_PORT), "--cmd", self.command,
            *(() if self.endpoint_file else ("--model-variable", "OPENAI_REALTIME_URL")),
        ]  # fmt: skip


def read_recipes(folder: Path = RECIPES) -> tuple[Recipe, ...]:
    """Return all recipes, ours first, then by name. Raises `BridgeError` for one that can't be used."""
    recipes = [_read(path) for path in sorted(folder.glob("*.toml"))]
    return tuple(sorted(recipes, key=lambda recipe: (KINDS[::-1].index(recipe.kind), recipe.name)))


def _read(path: Path) -> Recipe:
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text())
        known = {field.name for field in attrs.fields(Recipe)} - {"name"}
        if unknown := sorted(table.keys() - known):
            raise ValueError(f"{unknown[0]}: no such setting: use {', '.join(sorted(known))}")
        return msgspec.convert({"name": path.stem, **table}, Recipe)
    except ValueError as error:
        raise BridgeError(f"{path.name}: {error}") from None
