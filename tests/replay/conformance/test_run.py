import datetime

from replay.conformance.catalogue import CHECKS
from replay.conformance.run import judged


def test_without_a_call_nothing_passes() -> None:
    card = judged([], bridge="none", url="", began=datetime.datetime.now(datetime.UTC), took_seconds=0)
    assert card.named("unknown") == tuple(check.name for check in CHECKS)
    assert not card.was_connected
