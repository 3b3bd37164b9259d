"""The relay with switches, of which report cards are made: what it decides when all are off."""

from bench.relays.planted.ledger import Ledger
from bench.relays.planted.turns import Turns


def test_only_what_a_mark_proves_was_heard() -> None:
    ledger = Ledger()
    first, _, third = (ledger.send("one", 100), ledger.send("one", 100), ledger.send("two", 100))
    ledger.prove(first)
    assert (ledger.heard_ms("one"), ledger.sent_ms("one")) == (100, 200)
    assert ledger.cut() == ["one", "two"]
    ledger.prove(third)  # Twilio sends them all back when it clears
    assert (ledger.heard_ms("one"), ledger.heard_ms("two")) == (100, 0)


def test_one_response_is_asked_for_when_nothing_is_in_the_way() -> None:
    turns = Turns(is_owed=True, active="greeting")
    assert not turns.ask()
    turns.ended()
    turns.is_caller_speaking = True
    assert not turns.ask()
    turns.is_caller_speaking = False
    assert turns.ask()
    turns.is_owed = True
    assert not turns.ask()  # the one that was asked for has not come


def test_the_service_answers_a_turn_by_itself() -> None:
    turns = Turns(active="greeting")
    turns.caller_began()
    assert turns.cut == "greeting"
    turns.is_owed = True
    turns.caller_ended()
    turns.ended()
    assert not turns.ask()
