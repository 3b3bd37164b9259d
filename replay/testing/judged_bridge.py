"""A bridge judged for a test of it, whoever wrote it: rung and listened to from both sides. It asserts nothing."""

from collections.abc import Sequence
from io import StringIO

import trio

from bridge.errors import BridgeError
from bridge.screen.output import Screen
from replay.conformance.asked import job_of
from replay.conformance.card import ReportCard
from replay.conformance.shown.screen import show_card
from replay.phone.ring import Account


class NotJudgedError(BridgeError):
    """No call came about, so nothing can be said of the bridge; the message says what to look at."""


def judge_bridge(
    to: str,
    *,
    cmd: str | None = None,
    model_variables: Sequence[str] = (),
    model_port: int | None = None,
    public_url: str | None = None,
    auth_token: str | None = None,
    only: Sequence[str] = (),
) -> ReportCard:
    """Ring a bridge as `replay judge` does, in real time, and return its report card.

    `to` is its webhook, or its media socket (ws://…); with `cmd` it is started and ended, and a path will do. The model
    is a stand-in: the bridge finds its address in the `model_variables`, or one that runs already has it as
    ws://127.0.0.1:8090/v1/realtime. `only` names the checks that are looked for. Not for async code. Raises
    `BridgeError` children: `NotJudgedError`, `DestinationError`, `BridgeNotStartedError`.
    """
    if trio.lowlevel.in_trio_run():
        raise NotJudgedError(
            "judge_bridge runs a loop of its own: call it from a plain def test, not an async one"
        )
    account = Account() if auth_token is None else Account(auth_token=auth_token)
    job = job_of(
        to, public_url=public_url, cmd=cmd, model_variables=model_variables, model_port=model_port, account=account,
        only=only,
    )  # fmt: skip
    card = trio.run(job.run)
    if not card.was_connected:
        raise NotJudgedError("\n".join((f"{to}: no call came about", *card.notes, *_first_lines(card))))
    return card


def _first_lines(card: ReportCard) -> list[str]:
    """Return what the first call's phone has to tell: its errors are there."""
    lines = card.calls[0].lines if card.calls else ()
    return [line.line for line in lines if line.side == "phone"]


def card_text(card: ReportCard) -> str:
    """Return a card as it is printed for people."""
    told = StringIO()
    show_card(card, Screen(file=told, width=110))
    return told.getvalue().strip()
