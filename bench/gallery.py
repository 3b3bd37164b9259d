"""The gallery of `docs/judge`: report cards of known bridges, made of recipes, and their pages.

python bench/gallery.py make --work DIR [NAME ...]   ring them, keep their cards, write the pages
python bench/gallery.py pages                        write the pages anew, of the cards that are kept

DIR has a folder NAME for each bridge, with the files of its commit; whoever rings it has got them. What they need is
installed in there by pip or npm, what the recipe changes is changed, and its `replay judge` is run.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import attrs
import click
import msgspec

from bench.gallery_pages import write_pages
from bench.gallery_recipes import RECIPES, Change, Recipe, read_recipes
from bridge.errors import BridgeError
from replay.conformance.card import Finding, ReportCard
from replay.conformance.card_json import as_json, read_card

PAGES: Final = RECIPES.parent
CARDS: Final = PAGES / "cards"
PROJECT: Final = PAGES.parent.parent
INSTALLED: Final = ".installed"
MADE: Final = (0, 1)
"""Exit codes of `replay judge` that come with a card."""


@click.group()
def gallery() -> None:
    """Make report cards of known bridges."""


@gallery.command()
@click.option("--work", type=click.Path(path_type=Path, file_okay=False, exists=True), required=True)
@click.argument("names", nargs=-1)
def make(work: Path, names: tuple[str, ...]) -> None:
    """Ring bridges, keep their cards, and write all pages."""
    recipes = [recipe for recipe in read_recipes() if recipe.name in names or not names]
    for recipe in recipes:
        try:
            keep(recipe, made(recipe, (work / recipe.name).resolve()))
        except BridgeError as error:
            click.echo(f"{recipe.name}: {error}", err=True)
    write_pages(kept(), waiting(), PAGES)


@gallery.command()
def pages() -> None:
    """Write all pages anew."""
    write_pages(kept(), waiting(), PAGES)


def made(recipe: Recipe, folder: Path) -> ReportCard:
    """Install a bridge, ring it, and return its card. Raises `BridgeError`."""
    if recipe.commit and not folder.is_dir():
        where = f"{recipe.source} at {recipe.commit}, its folder {recipe.folder or '.'}"
        raise BridgeError(f"{folder} is not there: put the files of {where} into it")
    folder.mkdir(exist_ok=True)
    install(recipe, folder)
    for change in recipe.changes:
        put(change, folder)
    card = folder / "card.json"
    place = folder if recipe.install else PROJECT
    with card.open("wb") as out:
        code = subprocess.run(
            [*recipe.judged_by, "--json"], cwd=place, env=_environment(), stdout=out
        ).returncode
    if code not in MADE:
        raise BridgeError(f"no card came about: replay judge ended with {code}")
    return read_card(card)


def install(recipe: Recipe, folder: Path) -> None:
    """Run a recipe's installation in a folder, unless it was done before. Raises `BridgeError`."""
    done, wanted = folder / INSTALLED, "\n".join(recipe.install)
    if done.exists() and done.read_text() == wanted:
        return
    first = ("python3 -m venv .venv",) if recipe.runtime == "python" else ()
    for command in (*first, *recipe.install):
        if subprocess.run(command, shell=True, cwd=folder, env=_environment()).returncode:
            raise BridgeError(f"it can't be installed: {command}")
    done.write_text(wanted)


def put(change: Change, folder: Path) -> None:
    """Make a change in a bridge's files, once. Raises `BridgeError` where the text is not there."""
    path = folder / change.file
    text = path.read_text()
    if change.says not in text and change.stands not in text:
        raise BridgeError(f"{change.file} does not have {change.says}: is it the version of the recipe?")
    path.write_text(text.replace(change.says, change.stands))


def keep(recipe: Recipe, card: ReportCard) -> None:
    """Keep what the pages need of a card: every failure with its lines, and one finding of what did not fail."""
    calls = tuple(attrs.evolve(call, lines=(), spans=()) for call in card.calls)
    findings = tuple(finding for check in card.checks for finding in told(card, check.name))
    kept_card = as_json(attrs.evolve(card, calls=calls, findings=findings))
    text = msgspec.json.format(msgspec.json.encode(kept_card), indent=1)
    (CARDS / f"{recipe.name}.json").write_bytes(text + b"\n")


def told(card: ReportCard, check: str) -> tuple[Finding, ...]:
    """Return the failures of a check; where there are none, the first finding that says how it went."""
    found = card.of(check)
    failed = tuple(finding for finding in found if finding.result == "failed")
    return failed or tuple(one for one in found if one.result == card.result_of(check))[:1]


def kept() -> list[tuple[Recipe, ReportCard]]:
    """Return the recipes of which a card is kept, each with it."""
    paths = [(recipe, CARDS / f"{recipe.name}.json") for recipe in read_recipes()]
    return [(recipe, read_card(path)) for recipe, path in paths if path.exists()]


def waiting() -> list[Recipe]:
    """Return the recipes of which no card is kept."""
    return [recipe for recipe in read_recipes() if not (CARDS / f"{recipe.name}.json").exists()]


def _environment() -> dict[str, str]:
    """Where the project's own commands are found, and what was activated for it is not."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


if __name__ == "__main__":
    gallery()
