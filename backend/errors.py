"""Errors that people read: what is wrong, where, and what to do about it. Standard library only."""

from __future__ import annotations

import errno

NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


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


def write_error(error: OSError, path: object, message: str = "the file could not be written") -> KineliftError:
    """What to tell when the system refused to write `path`; the remedy depends on its reason."""
    if error.errno in NO_ROOM:
        remedy = "Free disk space or choose another folder"
    elif error.errno in NOT_ALLOWED:
        remedy = "Close the program that uses it, get write permission there or choose another folder"
    else:
        remedy = "Choose another folder"
    return KineliftError(f"{message} ({error.strerror})", remedy, str(path), "write-failed")
