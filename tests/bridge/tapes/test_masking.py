"""What a tape may keep of a webhook: no credential, and no number in full where it is to be hidden."""

import pytest

from bridge.tapes.masking import mask, webhook_form


@pytest.mark.parametrize(
    ("number", "hidden"),
    [
        ("+15551230042", "+xxxxxxxxx42"), ("sip:4930123456@x.example", "sip:xxxxxxxx56@x.example"),
        ("anonymous", "anonymous"), ("12345", "12345"), ("", ""),
    ],
)  # fmt: skip
def test_a_number_is_hidden_but_for_two_digits(number: str, hidden: str) -> None:
    assert mask(number) == hidden


FORM = {
    "CallSid": "CA00112233",
    "From": "+15551230042",
    "CallToken": "t",
    "StirPassportToken": "p",
    "FromCity": "Ulm",
}


def test_credentials_in_a_webhook_are_never_kept() -> None:
    assert webhook_form(FORM, masked=False) == {
        "CallSid": "CA00112233", "From": "+15551230042", "FromCity": "Ulm",
    }  # fmt: skip


def test_numbers_in_a_webhook_can_be_hidden() -> None:
    assert webhook_form(FORM, masked=True) == {
        "CallSid": "CA00112233", "From": "+xxxxxxxxx42", "FromCity": "Ulm",
    }  # fmt: skip
