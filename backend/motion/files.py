"""Files of arrays: read without running code from them, written whole or not at all.

The add-on uses this module too: it needs numpy alone, and imports relatively.
"""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import KineliftError


def read_npz(path: Path | str, what: str, remedy: str, code: str, needed: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name; nothing is unpickled.

    Raises KineliftError when the file is missing, and with `remedy` and `code` when it can't be read or lacks one of the
    arrays `needed`. `what` is what the messages call it, for example "motion file".
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except FileNotFoundError:
        raise KineliftError(f"there is no such {what}", "Check the path, or make the file again", str(path), "missing-file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise KineliftError(f"this is not a readable {what} ({error})", remedy, str(path), code) from error
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise KineliftError(f"the {what} lacks {', '.join(missing)}", remedy, str(path), code)
    return arrays


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
