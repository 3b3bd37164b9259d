"""What a form can make the lab run: only what there is to choose, whatever a browser sends."""

from pathlib import Path

import pytest

from bridge.console.lab.jobs import Choices, Job, choices_in


@pytest.fixture
def choices(tmp_path: Path) -> Choices:
    (tmp_path / "tapes" / "2026-11-27").mkdir(parents=True)
    (tmp_path / "tapes" / "elsewhere").mkdir()
    (tmp_path / "reports" / "plans").mkdir(parents=True)
    (tmp_path / "reports" / "plans" / "switch.toml").write_text("")
    (tmp_path / "secret.toml").write_text("")
    (tmp_path / "reports" / "link.toml").symlink_to(tmp_path / "secret.toml")
    return choices_in(tmp_path / "tapes", tmp_path / "reports", ["front-desk"])


def test_each_form_is_a_command_of_what_there_is(choices: Choices, tmp_path: Path) -> None:
    ((plan_id, plan),) = choices.plans.items()
    assert choices.job_of({"form": "replay", "day": "2026-11-27"}) == Job(
        "Replay the calls of 2026-11-27", ("run", str(tmp_path / "tapes" / "2026-11-27"))
    )
    assert choices.job_of({"form": "compare", "plan": plan_id, "marked": "bad"}) == Job(
        "Compare by plans/switch.toml", ("compare", str(plan), "--marked", "bad")
    )
    estimated = choices.job_of({"form": "compare", "plan": plan_id, "estimate": "1"})
    assert isinstance(estimated, Job)
    assert estimated.arguments[-1] == "--estimate"
    vad = choices.job_of({"form": "vad", "agent": "front-desk", "day": ""})
    page = str(tmp_path / "reports" / "vad-front-desk.html")
    assert isinstance(vad, Job)
    assert vad.arguments == ("vad", "sweep", str(tmp_path / "tapes"), "--agent", "front-desk", "--html", page)


@pytest.mark.parametrize(
    "sent", ["", "..", "../..", "--accept", "-x", "elsewhere", "secret.toml", "x; rm -rf /", "\x00"]
)
def test_nothing_else_that_is_sent_becomes_an_argument(choices: Choices, sent: str) -> None:
    (plan_id,) = choices.plans
    for form in (
        {"form": "replay", "day": sent},
        {"form": "compare", "plan": sent},
        {"form": "vad", "agent": sent},
        {"form": sent},
    ):
        assert isinstance(choices.job_of(form), str)
    marked = choices.job_of({"form": "compare", "plan": plan_id, "marked": sent})
    assert isinstance(marked, Job)
    assert sent not in marked.arguments
