"""One signature, one meaning: wherever somebody puts the borders in a signed text, no other call comes out of it."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.wire.signed_form import Reading, marks_of, query_of, read_form, signed_text

TARGET = "/voice/front-desk"
ACCOUNT, CALL, OTHER = "AC" + "0" * 32, "CA" + "5" * 32, "CA" + "6" * 32
Form = list[tuple[str, str]]


def form_of(caller: str = "+15550123456", called: str = "+15550100100", **more: str) -> Form:
    """Return a form as Twilio sends it."""
    said = {
        "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "CallSid": CALL, "CallStatus": "ringing", "Called": called,
        "Caller": caller, "Direction": "inbound", "From": caller, "To": called,
    }  # fmt: skip
    return list((said | more).items())


PLACES = {
    f"{whose}{what}": text
    for whose in ("From", "To", "Caller", "Called")
    for what, text in (("City", "TORONTO"), ("State", "ON"), ("Zip", "94105"), ("Country", "US"))
}
GENUINE: dict[str, Form] = {
    "a plain call": form_of(),
    "with places": form_of(**PLACES),
    "with empty places": form_of(**dict.fromkeys(PLACES, "")),
    "a name": form_of(CallerName="From Tom To CallSid, Zoë & Söhne = 100%"),
    "forwarded": form_of(ForwardedFrom="+15559990000", **PLACES),
    "forwarded by SIP": form_of(
        "sip:alice@PBX.example.com:5060", ForwardedFrom="sip:b@example.com", **PLACES
    ),
    "a hidden number": form_of("anonymous"),
    "a hidden number on a keypad": form_of("+266696687"),
    "no number at all": form_of(""),
    "a short code": form_of("12345"),
    "SIP": form_of(
        "sip:Tom.From@Trunk.example.com;transport=UDP",
        "sip:desk@x.sip.twilio.com",
        SipDomain="x.sip.twilio.com",
        SipSourceIp="192.0.2.1",
        SipCallId="a@b",
        **{"SipHeader_X-To": "+1 555", "SipHeader_X-From": "sip:x@y"},
    ),
    "a browser": form_of("client:Tom_To", "client:SipDomain", StirVerstat="TN-Validation-Passed-A"),
    "parameters of a browser": form_of("client:bob", "", agentId="7", Zebra="To be"),
    "a child": form_of(ParentCallSid=OTHER, DialCallSid=OTHER, DialCallStatus="completed"),
    "speech": form_of(SpeechResult="Today from Toronto To you", Confidence="0.9"),
    "words before a colon": form_of(SpeechResult="Totally: From me: To you: Today: yes", Confidence="0.9"),
    "keys": form_of(Digits="123#", msg="Gather End", FinishedOnKey="#"),
    "a token": form_of(CallToken="%7B%22parentCallInfoToken%22%3A%22eyJhbGciOiJFUzI1NiJ9%22%7D"),
}


@pytest.mark.parametrize("form", GENUINE.values(), ids=list(GENUINE))
def test_what_twilio_sends_is_read_as_it_was_meant(form: Form) -> None:
    said = dict(form)
    assert read_form(TARGET, form) == Reading(ACCOUNT, CALL, said["From"], said["To"])


@pytest.mark.parametrize("target", [TARGET + "/", TARGET + "/next", TARGET + "?AccountSid=AC1&a=b"])
def test_every_path_of_ours_is_read(target: str) -> None:
    assert read_form(target, form_of()) is not None


# ---------------------------------------------------------------- cut up by hand

HOSTILE = f"sip:aCallSid{OTHER}From+19995550000To+19995550001@example.com"


def test_a_call_that_a_caller_wrote_into_an_address_is_no_call() -> None:
    genuine = form_of(HOSTILE, Caller="")
    absorbed = f"2010-04-01CallSid{CALL}CallStatusringingCalled+15550100100CallerDirectioninboundFromsip:a"
    cut = [
        ("AccountSid", ACCOUNT), ("ApiVersion", absorbed), ("CallSid", OTHER), ("From", "+19995550000"),
        ("To", "+19995550001@example.comTo+15550100100"),
    ]  # fmt: skip
    assert signed_text(TARGET, cut) == signed_text(TARGET, genuine)
    assert read_form(TARGET, cut) is None


def test_the_parent_of_a_call_does_not_become_the_call() -> None:
    genuine = form_of(ParentCallSid=OTHER)
    text = signed_text("", genuine)
    before, _, after = text.partition("ApiVersion")[2].partition(f"CallSid{OTHER}")
    cut = [("AccountSid", ACCOUNT), ("ApiVersion", before), ("CallSid", OTHER), (after[:2], after[2:])]
    assert signed_text("", cut) == text
    assert read_form(TARGET, cut) is None


@pytest.mark.parametrize(
    ("target", "shorter"), [(TARGET + "/next", TARGET), (TARGET, "/voice/front"), (TARGET + "/", TARGET)]
)
def test_the_end_of_a_path_does_not_become_the_beginning_of_a_form(target: str, shorter: str) -> None:
    genuine = sorted(form_of())
    cut = [(target.removeprefix(shorter) + "AccountSid", ACCOUNT), *genuine[1:]]
    assert signed_text(shorter, cut) == signed_text(target, genuine)
    assert read_form(shorter, cut) is None


def test_an_account_that_is_moved_into_the_query_is_missed() -> None:
    genuine = sorted(form_of())
    target = f"{TARGET}?a=b"
    longer = f"{target}AccountSid{ACCOUNT}"
    assert signed_text(longer, genuine[1:]) == signed_text(target, genuine)
    assert read_form(longer, genuine[1:]) is None


def test_an_address_without_an_end_of_its_own_is_read_as_a_hidden_one() -> None:
    form = [pair for pair in form_of("client:bob") if pair[0] != "Caller"]
    assert read_form(TARGET, form) == Reading(ACCOUNT, CALL, "", "+15550100100")


@pytest.mark.parametrize("name", ["CallSid", "AccountSid", "From", "To"])
def test_a_name_that_comes_twice_is_none(name: str) -> None:
    assert read_form(TARGET, [*form_of(), (name, "x")]) is None


# ---------------------------------------------------------------- cut up in every way there is

PARTS = st.sampled_from(
    ["CallSid", "AccountSid", "From", "To", "Caller", "Called", CALL, OTHER, ACCOUNT, "+15550123456", "sip:", "client:",
     "anonymous", "a", "Z", "7", "/next", "?", "@example.com", "FromCity", "ForwardedFrom", ""]
)  # fmt: skip
FREE = st.lists(PARTS, max_size=6).map("".join) | st.text(max_size=20)
PARTIES = st.sampled_from(["+15550123456", "anonymous", "", "client:bob"]) | FREE.map(
    lambda text: f"sip:{text}@x"
)


@st.composite
def genuine_forms(draw: st.DrawFn) -> Form:
    """Return a form of Twilio's in which callers chose what callers can choose."""
    names = st.sampled_from(
        ["CallerName", "SpeechResult", "SipHeader_X-A", "ParentCallSid", "FromCity", "ForwardedFrom"]
    )
    return form_of(draw(PARTIES), draw(PARTIES), **draw(st.dictionaries(names, FREE, max_size=3)))


def filled(gap: str, last: str) -> Form | None:
    """Return text between two names as a pair that may stand there, in the order that is signed; None if it can't."""
    sizes = range(1, len(gap) + 1)
    return [] if not gap else next(([(gap[:size], gap[size:])] for size in sizes if gap[:size] > last), None)


@st.composite
def other_cuts(draw: st.DrawFn, text: str, target: str) -> tuple[str, Form] | None:
    """Return another request of the same signed text: what we read, wherever it stands, and what fits in between."""
    at = draw(
        st.sampled_from([len(target), target.find("/next") if "/next" in target else 12, len("/voice/front")])
    )
    other, form, last = text[:at], Form(), ""
    for name in ("AccountSid", "CallSid", "From", "To"):
        found = [here for here in range(at, len(text)) if text.startswith(name, here)]
        if not found or draw(st.integers(0, 9)) == 0:
            continue
        here = draw(st.sampled_from(found))
        begins = here + len(name)
        ends = [end for end in range(begins, len(text)) if text[end].isupper()] + [len(text)]
        end = begins + 34 if name.endswith("Sid") else draw(st.sampled_from(ends))
        gap = filled(text[at:here], last)
        if gap is None:
            continue
        form, last, at = [*form, *gap, (name, text[begins:end])], name, min(end, len(text))
    rest = filled(text[at:], last)
    return None if rest is None else (other, [*form, *rest])


@settings(max_examples=600)
@given(st.data(), genuine_forms(), st.sampled_from([TARGET, TARGET + "/next", TARGET + "?a=b"]))
def test_no_other_cut_of_a_signed_text_means_anything_else(
    data: st.DataObject, form: Form, target: str
) -> None:
    cut = data.draw(other_cuts(signed_text(target, form), target))
    assume(cut is not None and signed_text(*cut) == signed_text(target, form))  # what is signed is sorted
    said, heard = read_form(target, form), read_form(*cut)
    if heard is not None:
        path = cut[0].partition("?")[0]
        assert (path, heard.account_sid, heard.call_sid) == (target.partition("?")[0], ACCOUNT, CALL)
        assert said in (heard, None)


@settings(max_examples=200)
@given(genuine_forms())
def test_no_free_text_makes_another_call_of_a_genuine_form(form: Form) -> None:
    heard = read_form(TARGET, form)
    assert heard is None or (heard.account_sid, heard.call_sid) == (ACCOUNT, CALL)


# ---------------------------------------------------------------- what stands behind a path of ours

NONCE = "aB3-_" * 8 + "xyz"
QUERIES = {
    "": {},
    "?leg=2": {"leg": "2"},
    "?turn=3&leg=12": {"turn": "3", "leg": "12"},
    f"?n={NONCE}": {"n": NONCE},
    f"?n={NONCE}A": {},
    f"?n={NONCE[:-1]}": {},
    f"?a=1&n={NONCE}": {},
    f"?n={NONCE}&n={NONCE}": {},
    "?hop=2": {"hop": "2"},
    "?hop=12": {},
    "?hop=1&leg=2": {},
    "?leg=": {},
    "?leg=-1": {},
    "?leg=12345": {},
    "?leg=%31": {},
    "?x=1": {},
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_ours_is_read_in_one_way(query: str) -> None:
    assert query_of(f"{TARGET}/next{query}", form_of()) == QUERIES[query]


@pytest.mark.parametrize(("query", "rest"), [("?leg=1", "2"), (f"?n={NONCE}", "4"), ("?turn=1&leg=1", "0")])
def test_a_query_that_goes_on_in_the_form_is_none(query: str, rest: str) -> None:
    """One signature fits both: the text is the same wherever the query ends, and only one of the two is read."""
    whole, cut = f"{TARGET}/next{query}{rest}", f"{TARGET}/next{query}"
    form = [(f"{rest}AccountSid", ACCOUNT), *form_of()[1:]]
    assert signed_text(cut, form) == signed_text(whole, form_of())
    assert read_form(cut, form) is None


# ---------------------------------------------------------------- passed on by a host of several


def test_a_webhook_that_was_passed_on_is_known_as_the_same_wherever_it_is_cut() -> None:
    """Or each hop would be another signed text, and could open a call of its own when it is sent again."""
    form = form_of()
    asked = [
        (TARGET, form),
        (f"{TARGET}?hop=1", form),
        (f"{TARGET}?hop=2", form),
        (TARGET, [("?hop=1", ""), *form]),
    ]
    marks = {marks_of(("token",), target, cut) for target, cut in asked}
    assert len(marks) == 1
    assert marks_of(("token",), f"{TARGET}?hop=x", form) not in marks
    assert marks_of(("token",), f"{TARGET}/next?hop=1", form) not in marks
