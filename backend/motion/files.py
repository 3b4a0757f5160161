"""Files of arrays: read without running code from them, written whole or not at all.

The add-on uses this module too: it needs numpy alone, and imports relatively.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ..errors import KineliftError, write_error


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
    except Exception as error:  # on damaged files numpy raises whatever zip, zlib and Python's tokenizer do
        raise KineliftError(f"this is not a readable {what} ({error})", remedy, str(path), code) from error
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise KineliftError(f"the {what} lacks {', '.join(missing)}", remedy, str(path), code)
    return arrays


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Gives a temporary name in the folder of `path` to write to, and renames it to `path` when all went well.

    Whatever fails inside leaves no file and an earlier one as it was. An OSError becomes a KineliftError that names `path`.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path | str, content: bytes) -> Path:
    """Writes `content` whole or not at all. Raises KineliftError."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def write_npz(path: Path | str, arrays: dict[str, np.ndarray]) -> Path:
    """Writes a compressed .npz whole or not at all. Arrays must be plain (no objects). Raises KineliftError."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getvalue())
