"""Who may call us: requests and upgrades that Twilio signed."""

import hmac
from base64 import b64encode

import pytest

from bridge.wire import signatures

TOKEN = "12345"
URL = "https://example.com/myapp.php?foo=1&bar=2"
FORM = [
    ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"),
    ("From", "+14158675310"), ("To", "+18005551212"),
]  # fmt: skip
SIGNATURE = "L/OH5YylLD5NRKLltdqwSvS0BnU="
SOCKET = "wss://bridge.example.com/twilio/media"

# ---------------------------------------------------------------- signatures of requests


def test_the_published_example_is_accepted() -> None:
    assert signatures.request_is_signed([TOKEN], URL, FORM, SIGNATURE)


def test_the_order_of_parameters_does_not_matter() -> None:
    assert signatures.request_is_signed([TOKEN], URL, FORM[::-1], SIGNATURE)


@pytest.mark.parametrize(
    "signature", [None, "", "x", SIGNATURE[:-1], SIGNATURE + "=", SIGNATURE.lower(), "é\ud800"]
)
def test_any_other_signature_is_refused(signature: str | None) -> None:
    assert not signatures.request_is_signed([TOKEN], URL, FORM, signature)


@pytest.mark.parametrize(
    "url", ["http" + URL[5:], URL + "&x=1", URL.replace("myapp", "Myapp"), URL.replace("foo=1", "foo=2")]
)
def test_a_signature_of_another_url_is_refused(url: str) -> None:
    assert not signatures.request_is_signed([TOKEN], url, FORM, SIGNATURE)


def test_a_parameter_more_or_less_or_changed_is_refused() -> None:
    for form in (FORM[1:], [*FORM, ("Extra", "")], [("CallSid", "CA2"), *FORM[1:]]):
        assert not signatures.request_is_signed([TOKEN], URL, form, SIGNATURE)


def test_during_a_rotation_each_token_signs() -> None:
    assert signatures.request_is_signed(["new", TOKEN], URL, FORM, SIGNATURE)
    assert not signatures.request_is_signed(["new", "newer"], URL, FORM, SIGNATURE)
    assert not signatures.request_is_signed([], URL, FORM, SIGNATURE)


def signed(url: str, form: list[tuple[str, str]], token: str = TOKEN) -> str:
    """Sign as Twilio's page says: the URL, then each pair in the order of names, nothing between."""
    text = url + "".join(name + value for name, value in sorted(form))
    return b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


@pytest.mark.parametrize(
    "form",
    [
        [("A", ""), ("B", "")],
        [("A", " spaced "), ("Ä", "ü+%20")],
        [("Media", "b"), ("Media", "a"), ("Other", "")],
    ],
)
def test_blank_odd_and_repeated_parameters_are_part_of_what_is_signed(form: list[tuple[str, str]]) -> None:
    assert signatures.request_is_signed([TOKEN], URL, form, signed(URL, form))
    assert not signatures.request_is_signed([TOKEN], URL, form[1:], signed(URL, form))


@pytest.mark.parametrize(
    ("configured", "as_signed"),
    [
        ("https://b.example.com:8443/voice", "https://b.example.com/voice"),
        ("https://b.example.com:8443/voice", "https://b.example.com:8443/voice"),
        ("https://b.example.com/voice", "https://b.example.com:443/voice"),
        ("http://127.0.0.1:8080/voice", "http://127.0.0.1:8080/voice"),
        ("https://me:pw@b.example.com/voice", "https://b.example.com/voice"),
        ("https://[::1]:8080/voice", "https://[::1]/voice"),
    ],
)
def test_a_port_may_be_signed_or_left_out(configured: str, as_signed: str) -> None:
    assert signatures.request_is_signed([TOKEN], configured, FORM, signed(as_signed, FORM))


# ---------------------------------------------------------------- signatures of upgrades


@pytest.mark.parametrize("signature", ["hGVJmeOLwZmJhPeWsyRDIvgH8Zc=", "K34XpNWz3mSbbFwtWeDWONZkGSc="])
@pytest.mark.parametrize("url", [SOCKET, SOCKET + "/"])
def test_an_upgrade_may_be_signed_with_a_trailing_slash_or_without(signature: str, url: str) -> None:
    assert signatures.upgrade_is_signed([TOKEN], url, signature)


@pytest.mark.parametrize("signature", ["lZEvGu0Z5D37/G+S9TnXfxg6Af0=", None, "", SIGNATURE])
def test_an_upgrade_signed_as_https_or_not_at_all_is_refused(signature: str | None) -> None:
    assert not signatures.upgrade_is_signed([TOKEN], SOCKET, signature)


@pytest.mark.parametrize(
    "as_signed", ["wss://b.example.com/ws", "wss://b.example.com:8443/ws", "wss://b.example.com/ws/"]
)
def test_an_upgrade_may_be_signed_with_its_port_or_without(as_signed: str) -> None:
    assert signatures.upgrade_is_signed([TOKEN], "wss://b.example.com:8443/ws", signed(as_signed, []))
