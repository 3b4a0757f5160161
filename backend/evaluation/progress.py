"""Progress of an evaluation on a terminal."""

from __future__ import annotations

import sys


def print_progress(fraction: float, message: str) -> None:
    """Progress on one line of a terminal; nothing where the output is kept."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{fraction:4.0%} {message}", end="", file=sys.stderr, flush=True)
