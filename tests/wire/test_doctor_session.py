"""What `bridge doctor` learns of a session before anybody rings, from a model's stand-in over a real socket."""

from pathlib import Path

import pytest
import trio
from doctor_town import KEY, PUBLIC, TOKEN, only

from bridge import config
from bridge.config import Secrets
from bridge.doctor.findings import Finding
from bridge.doctor.session import check_sessions
from bridge.doctor.world import Patient, World
from replay.model.script import Faults, Script
from replay.model.server import serve_model

TRANSCRIPTION = "audio.input.transcription"


def patient_of(url: str, *agents: str) -> Patient:
    raw = {
        "server": {"public_url": PUBLIC},
        "realtime": {"url": url},
        "agents": {name: {} for name in agents or ("front-desk",)},
    }
    return Patient(
        config.parse(raw, Path("config.toml")), Secrets((TOKEN,), KEY), "", False, World(check_seconds=2)
    )


async def found_with(faults: Faults, *agents: str) -> list[Finding]:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve_model, Script(faults=faults))
            found = await check_sessions(patient_of(server.url, *agents))
            nursery.cancel_scope.cancel(reason="it is known")
    return found


@pytest.mark.parametrize(
    ("faults", "level", "text"),
    [
        (Faults(), "ok", "front-desk: the model takes its settings"),
        (
            Faults(refuse_settings=(f"{TRANSCRIPTION}.model", "audio.output.voice")),
            "warning",
            f"front-desk: the model refuses {TRANSCRIPTION}, audio.output.voice; calls go on without",
        ),
        (
            Faults(refuse_settings=("instructions",)),
            "error",
            "front-desk: refused (invalid_value: Invalid value: ",
        ),
        (Faults(other_format="audio/pcm"), "error", "front-desk: the session speaks audio/pcm, and not what"),
        (Faults(refuse="model_not_found"), "error", "front-desk: refused (model_not_found: "),
        (Faults(refuse="http_401"), "error", "front-desk: ws://127.0.0.1:"),
        (Faults(never_update=True), "error", "front-desk: no session within 1.6 s"),
    ],
)
async def test_a_session_is_tried_as_a_call_would(faults: Faults, level: str, text: str) -> None:
    found = only(await found_with(faults))
    assert (found.level, found.text[: len(text)]) == (level, text)
    assert bool(found.next) == (level != "ok")


async def test_every_agent_has_its_finding() -> None:
    found = await found_with(Faults(), "a", "b", "c")
    assert [finding.text.partition(":")[0] for finding in found] == ["a", "b", "c"]
