"""Log lines: their form on a terminal, in a file and in the journal, and what is taken out of them."""

import json
import logging
import os
from base64 import b64encode
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from bridge.errors import BridgeError
from bridge.logs import Fence, crash_logged, set_up_logging

KEY = "sk-very-secret-key"


def logged(write: Callable[[Any], None], **setup: Any) -> str:
    """Return what is written by a logger that was set up so."""
    out = StringIO()
    set_up_logging(stream=out, **setup)
    write(structlog.get_logger())
    return out.getvalue()


def one_line(**values: Any) -> dict[str, Any]:
    """Return an event as a JSON line has it."""
    line: dict[str, Any] = json.loads(
        logged(lambda log: log.info("it happened", **values), as_json=True, secrets=(KEY,))
    )
    return line


def test_a_text_line_is_keys_and_values() -> None:
    line = logged(lambda log: log.info("call ended", call_id="CA1", by="caller"))
    assert line.startswith('level=info event="call ended" call_id=CA1 by=caller timestamp=')


def test_a_json_line_has_level_event_and_time() -> None:
    line = one_line(call_id="CA1", ms=4)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "it happened", "call_id": "CA1", "ms": 4}


def test_below_its_level_nothing_is_logged() -> None:
    assert logged(lambda log: log.info("quiet"), level=logging.WARNING) == ""


def test_in_the_journal_a_line_has_its_priority_and_no_time(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w") as out:
        status = os.fstat(out.fileno())
        set_up_logging(stream=out, as_json=True, journal=f"{status.st_dev}:{status.st_ino}")
        structlog.get_logger().error("disk full")
        structlog.get_logger().info("fine")
    lines = (tmp_path / "journal").read_text().splitlines()
    assert lines == ['<3>{"event": "disk full", "level": "error"}', '<6>{"event": "fine", "level": "info"}']


@pytest.mark.parametrize("journal", ["", "1:2", "nonsense"])
def test_another_stream_than_the_journals_keeps_its_time(tmp_path: Path, journal: str) -> None:
    with (tmp_path / "file").open("w") as out:
        set_up_logging(stream=out, journal=journal)
        structlog.get_logger().info("fine")
    assert "timestamp=" in (tmp_path / "file").read_text()


def test_what_other_libraries_log_has_the_same_form() -> None:
    def write(log: Any) -> None:
        logging.getLogger("quart.app").error("handler failed for %s", KEY)
        logging.getLogger("quart.app").info("of no interest")

    line = json.loads(logged(write, as_json=True, secrets=(KEY,)))
    assert (line["event"], line["level"]) == ("handler failed for (secret)", "error")


def test_a_call_id_bound_for_a_task_is_in_every_line_of_it() -> None:
    with structlog.contextvars.bound_contextvars(call_id="CA1"):
        line = json.loads(logged(lambda log: logging.getLogger("x").error("crashed"), as_json=True))
    assert line["call_id"] == "CA1"


# ---------------------------------------------------------------- the fence


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (f"Bearer {KEY}!", "Bearer (secret)!"),
        ("call +15550123456 back", "call +xxxxxxxxx56 back"),
        ("+1 (555) 012-3456", "+x (xxx) xxx-xx56"),
        ("ring 555-012-3456.", "ring xxx-xxx-xx56."),
        ("15550123456", "xxxxxxxxx56"),
        (b64encode(bytes(160)).decode(), "(base64, 216 characters)"),
        ({"message": ["to +15550123456"]}, {"message": ["to +xxxxxxxxx56"]}),
        (ValueError(f"no {KEY}"), "no (secret)"),
    ],
)
def test_what_must_not_be_shown_is_taken_out(value: Any, shown: Any) -> None:
    assert one_line(what=value)["what"] == shown


@pytest.mark.parametrize(
    "value",
    ["2026-11-25T10:00:00.123456Z", "tapes/2026-11-25/CA01234567890123456789012345678901.jsonl.gz", "0.123456789123",
     "127.0.0.1:8080", 1764064800123, 3.25, True, None, "HTTP 401", "a" * 100],
)  # fmt: skip
def test_everything_else_stays_as_it_is(value: Any) -> None:
    assert Fence((KEY,)).clean(value) == value


def test_the_calls_id_is_never_touched() -> None:
    assert one_line(call_id="15550123456")["call_id"] == "15550123456"


def test_a_short_secret_is_not_looked_for_in_innocent_words() -> None:
    assert Fence(("call",)).clean("call ended") == "call ended"


def test_a_tracebacks_message_is_looked_through_too() -> None:
    def write(log: Any) -> None:
        try:
            raise ValueError(f"bad key {KEY}")
        except ValueError:
            log.exception("call crashed")

    text = logged(write, as_json=True, secrets=(KEY,))
    assert "bad key (secret)" in json.loads(text)["exception"]
    assert KEY not in text.replace('f\\"bad key {KEY}\\"', "")


# ---------------------------------------------------------------- crashes


def test_a_crash_is_logged_in_the_form_of_all_lines() -> None:
    def crash(log: Any) -> None:
        with pytest.raises(SystemExit) as left, crash_logged():
            raise ExceptionGroup("nursery", [ZeroDivisionError("oh")])
        assert left.value.code == 1

    line = json.loads(logged(crash, as_json=True))
    assert (line["level"], line["event"]) == ("critical", "the daemon crashed")
    assert "ZeroDivisionError: oh" in line["exception"]


def test_an_error_that_is_explained_to_a_person_is_not_a_crash() -> None:
    with pytest.raises(BridgeError), crash_logged():
        raise BridgeError("write this instead")
