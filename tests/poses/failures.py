"""What a call fails with, when it may fail."""

from __future__ import annotations

from collections.abc import Callable

from backend.errors import KineliftError


def failure(call: Callable[[], object]) -> KineliftError | None:
    """The KineliftError that `call` raises, None where it ends well; any other exception goes through."""
    try:
        call()
    except KineliftError as error:
        return error
    return None
