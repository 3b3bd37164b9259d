"""The gallery: its recipes can be read and done, and the pages agree with the cards."""

from pathlib import Path

import pytest

from bench import gallery
from bench.gallery_pages import overview, page
from bench.gallery_recipes import Change, Recipe, read_recipes
from bridge.errors import BridgeError

RECIPES = {recipe.name: recipe for recipe in read_recipes()}
KEPT = gallery.kept()
SERVICE, STAND_IN = "wss://api.openai.com", "ws://127.0.0.1:8090"
ADDRESS = Change(file="main.py", says=SERVICE, stands=STAND_IN, why="the model's address")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_what_is_published_is_pinned_and_every_change_has_its_reason(recipe: Recipe) -> None:
    if recipe.kind == "published":
        assert len(recipe.commit) == 40
        assert recipe.source.startswith("https://")
    assert all(change.why for change in recipe.changes)
    assert not recipe.model_port or any(str(recipe.model_port) in one.stands for one in recipe.changes)
    assert recipe.version
    assert recipe.path.startswith("/")
    assert recipe.command.endswith(recipe.start)


def test_a_setting_that_there_is_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "Mine"\nproxy = "no"\n')
    with pytest.raises(BridgeError, match=r"mine\.toml: proxy: no such setting"):
        read_recipes(tmp_path)


def test_an_address_is_changed_once_and_only_where_it_is(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text(f'connect("{SERVICE}/v1/realtime")')
    for _ in range(2):
        gallery.put(ADDRESS, tmp_path)
        assert main.read_text() == f'connect("{STAND_IN}/v1/realtime")'
    main.write_text("nothing")
    with pytest.raises(BridgeError, match="is it the version of the recipe"):
        gallery.put(ADDRESS, tmp_path)


def test_what_is_not_there_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match="put the files of https://"):
        gallery.made(RECIPES["twilio-python"], tmp_path / "nowhere")


def test_the_pages_are_those_of_the_kept_cards() -> None:
    for recipe, card in KEPT:
        assert (gallery.PAGES / f"{recipe.name}.md").read_text() == page(recipe, card)
    assert (gallery.PAGES / "README.md").read_text() == overview(KEPT, gallery.waiting())


@pytest.mark.parametrize(("recipe", "card"), KEPT, ids=[recipe.name for recipe, _ in KEPT])
def test_each_failure_of_a_published_bridge_is_proved_by_lines(
    recipe: Recipe, card: gallery.ReportCard
) -> None:
    unproved = [
        (finding.check, finding.call)
        for finding in card.findings
        if finding.result == "failed" and (finding.phone is None or finding.model is None)
    ]
    assert unproved == []
