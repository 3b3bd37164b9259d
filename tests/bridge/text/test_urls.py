"""What is said of an address that can't be used, and which two are the same."""

import pytest

from bridge.text.urls import cure_of, origin_of, same_as

WEB = ("https", "http")


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        ("https://bridge.example.com/x", ""),
        ("http://[::1]:8080", ""),
        ("https://bridge.example.com:99999", "a port from 1 to 65535"),
        ("https://bridge.example.com:0", "a port from 1 to 65535"),
        ("https://bridge.example.com:x", "a port from 1 to 65535"),
        ("https://", "a host behind https://"),
        ("https:///voice", "a host behind https://"),
        (8080, "a URL in quotes"),
        (None, "a URL in quotes"),
        ("", "a URL"),
        ("https://bridge.example.com/#top", "a URL without a fragment"),
        ("https://bridge.example.com?a=b", "a URL without a query"),
        ("ftp://bridge.example.com", "a URL that begins with https:// or http://"),
        ("bridge.example.com", "a URL that begins with https:// or http://"),
        ("https://user:secret@bridge.example.com", "a URL without user, password or @"),
        ("https://user:secret@bridge.example.com?a=secret#secret", "a URL without user, password or @"),
        ("https://bridge.example.com/ secret", "a URL without spaces"),
        ("https://bridge.example.com\n", "a URL without spaces or line breaks"),
        ("https://bridge.example.com[", "a host that can be read"),
    ],
)
def test_each_fault_of_an_address_has_its_own_words_and_shows_no_password(value: object, cure: str) -> None:
    told = cure_of(value, WEB)
    assert told.startswith(cure)
    assert bool(told) == bool(cure)
    assert "secret" not in told


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("https://ONE.example.com:443", "https://one.example.com", True),
        ("http://one.example.com:80/", "http://one.example.com", True),
        ("unix:/run/one.sock", "unix:/run/one.sock", True),
        ("unix:/run/one.sock", "unix:/run/two.sock", False),
        ("https://one.example.com", "http://one.example.com", False),
        ("https://one.example.com/a", "https://one.example.com/b", False),
        ("https://one.example.com:8443", "https://one.example.com", False),
    ],
)
def test_an_address_is_the_same_however_it_is_written(one: str, other: str, are_same: bool) -> None:
    assert (same_as(one) == same_as(other)) == are_same


def test_what_is_no_address_has_no_origin() -> None:
    assert [origin_of(text) for text in ("", "https://[", "https://h:x")] == ["", "", ""]
