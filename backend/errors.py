"""Errors that people read: what is wrong, where, and what to do about it. Standard library only."""

from __future__ import annotations


class KineliftError(Exception):
    """A failure with a remedy.

    Args:
        message: what is wrong, one sentence without a full stop.
        remedy: the next step for the user, an imperative sentence.
        place: the file and the spot in it, or "".
        code: a short word for programs ("bad-file", "missing-pack", ...).
    """

    def __init__(self, message: str, remedy: str, place: str = "", code: str = "error"):
        super().__init__(message, remedy, place, code)
        self.message, self.remedy, self.place, self.code = message, remedy, place, code

    def __str__(self) -> str:
        return f"{self.place + ': ' if self.place else ''}{self.message}. {self.remedy}"


class Cancelled(Exception):  # noqa: N818  a wish of the user, not an error
    """Raised out of a progress report when the user asked to stop."""
