"""What all parts of a study's page look at: the study, and the setting that it is about."""

from collections.abc import Iterator
from html import escape

from attrs import frozen

from replay.vad.report.charts import Shape
from replay.vad.study.recommend import Choice
from replay.vad.study.study import Study


@frozen
class View:
    """A study, the setting that its charts mark beside the current one, and what to call that."""

    study: Study
    shown: Choice | None
    role: str

    @property
    def now(self) -> Choice | None:
        """Return what is set now, if the grid has it and it is not what is shown anyway."""
        current = self.study.recommendation.current
        return None if current and self.shown and current.place == self.shown.place else current

    @property
    def focus(self) -> tuple[int, int, int]:
        """Return the place that charts along one axis are drawn at."""
        grid = self.study.sweep.grid
        choice = self.shown or self.now
        middle = len(grid.thresholds) // 2, len(grid.silences_ms) // 2, len(grid.prefixes_ms) - 1
        return choice.place if choice else middle

    @property
    def threshold(self) -> str:
        """Return that place's threshold, as text."""
        return f"{self.study.sweep.grid.thresholds[self.focus[0]]:g}"

    def chosen(self) -> Iterator[tuple[Choice, Shape, str]]:
        """Yield what is marked, with the shape and the name of its mark."""
        if self.now:
            yield self.now, "now", "now"
        if self.shown:
            yield self.shown, "advised", self.role


def figure(title: str, text: str, body: str) -> str:
    """Return a chart with its title and what it shows."""
    return f"<figure><h3>{escape(title)}</h3><p class='note'>{escape(text)}</p><div>{body}</div></figure>"
