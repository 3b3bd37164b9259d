"""Who may call us: requests and upgrades that Twilio signed."""

import hmac
from base64 import b64encode

import pytest

from bridge.checks import SHA1, SharedKey
from bridge.config import Secrets, Settings, Twilio
from bridge.wire import signatures
from bridge.wire.signatures import Proof, Signers, proof_of
from replay.phone.signing import signed_by_key

TOKEN = "12345"
URL = "https://example.com/myapp.php?foo=1&bar=2"
FORM = [
    ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"),
    ("From", "+14158675310"), ("To", "+18005551212"),
]  # fmt: skip
SIGNATURE = "L/OH5YylLD5NRKLltdqwSvS0BnU="
SOCKET = "wss://bridge.example.com/twilio/media"


def request_is_signed(
    tokens: list[str], url: str, form: list[tuple[str, str]], signature: str | None
) -> bool:
    return signatures.request_is_signed(Signers(tokens), url, form, Proof(signature or ""))


def upgrade_is_signed(url: str, signature: str | None) -> bool:
    return signatures.upgrade_is_signed(Signers([TOKEN]), url, Proof(signature or ""))


# ---------------------------------------------------------------- signatures of requests


def test_the_published_example_is_accepted() -> None:
    assert request_is_signed([TOKEN], URL, FORM, SIGNATURE)


def test_the_order_of_parameters_does_not_matter() -> None:
    assert request_is_signed([TOKEN], URL, FORM[::-1], SIGNATURE)


@pytest.mark.parametrize(
    "signature", [None, "", "x", SIGNATURE[:-1], SIGNATURE + "=", SIGNATURE.lower(), "é\ud800"]
)
def test_any_other_signature_is_refused(signature: str | None) -> None:
    assert not request_is_signed([TOKEN], URL, FORM, signature)


@pytest.mark.parametrize(
    "url", ["http" + URL[5:], URL + "&x=1", URL.replace("myapp", "Myapp"), URL.replace("foo=1", "foo=2")]
)
def test_a_signature_of_another_url_is_refused(url: str) -> None:
    assert not request_is_signed([TOKEN], url, FORM, SIGNATURE)


def test_a_parameter_more_or_less_or_changed_is_refused() -> None:
    for form in (FORM[1:], [*FORM, ("Extra", "")], [("CallSid", "CA2"), *FORM[1:]]):
        assert not request_is_signed([TOKEN], URL, form, SIGNATURE)


def test_during_a_rotation_each_token_signs() -> None:
    assert request_is_signed(["new", TOKEN], URL, FORM, SIGNATURE)
    assert not request_is_signed(["new", "newer"], URL, FORM, SIGNATURE)
    assert not request_is_signed([], URL, FORM, SIGNATURE)


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
    assert request_is_signed([TOKEN], URL, form, signed(URL, form))
    assert not request_is_signed([TOKEN], URL, form[1:], signed(URL, form))


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
    assert request_is_signed([TOKEN], configured, FORM, signed(as_signed, FORM))


# ---------------------------------------------------------------- signatures of upgrades


@pytest.mark.parametrize("signature", ["hGVJmeOLwZmJhPeWsyRDIvgH8Zc=", "K34XpNWz3mSbbFwtWeDWONZkGSc="])
@pytest.mark.parametrize("url", [SOCKET, SOCKET + "/"])
def test_an_upgrade_may_be_signed_with_a_trailing_slash_or_without(signature: str, url: str) -> None:
    assert upgrade_is_signed(url, signature)


@pytest.mark.parametrize("signature", ["lZEvGu0Z5D37/G+S9TnXfxg6Af0=", None, "", SIGNATURE])
def test_an_upgrade_signed_as_https_or_not_at_all_is_refused(signature: str | None) -> None:
    assert not upgrade_is_signed(SOCKET, signature)


@pytest.mark.parametrize(
    "as_signed", ["wss://b.example.com/ws", "wss://b.example.com:8443/ws", "wss://b.example.com/ws/"]
)
def test_an_upgrade_may_be_signed_with_its_port_or_without(as_signed: str) -> None:
    assert upgrade_is_signed("wss://b.example.com:8443/ws", signed(as_signed, []))


# ---------------------------------------------------------------- shared keys

BY_SHA256 = "qMztBq0IANMH/q0K9sCfKQJLylezvRdRzRS647SAVow="
"""The published example's form under the secret 12345, by HMAC-SHA256."""

OLD, NEW = SharedKey("key_old", "first-secret"), SharedKey("key_new", "second-secret")
OLDEST = SharedKey("key_oldest", "another-secret", SHA1)
SIGNERS = Signers([TOKEN], (OLD, NEW, OLDEST))


def named(key_id: str, algorithm: str = "HMAC_SHA256") -> str:
    return f"key={key_id},algorithm={algorithm}"


def by_key(key: SharedKey, **changes: str) -> Proof:
    """Return what Twilio sends with a request that it signs with a key, made by the stand-in's own code."""
    said = {"key_id": key.key_id, "secret": key.secret, "algorithm": key.algorithm, **changes}
    headers = signed_by_key(URL, FORM, **said)
    return Proof(headers[signatures.SIGNATURE], headers[signatures.SETTINGS])


def is_let_in(proof: Proof, signers: Signers = SIGNERS) -> bool:
    return signatures.request_is_signed(signers, URL, FORM, proof)


def test_a_known_example_signed_with_a_shared_key_is_accepted() -> None:
    signers = Signers((), (SharedKey("k", TOKEN),))
    assert is_let_in(Proof(BY_SHA256, named("k")), signers)
    assert is_let_in(Proof(BY_SHA256, " algorithm=hmac_sha256 , key=k "), signers)


def test_in_a_rotation_token_and_old_and_new_key_all_sign() -> None:
    assert [is_let_in(by_key(key)) for key in (OLD, NEW, OLDEST)] == [True] * 3
    assert is_let_in(Proof(SIGNATURE))
    both = Signers((), (OLD, SharedKey(OLD.key_id, "rolled")))  # one id, for as long as it is rolled over
    assert [is_let_in(by_key(key), both) for key in both.keys] == [True, True]


@pytest.mark.parametrize(
    "proof",
    [
        by_key(OLD, key_id="key_unknown"), by_key(OLD, key_id=NEW.key_id), by_key(OLD, secret="guessed"),
        by_key(OLD, algorithm=SHA1), by_key(OLDEST, algorithm="HMAC_SHA256"), Proof(SIGNATURE, named("key_old")),
        Proof(by_key(OLD).signature), Proof("", named("key_old")), Proof(BY_SHA256, named("key_old", "HMAC_MD5")),
    ],
)  # fmt: skip
def test_each_key_signs_for_itself_with_its_own_algorithm(proof: Proof) -> None:
    assert not is_let_in(proof)


@pytest.mark.parametrize(
    "settings",
    ["key=key_old", "algorithm=HMAC_SHA256", "key=key_old,algorithm=HMAC_SHA256,key=key_new", "key=key_old;", ",",
     "key=key_old,key=key_old", "key=key_old,algorithm=HMAC_SHA256,", "KEY=key_old,algorithm=HMAC_SHA256", "x" * 9000],
)  # fmt: skip
def test_a_header_that_does_not_name_one_key_and_one_algorithm_names_none(settings: str) -> None:
    assert not is_let_in(Proof(by_key(OLD).signature, settings))
    assert not is_let_in(Proof(SIGNATURE, settings))


def test_two_headers_of_a_kind_prove_nothing() -> None:
    right = by_key(OLD)
    assert proof_of([right.signature], [right.settings]) == right
    assert proof_of([right.signature], [right.settings] * 2) == Proof()
    assert proof_of([right.signature] * 2, [right.settings]) == Proof()
    assert proof_of([], []) == Proof()


def test_an_upgrade_is_signed_with_a_shared_key_by_the_same_rule() -> None:
    headers = signed_by_key(SOCKET, (), OLD.key_id, OLD.secret)
    proof = Proof(headers[signatures.SIGNATURE], headers[signatures.SETTINGS])
    assert signatures.upgrade_is_signed(SIGNERS, SOCKET, proof)
    assert not signatures.upgrade_is_signed(Signers([TOKEN], (NEW,)), SOCKET, proof)


@pytest.mark.parametrize(
    ("accepted", "of_requests", "of_upgrades"),
    [("everything", True, True), ("upgrades", False, True), ("nothing", False, False)],
)
def test_what_the_auth_token_signs_is_what_the_configuration_says(
    accepted: str, of_requests: bool, of_upgrades: bool
) -> None:
    settings = Settings(twilio=Twilio(auth_token_signs=accepted))
    secrets = Secrets((TOKEN,), shared_keys=(OLD,))
    for_requests = signatures.signers_of(settings, secrets)
    for_upgrades = signatures.signers_of(settings, secrets, upgrade=True)
    assert (for_requests.know(Proof("x")), for_upgrades.know(Proof("x"))) == (of_requests, of_upgrades)
    assert for_requests.know(by_key(OLD))
    assert for_upgrades.know(by_key(OLD))


def test_what_we_prove_to_ourselves_is_let_in() -> None:
    for signer in SIGNERS.one_by_one():
        headers = signatures.proven(signer, URL, FORM)
        assert is_let_in(Proof(headers[signatures.SIGNATURE], headers.get(signatures.SETTINGS, "")))
    assert signatures.proven(Signers(), URL, FORM) == {}


def test_no_secret_of_a_key_is_shown() -> None:
    assert "secret" not in repr((SIGNERS, Secrets(shared_keys=(OLD,))))
