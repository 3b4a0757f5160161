"""Tables for the terminal and for Markdown pages: aligned Markdown is both."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An aligned Markdown table; the first column to the left, the others to the right."""
    widths = [max(len(cells[column]) for cells in [headings, *rows]) for column in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        aligned = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
        return f"| {' | '.join(aligned)} |"

    rule = f"|{'-' * (widths[0] + 2)}|{'|'.join('-' * (width + 1) + ':' for width in widths[1:])}|"
    return "\n".join([line(headings), rule, *map(line, rows)])


def with_interval(mean: float, half_width: float) -> str:
    """"1.23 ± 0.04", or the mean alone where one repetition gives no interval."""
    return f"{mean:.2f} ± {half_width:.2f}" if half_width else f"{mean:.2f}"
