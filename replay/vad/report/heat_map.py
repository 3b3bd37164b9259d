"""A table of numbers as colours, as inline SVG: readable at any width, like the charts. It knows nothing of speech."""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, isfinite

from attrs import frozen

from replay.vad.report.charts import SHAPES, TICKS, Shape


@frozen
class HeatMap:
    """A table of values as colours; rows go up. values: 0 to 1, one list a row. outside: cells to be hatched.
    edge: cells within a contour."""

    columns: Sequence[str]
    rows: Sequence[str]
    values: Sequence[Sequence[float]]
    outside: Sequence[Sequence[bool]]
    edge: Sequence[Sequence[bool]]
    label: str
    column_title: str
    row_title: str
    marks: Sequence[tuple[int, int, Shape, str]] = ()  # (row, column, shape, name)
    height: int = 360

    def svg(self) -> str:
        """Return it as SVG; each cell tells a script its row and column."""
        top = max((value for row in self.values for value in row if isfinite(value)), default=0) or 1.0
        cells = "".join(self._cell(row, column, top) for row, column in self._places())
        return (
            f'<div class="ytitle">{escape(self.row_title)}</div>'
            f'<div class="plotted" data-chart="heat" data-rows="{len(self.rows)}" '
            f'data-columns="{len(self.columns)}" tabindex="0" role="application" aria-label="{escape(self.label)}">'
            f'<svg height="{self.height}" role="img" aria-label="{escape(self.label)}">'
            '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect class="hatch" width="2.4" height="7"/></pattern></defs>'
            f"{cells}{''.join(self._contour())}{self._names()}{''.join(map(self._mark, self.marks))}"
            f'</svg></div><div class="xtitle">{escape(self.column_title)}</div>'
        )

    def _places(self) -> Iterator[tuple[int, int]]:
        return ((row, column) for row in range(len(self.rows)) for column in range(len(self.columns)))

    def _box(self, row: int, column: int) -> tuple[float, float, float, float]:
        width, height = 100 / len(self.columns), 100 / len(self.rows)
        return column * width, 100 - (row + 1) * height, width, height

    def _cell(self, row: int, column: int, top: float) -> str:
        x, y, width, height = self._box(row, column)
        value = self.values[row][column]
        place = f'x="{x:.2f}%" y="{y:.2f}%" width="{width + 0.05:.2f}%" height="{height + 0.05:.2f}%"'
        shade = f'class="cell" style="--f:{100 * value / top:.0f}%"' if isfinite(value) else 'class="unknown"'
        hatch = f'<rect {place} fill="url(#hatch)"/>' if self.outside[row][column] else ""
        return f"<rect {place} {shade}/>{hatch}"

    def _contour(self) -> Iterator[str]:
        """Yield the lines between cells within the contour and cells outside."""
        for row, column in self._places():
            x, y, width, height = self._box(row, column)
            inside = self.edge[row][column]
            if row + 1 < len(self.rows) and self.edge[row + 1][column] != inside:
                yield f'<line class="contour" x1="{x:.2f}%" x2="{x + width:.2f}%" y1="{y:.2f}%" y2="{y:.2f}%"/>'
            if column + 1 < len(self.columns) and self.edge[row][column + 1] != inside:
                x += width
                yield f'<line class="contour" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y:.2f}%" y2="{y + height:.2f}%"/>'

    def _names(self) -> str:
        rows = "".join(
            f'<text class="tick" x="-7" y="{y + height / 2:.2f}%" dy="4" text-anchor="end">{escape(name)}</text>'
            for name, (_, y, _, height) in ((name, self._box(n, 0)) for n, name in enumerate(self.rows))
        )
        every = max(1, ceil(len(self.columns) / (TICKS + 1)))
        columns = "".join(
            f'<text class="tick" x="{x + width / 2:.2f}%" y="100%" dy="18" text-anchor="middle">{escape(name)}</text>'
            for name, (x, _, width, _) in (
                (name, self._box(0, n)) for n, name in enumerate(self.columns) if n % every == 0
            )
        )
        return rows + columns

    def _mark(self, mark: tuple[int, int, Shape, str]) -> str:
        row, column, shape, name = mark
        x, y, width, height = self._box(row, column)
        anchor, shift = ("end", -11) if x > 62 else ("start", 11)
        return (
            f'<svg class="point" x="{x + width / 2:.2f}%" y="{y + height / 2:.2f}%" width="1" height="1">'
            f'{SHAPES[shape]}<text class="told" x="{shift}" y="5" text-anchor="{anchor}">{escape(name)}</text></svg>'
        )
