"""The addresses of a call, and the one-time secrets in them."""

from urllib.parse import urlsplit
from xml.etree import ElementTree

from attrs import evolve

from bridge.wire.routes import Routes
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
