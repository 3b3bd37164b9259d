"""Which name the call of a webhook gets, and which webhooks are of no new call."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.calls.intake import Webhook
from bridge.calls.returns import NOBODY, Name, name_for
from bridge.calls.setup import make_setup
from bridge.config import Secrets, Settings
from bridge.tapes.reader import Known
from bridge.wire.signed_form import marks_of, signed_text

SID = "CA" + "1" * 32
NOW = datetime.now(UTC).isoformat()
FIRST = Known("desk", "mark-1", NOW)
TARGET = "/voice/desk"


def a_webhook(status: str = "in-progress", *marks: str) -> Webhook:
    setup = make_setup(Settings(agents={}, folder=Path()), Secrets(), {})
    form = {"CallSid": SID, "CallStatus": status}
    return Webhook(setup, Agent(name="desk"), form, "https://x/voice/desk", marks or ("mark-9",))


NAMED: dict[str, tuple[dict[str, Known], Webhook, Name | None]] = {
    "a new call": ({}, a_webhook("ringing"), Name(SID)),
    "one that comes from elsewhere": ({}, a_webhook(), Name(SID)),
    "one that another agent had": ({SID: Known("other", "m", NOW)}, a_webhook("ringing"), Name(f"{SID}-desk")),
    "the same again": ({SID: FIRST}, a_webhook("ringing"), None),
    "one that comes back": ({SID: FIRST}, a_webhook(), Name(f"{SID}-2", 2, frozenset({"mark-1"}))),
    "by the request that began it": ({SID: FIRST}, a_webhook("in-progress", "mark-1"), None),
    "signed with another token": ({SID: FIRST}, a_webhook("in-progress", "new", "mark-1"), None),
    "one that nobody can tell": ({SID: evolve(FIRST, opened_by="")}, a_webhook(), None),
    "one that was erased": ({SID: NOBODY}, a_webhook(), None),
    "one of which the second was erased": ({SID: FIRST, f"{SID}-2": NOBODY}, a_webhook(), None),
    "one of yesterday": (
        {SID: evolve(FIRST, started_at=(datetime.now(UTC) - timedelta(hours=25)).isoformat())}, a_webhook(), None,
    ),
    "one with an odd header": ({SID: evolve(FIRST, started_at="?")}, a_webhook(), None),
    "for the third time": (
        {SID: FIRST, f"{SID}-2": evolve(FIRST, opened_by="mark-2")}, a_webhook(),
        Name(f"{SID}-3", 3, frozenset({"mark-1", "mark-2"})),
    ),
    "by the request that began the second": (
        {SID: FIRST, f"{SID}-2": evolve(FIRST, opened_by="mark-2")}, a_webhook("in-progress", "mark-2"), None,
    ),
    "once too often": ({SID: FIRST} | {f"{SID}-{n}": FIRST for n in range(2, 10)}, a_webhook(), None),
    "beside an agent that is called 2": (
        {SID: FIRST, f"{SID}-2": Known("2", "m", NOW)}, a_webhook(), Name(f"{SID}-3", 3, frozenset({"mark-1", "m"})),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("known", "webhook", "name"), NAMED.values(), ids=list(NAMED))
def test_a_call_has_one_name_and_a_request_begins_one_call(
    known: dict[str, Known], webhook: Webhook, name: Name | None
) -> None:
    assert name_for(webhook, known.get) == name


TEXTS = st.text("CallStausin-progeDF+15", max_size=12)


@given(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=4), st.data())
def test_no_cut_of_a_text_is_another_request(form: dict[str, str], data: Any) -> None:
    """Wherever somebody puts the borders: what has the same signature has the same mark."""
    text = signed_text(TARGET, list(form.items()))[len(TARGET) :]
    at = data.draw(st.integers(0, len(text)))
    cut = [(text[:at], text[at:])]
    assert signed_text(TARGET, cut) == signed_text(TARGET, list(form.items()))
    assert marks_of(["a", "b"], TARGET, cut) == marks_of(["a", "b"], TARGET, list(form.items()))


def test_another_text_another_token_or_another_address_is_another_request() -> None:
    form = [("CallSid", SID)]
    marks = {*marks_of(["a", "b"], TARGET, form), *marks_of(["a"], TARGET + "/next", form)}
    assert len({*marks, *marks_of(["a"], TARGET, [("CallSid", SID + "1")])}) == 4
    assert len(marks_of([], TARGET, form)) == 1  # without a token anybody may ask, and is known again
