"""The console's door: without the token nothing is readable, and what is answered is safe in a browser."""

import gzip
import re
import time
from pathlib import Path

import pytest
from consoles import TOKEN, site
from kept import Folder

from bridge.console.auth import COOKIE, LINK, signed
from bridge.settings.admin import Console

PLACES = [
    "/console/",
    "/console/calls",
    "/console/calls?words=table",
    "/console/calls?part=history",
    "/console/calls/CA1",
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    Folder(tmp_path).put("CA1")
    return tmp_path


@pytest.mark.parametrize("path", PLACES)
async def test_without_the_token_nothing_can_be_read(data: Path, path: str) -> None:
    response = await site(data).client.get(path)
    text = await response.get_data(as_text=True)
    assert response.status_code == 401
    assert "Sign in" in text
    assert "CA1" not in text.replace("next", "") or path.endswith("CA1")
    assert "+1555" not in text


@pytest.mark.parametrize("path", ["/console/nix", "/console/calls/CA1/nix", "/console/%3Cscript%3E"])
async def test_where_no_page_is_the_console_says_so_in_its_own_way(data: Path, path: str) -> None:
    response = await site(data).get(path)
    page = await response.get_data(as_text=True)
    assert response.status_code == 404
    assert "no page at this address" in page
    assert 'aria-label="Pages"' in page
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert (await site(data).client.get(path)).status_code == 401


async def test_of_other_pages_that_are_not_there_the_console_says_nothing(data: Path) -> None:
    response = await site(data).get("/nix")
    assert response.status_code == 404
    assert "console" not in await response.get_data(as_text=True)


@pytest.mark.parametrize("path", PLACES)
async def test_where_it_is_off_it_is_not_there(data: Path, path: str) -> None:
    assert (await site(data, console=Console()).get(path)).status_code == 404


@pytest.mark.parametrize("path", [*PLACES, "/console/login", "/console/static/console.css"])
async def test_every_answer_tells_browsers_to_run_nothing_else_and_to_frame_it_nowhere(
    data: Path, path: str
) -> None:
    headers = (await site(data).get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert path.startswith("/console/static") or headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PLACES[1:])
async def test_no_page_has_a_script_or_a_style_of_its_own_or_anything_from_elsewhere(
    data: Path, path: str
) -> None:
    page = await site(data).page(path)
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
    assert " on" + "click" not in page
    asked = re.findall(r'(?:src|href|action|data-[a-z]+)="([^"]*)"', page)
    assert [address for address in asked if "//" in address] == []


async def test_a_link_signs_a_browser_in_once(data: Path) -> None:
    console, link = site(data), signed(TOKEN, LINK, "anna", time.time() + 60)
    response = await console.client.get(f"/console/login?link={link}")
    assert (response.status_code, response.headers["Location"]) == (303, "/console/calls")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/console" in cookie
    session = cookie.split(";")[0]
    page = await console.client.get("/console/calls", headers={"Cookie": session})
    assert "anna" in await page.get_data(as_text=True)
    again = await console.client.get(f"/console/login?link={link}")
    assert "has been used" in await again.get_data(as_text=True)


async def test_behind_https_the_cookie_is_for_that_alone(data: Path) -> None:
    console = site(data, console=Console(on=True, url="https://calls.example.com"))
    response = await console.client.get(
        f"/console/login?link={signed(TOKEN, LINK, 'anna', time.time() + 60)}"
    )
    assert "Secure" in response.headers["Set-Cookie"]


async def test_the_token_signs_in_by_a_form_and_leads_to_the_page_that_was_wished_for(data: Path) -> None:
    form = {"token": TOKEN, "name": "anna", "next": "/console/calls/CA1"}
    response = await site(data).post("/console/login", form, Cookie="")
    assert (response.status_code, response.headers["Location"]) == (303, "/console/calls/CA1")


@pytest.mark.parametrize(
    "path",
    ["//evil.example.com", "https://evil.example.com", "/console//evil", "/metrics", "/console/\\evil"],
)
async def test_no_form_leads_away(data: Path, path: str) -> None:
    response = await site(data).post("/console/login", {"token": TOKEN, "next": path}, Cookie="")
    assert response.headers["Location"] == "/console/calls"


async def test_a_wrong_token_signs_nobody_in(data: Path) -> None:
    response = await site(data).post("/console/login", {"token": "let-me-out"}, Cookie="")
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


async def test_a_form_of_another_page_does_nothing(data: Path) -> None:
    for origin in ("https://evil.example.com", "null", ""):
        response = await site(data).post("/console/logout", Origin=origin)
        assert response.status_code == 403
        assert "Set-Cookie" not in response.headers


async def test_signing_out_takes_the_cookie_away(data: Path) -> None:
    response = await site(data).post("/console/logout")
    assert response.headers["Set-Cookie"].startswith(f"{COOKIE}=;")


@pytest.mark.parametrize("name", ["../app.py", "app.py", "..%2fapp.py", "console.css%00", ".", ""])
async def test_no_other_file_is_served(data: Path, name: str) -> None:
    assert (await site(data).get(f"/console/static/{name}")).status_code in (404, 308)


NONCE = re.compile(rb'nonce="[^"]*"')


@pytest.mark.parametrize("path", ["calls", "static/wavesurfer.min.js"])
async def test_what_a_browser_can_unpack_is_packed_and_the_same(data: Path, path: str) -> None:
    console = site(data)
    plain = await console.get(f"/console/{path}")
    packed = await console.get(f"/console/{path}", **{"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    whole, small = await plain.get_data(as_text=False), await packed.get_data(as_text=False)
    one, other = (NONCE.sub(b"", page) for page in (gzip.decompress(small), whole))  # each page has its own
    assert one == other
    assert len(small) < len(whole) / 2
