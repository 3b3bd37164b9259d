"""Who may look at the console, and whose requests may do something."""

import pytest
from werkzeug.datastructures import Headers

from bridge.console.auth import (
    BEARER,
    LINK,
    LINK_SECONDS,
    PROXY,
    SESSION,
    SIGNED_IN,
    Links,
    Visitor,
    may_act,
    name_of,
    read_signed,
    signed,
    visitor,
)
from bridge.settings.admin import Admin, Console

TOKEN, NOW = "let-me-in", 1_000_000.0
ADMIN = Admin(bind="127.0.0.1:9090", hosts=("calls.example.com",))
NAMED = Console(on=True, user_header="X-User")


def let_in(
    console: Console = NAMED, token: str = TOKEN, *, bearer: str = "", cookie: str = "", header: str = ""
) -> Visitor | None:
    authorization = [f"Bearer {bearer}"] if bearer else []
    return visitor(console, token, authorization=authorization, cookie=cookie, header=header, now=NOW)


def test_whoever_has_nothing_is_nobody() -> None:
    assert let_in() is None
    assert let_in(token="") is None
    assert let_in(token="", bearer="", cookie=signed("", SESSION, "anna", NOW + 1)) is None


def test_the_token_lets_in_and_another_does_not() -> None:
    assert let_in(bearer=TOKEN) == Visitor("token", BEARER)
    assert let_in(bearer="let-me-out") is None


def test_a_session_lets_in_until_it_is_over_or_the_token_is_another() -> None:
    session = signed(TOKEN, SESSION, "anna", NOW + 60)
    assert let_in(cookie=session) == Visitor("anna", SIGNED_IN)
    assert let_in(token="another", cookie=session) is None
    assert let_in(cookie=signed(TOKEN, SESSION, "anna", NOW)) is None


@pytest.mark.parametrize("change", [0, 5, 20, -1])
def test_no_letter_of_a_session_can_be_another(change: int) -> None:
    session = signed(TOKEN, SESSION, "anna", NOW + 60)
    other = "B" if session[change] != "B" else "C"
    at = change % len(session)
    forged = session[:at] + other + session[at + 1 :]
    assert let_in(cookie=forged) is None or forged[:-1] == session[:-1]  # the last has bits that mean nothing


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "=" * 2000, "W10.W10", "\x00"])
def test_what_nobody_signed_lets_nobody_in(text: str) -> None:
    assert read_signed(TOKEN, SESSION, text, NOW) is None


def test_a_link_is_no_session_and_a_session_is_no_link() -> None:
    assert let_in(cookie=signed(TOKEN, LINK, "anna", NOW + 60)) is None
    assert Links().use(TOKEN, signed(TOKEN, SESSION, "anna", NOW + 60), NOW) is None


def test_a_link_signs_in_once_and_not_later() -> None:
    links, link = Links(), signed(TOKEN, LINK, "anna", NOW + LINK_SECONDS)
    assert links.use(TOKEN, link, NOW) == "anna"
    assert links.use(TOKEN, link, NOW) is None
    assert Links().use(TOKEN, link, NOW + LINK_SECONDS) is None


def test_a_proxys_word_counts_where_there_is_no_token_or_with_it_alone() -> None:
    assert let_in(token="", header="anna") == Visitor("anna", PROXY)
    assert let_in(header="anna") is None
    assert let_in(header="anna", bearer=TOKEN) == Visitor("anna", PROXY)


def test_without_the_setting_a_header_says_nothing() -> None:
    assert let_in(Console(on=True), token="", header="anna") is None


def test_a_name_is_short_and_seen_as_it_is() -> None:
    assert name_of("an\x1b[31mna\u202e") == "an[31mna"
    assert name_of(" \n") == "somebody"
    assert len(name_of("a" * 1000)) == 60


# ---------------------------------------------------------------- requests that do something

HOST = "127.0.0.1:9090"


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({"Origin": f"http://{HOST}"}, True),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example.com"}, False),
        ({"Origin": "http://127.0.0.1:9091"}, False),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://evil.example.com", "Host": "evil.example.com"}, False),
        ({"Origin": "https://calls.example.com", "Host": "calls.example.com"}, True),
    ],
)
@pytest.mark.parametrize("way", [SIGNED_IN, PROXY])
def test_a_browser_acts_for_our_own_pages_alone(headers: dict[str, str], may: bool, way: str) -> None:
    given = Headers({"Host": HOST} | headers)
    assert may_act(Visitor("anna", way), ADMIN, NAMED, given) is may


def test_a_proxy_that_has_another_address_is_named() -> None:
    given = Headers({"Host": HOST, "Origin": "https://calls.example.com"})
    assert not may_act(Visitor("anna", PROXY), ADMIN, NAMED, given)
    assert may_act(Visitor("anna", PROXY), ADMIN, Console(url="https://calls.example.com/x"), given)


def test_whoever_brings_the_token_is_no_browser() -> None:
    assert may_act(Visitor("token", BEARER), ADMIN, NAMED, Headers({"Host": HOST}))
