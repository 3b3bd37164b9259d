"""Tests that look at pages in Chromium; where there is none they skip, and say why. `--pictures` renews docs/images."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import Visit, missing, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="write the pictures in docs/images")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here, why = Path(__file__).parent, missing()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A browser, for all tests of this process."""
    with open_browser() as found:
        yield found


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Visit, str], None]:
    """Write a picture for the documents, if this run was asked to."""

    def shoot(visit: Visit, name: str) -> None:
        if request.config.getoption("--pictures"):
            visit.shoot(IMAGES / f"{name}.png")

    return shoot
