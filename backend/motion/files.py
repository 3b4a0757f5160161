"""Writing result files so that a crash or a full disk leaves either the whole file or none."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import numpy as np

from backend.errors import KineliftError


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Writes `content` to a temporary name beside `path`, then renames it."""
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise KineliftError(f"the file could not be written ({error.strerror})", "Free disk space or choose another folder", str(path),
                            "write-failed") from error
    return path


def write_npz(path: Path | str, arrays: dict[str, np.ndarray]) -> Path:
    """Writes a compressed .npz the same way. Arrays must be plain (no objects)."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getvalue())
