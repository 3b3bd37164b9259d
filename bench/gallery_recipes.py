"""How known bridges are got and started: `docs/judge/recipes`, one file a bridge.

What is in a file is checked; nothing is run."""

import tomllib
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from bridge.errors import BridgeError

RECIPES: Final = Path(__file__).parent.parent / "docs" / "judge" / "recipes"
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
    """One bridge. Files are named from its folder."""

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
    commit: str = ""
    folder: str = ""
    """Of the source, where the files are that are needed."""
    model_port: int = 0
    """Where its changes have the model; of all others any port will do."""
    environment: dict[str, str] = attrs.field(factory=dict)
    changes: tuple[Change, ...] = ()
    """None, if it can be helped: `replay judge` leads what goes to the service's address to the stand-in."""

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
            "--public-url", PUBLIC_URL, *(("--model-port", str(self.model_port)) if self.model_port else ()),
            "--cmd", self.command,
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
