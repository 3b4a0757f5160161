"""results.npy of the MAS paper's program: a pickled table, read without running anything of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NoReturn

import numpy as np

from backend.errors import KineliftError
from backend.packs.mas_datasets import DATASETS
from backend.plain_pickle import BrokenPickle, NeedsCode, plain_pickle

REMEDY = "Use the results.npy that sample.mas wrote"


def read_results(path: Path | str, data: str = "") -> tuple[list[np.ndarray], str]:
    """The samples of a file, each [T,J,3] in the program's world (x right, y up, z away from the camera) without the frames beyond its
    length, and the name of their data set, which the number of keypoints tells unless `data` says it.

    Raises KineliftError naming the file and the key.
    """
    table = _table(path)
    motions = table.get("motions")
    if not isinstance(motions, np.ndarray) or motions.dtype.kind != "f":
        _bad("there is no array of numbers under 'motions'", REMEDY, path)
    if motions.ndim != 4 or motions.shape[3] != 3 or not motions.size:
        flat = " These are 2D samples: sample.mas writes 3D ones" if motions.ndim == 4 and motions.shape[2] == 2 else ""
        _bad(f"'motions' has shape {list(motions.shape)}, not [samples, frames, keypoints, 3]", REMEDY + flat, path)
    known = {name: len(facts.keypoints) for name, facts in DATASETS.items()}
    data = data or next((name for name, count in known.items() if count == motions.shape[2]), "")
    if known.get(data) != motions.shape[2]:
        _bad(f"'motions' has {motions.shape[2]} keypoints", f"Use samples of {', '.join(f'{name} ({count})' for name, count in known.items())}", path)
    lengths = _lengths(table, len(motions), motions.shape[1], path)
    samples = [motion[:length].astype(np.float64) for motion, length in zip(motions, lengths, strict=True)]
    for number, sample in enumerate(samples):
        if not np.isfinite(sample).all():
            _bad(f"sample {number} holds values that are not numbers", "Choose another sample, or make the file again", path)
    return samples, data


def _bad(message: str, remedy: str, path: Path | str) -> NoReturn:
    raise KineliftError(message, remedy, str(path), "bad-results")


def _table(path: Path | str) -> dict:
    try:
        content = io.BytesIO(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise KineliftError(f"the file can't be read ({getattr(error, 'strerror', error)})", "Check the path", str(path), "missing-file") from error
    try:
        version = np.lib.format.read_magic(content)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(content)
    except Exception as error:  # on damaged files numpy raises whatever Python's tokenizer does
        _bad(f"this is not a readable .npy file ({str(error)[:200]})", REMEDY, path)
    if dtype != np.dtype(object) or shape != ():
        _bad(f"this is a plain array {list(shape)}, not the table of a result", REMEDY, path)
    try:
        table = plain_pickle(content.read())
    except NeedsCode as error:
        raise KineliftError(f"reading it would need code to run ({error})", f"{REMEDY}; do not load this file with other tools", str(path),
                            "needs-unpickling") from error
    except BrokenPickle as error:
        _bad(f"its table can't be read ({error})", REMEDY, path)
    return table if isinstance(table, dict) else _bad("it holds no table", REMEDY, path)


def _lengths(table: dict, samples: int, frames: int, path: Path | str) -> list[int]:
    settings = table.get("model_kwargs")
    inner = settings.get("y") if isinstance(settings, dict) else None
    lengths = inner.get("lengths") if isinstance(inner, dict) else None
    if not isinstance(lengths, np.ndarray) or lengths.shape != (samples,) or lengths.dtype.kind not in "iu":
        _bad(f"'lengths' in 'model_kwargs' does not give {samples} whole numbers", REMEDY, path)
    if lengths.min() < 1 or lengths.max() > frames:
        _bad(f"'lengths' has a length that is not from 1 to {frames}", REMEDY, path)
    return [int(length) for length in lengths]
