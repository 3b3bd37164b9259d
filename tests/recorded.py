"""The records of the calls in `tests/tapes`, and metrics that have seen them."""

from pathlib import Path

from bridge.observe.metrics import Metrics
from bridge.store.records import Records, records_of
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode

TAPES = Path(__file__).parent / "tapes"


def record(name: str) -> Records:
    """Return the records of a recorded call."""
    tape = read_tape(TAPES / f"{name}.jsonl.gz")
    return records_of(tape.header, map(decode, tape.lines))


def counted(*calls: Records, agents: tuple[str, ...] = ("front-desk",)) -> Metrics:
    """Return metrics that have seen these calls."""
    metrics = Metrics(agents)
    for call in calls:
        metrics.add(call)
    return metrics
