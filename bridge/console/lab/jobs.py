"""What can be run from a page: a few forms of commands, in which nothing that a browser sends is an argument. It only
chooses among what there is: a plan in the reports' folder, a day of tapes, an agent. Reads folders, and runs nothing.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from bridge.console.lab.reports import id_of

DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
MOST_CHOICES: Final = 200
MARKS: Final = ("good", "bad")
FORMS: Final = ("replay", "compare", "vad")


@frozen
class Job:
    """A run that somebody asked for: what it is, and the arguments of `replay`."""

    title: str
    arguments: tuple[str, ...]


@frozen
class Choices:
    """What can be chosen from: plans by what stands for them, days with tapes, agents."""

    tapes: Path
    reports: Path
    plans: Mapping[str, Path]
    days: Collection[str]
    agents: Collection[str]

    def job_of(self, form: Mapping[str, str]) -> Job | str:
        """Return what a form asks for, or a sentence on why it can't be run."""
        match form.get("form"):
            case "replay":
                return self._replay(form.get("day", ""))
            case "compare":
                return self._compare(form.get("plan", ""), form.get("marked", ""), form.get("estimate", ""))
            case "vad":
                return self._vad(form.get("agent", ""), form.get("day", ""))
        return f"A run is one of {', '.join(FORMS)}."

    def _replay(self, day: str) -> Job | str:
        if day not in self.days:
            return "There is no such day among the tapes."
        return Job(f"Replay the calls of {day}", ("run", str(self.tapes / day)))

    def _compare(self, plan_id: str, marked: str, estimate: str) -> Job | str:
        plan = self.plans.get(plan_id)
        if plan is None:
            return "There is no such plan in the reports' folder."
        chosen = ("--marked", marked) if marked in MARKS else ()
        name = plan.relative_to(self.reports).as_posix()
        if estimate:
            return Job(f"Estimate {name}", ("compare", str(plan), *chosen, "--estimate"))
        return Job(f"Compare by {name}", ("compare", str(plan), *chosen))

    def _vad(self, agent: str, day: str) -> Job | str:
        if agent not in self.agents or (day and day not in self.days):
            return "There is no such agent, or no such day among the tapes."
        page = self.reports / f"vad-{agent}.html"
        when = f", {day}" if day else ""
        arguments = ("vad", "sweep", str(self.tapes / day), "--agent", agent, "--html", str(page))
        return Job(f"Turn detection for {agent}{when}", arguments)


def choices_in(tapes: Path, reports: Path, agents: Collection[str]) -> Choices:
    """Return what there is to choose from now. Blocks."""
    found = sorted(path for path in reports.rglob("*.toml") if path.is_file() and not path.is_symlink())
    plans = {id_of(path.relative_to(reports).as_posix()): path for path in found[:MOST_CHOICES]}
    days = (
        sorted((one.name for one in tapes.iterdir() if DAY.fullmatch(one.name)), reverse=True)
        if tapes.is_dir()
        else []
    )
    return Choices(tapes, reports, plans, days[:MOST_CHOICES], sorted(agents))
