"""The lab's reports in the console: listed, shown in a sandbox, and nothing beside them."""

import os
import re
from pathlib import Path

import pytest
from consoles import Site, site

from bridge.settings.admin import Console

CONSOLE = Console(on=True, reports="reports")
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def lab(tmp_path: Path) -> Site:
    """Two reports, the second later, and a file that is none."""
    folder = tmp_path / "reports" / "switch.compare"
    folder.mkdir(parents=True)
    for age, name in ((100, "report.html"), (0, "later.html"), (0, "calls.json")):
        path = folder / name
        path.write_text(f"{name} {EVIL}")
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    (tmp_path / "secret.html").write_text("a secret")
    (folder / "link.html").symlink_to(tmp_path / "secret.html")
    return site(tmp_path, console=CONSOLE)


def reports_on(page: str) -> list[tuple[str, str]]:
    return re.findall(r'href="(/console/lab/\w+)">([^<]+)<', page)


async def test_reports_are_listed_the_latest_first(lab: Site) -> None:
    found = reports_on(await lab.page("/console/lab"))
    assert [name for _, name in found] == ["switch.compare/later.html", "switch.compare/report.html"]


async def test_a_report_is_shown_in_a_sandbox(lab: Site) -> None:
    (address, _), *_ = reports_on(await lab.page("/console/lab"))
    response = await lab.get(address)
    assert EVIL in await response.get_data(as_text=True)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize("name", ["..", "secret.html", "switch.compare", "%2e%2e", "x" * 300, "0" * 24])
async def test_no_address_leads_to_another_file(lab: Site, name: str) -> None:
    response = await lab.get(f"/console/lab/{name}")
    assert response.status_code in (308, 404)


async def test_without_a_folder_the_page_says_how_to_name_one(tmp_path: Path) -> None:
    assert "No folder is named" in await site(tmp_path).page("/console/lab")
    assert "No report is there yet" in await site(tmp_path, console=CONSOLE).page("/console/lab")


async def test_without_the_token_no_report_can_be_read(lab: Site) -> None:
    (address, _), *_ = reports_on(await lab.page("/console/lab"))
    assert (await lab.client.get(address)).status_code == 401
