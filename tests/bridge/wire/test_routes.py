"""The addresses of a call, and the one-time secrets in them."""

from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from attrs import evolve

from bridge.wire.routes import IN_TIME, AskedAt, Routes, asked_at
from bridge.wire.signed_form import QUERY

ROUTES = Routes("https://x.example.com", "desk", "a secret", "/2")


def test_every_leg_has_a_socket_a_token_and_a_way_on_of_its_own() -> None:
    first, second = (ElementTree.fromstring(ROUTES.connect(leg))[0] for leg in (1, 2))
    assert first.attrib["action"] == "https://x.example.com/voice/desk/next"
    assert second.attrib["action"] == "https://x.example.com/voice/desk/next?leg=2"
    assert {leg[0].attrib["url"] for leg in (first, second)} == {"wss://x.example.com/voice/ws/desk/2"}
    assert {leg[0][0].attrib["value"] for leg in (first, second)} == {ROUTES.token(1), ROUTES.token(2)}


def test_a_later_call_under_a_call_sid_says_which_it_is() -> None:
    connect = ElementTree.fromstring(evolve(ROUTES, turn=2).connect(1))[0]
    assert connect.attrib["action"].endswith("/next?turn=2&leg=1")


def test_no_secret_is_the_same_as_another_and_none_is_printed() -> None:
    other = evolve(ROUTES, secret="another")
    made = [make(number) for one in (ROUTES, other) for make in (one.token, one.nonce) for number in (1, 2)]
    assert len(set(made)) == len(made)
    assert not {one for one in (*made, ROUTES.secret) if one in repr(ROUTES)}


def test_each_way_of_an_excursion_is_proven_by_its_nonce_alone() -> None:
    ways = ROUTES.ways(3)
    for url in (ways.back, ways.whisper, ways.key, ways.leg, ways.recording):
        found = QUERY.fullmatch(f"?{urlsplit(url).query}")
        assert found is not None
        assert ROUTES.are_proven_by(found["n"], 3)
        assert not ROUTES.are_proven_by(found["n"], 2)
    assert not ROUTES.are_proven_by("", 3)
    assert not ROUTES.are_proven_by("\ud800é", 3)


def test_one_host_of_several_says_how_long_to_wait_for_it() -> None:
    """Its streams don't: nothing of the kind is known of them."""
    routes = evolve(ROUTES, in_time=IN_TIME)
    connect = ElementTree.fromstring(routes.connect(2))[0]
    assert connect.attrib["action"] == f"https://x.example.com/voice/desk/next?leg=2{IN_TIME}"
    assert connect[0].attrib["url"] == "wss://x.example.com/voice/ws/desk/2"
    assert all(url.endswith(IN_TIME) for url in (routes.ways(1).back, routes.ways(1).key))


NONCE = "n" * 43


@pytest.mark.parametrize(
    ("url", "about"),
    [
        ("https://x.example.com/voice/desk/next", AskedAt("desk")),
        ("https://x.example.com/phone/voice/desk/next?turn=3&leg=2#ct=1500", AskedAt("desk", 3)),
        (f"https://x.example.com/voice/desk/away/12/back?n={NONCE}", AskedAt("desk")),
        ("https://x.example.com/voice/desk/failure/crashed/2", AskedAt("desk")),
        ("https://x.example.com/voice/desk/out/out-" + "0" * 32, AskedAt("desk")),
        ("https://x.example.com/voice/desk", None),
        ("https://x.example.com/voice/desk?hop=2", None),
        ("https://x.example.com/voice/desk/next/more", None),
        ("https://x.example.com/voice/../next", None),
        ("https://[", None),
        ("", None),
    ],
)
def test_an_address_that_could_not_be_asked_says_whose_call_it_was_about(
    url: str, about: AskedAt | None
) -> None:
    assert asked_at(url) == about
