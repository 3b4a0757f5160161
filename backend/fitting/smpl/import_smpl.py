"""`import-smpl`: a small file of the joints of a user's own SMPL, SMPL-H or SMPL-X model.

The official files are .npz, or pickles of Python 2 with arrays of the library chumpy and sparse matrices of scipy. Nothing in them is run.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from scipy import sparse

from backend.errors import KineliftError
from backend.fitting.smpl.body import BODY, FINGERS, GENDERS, KINDS, BodyModel, check_parents
from backend.plain_pickle import FAILURES, BrokenPickle, NeedsCode, Record, plain_pickle

NEEDED = ("v_template", "shapedirs", "J_regressor", "kintree_table")
HANDS = ("hands_meanl", "hands_meanr")

CHUMPY, CHOSEN = "chumpy.ch Ch", "chumpy.reordering Select"
COLUMNS = ("scipy.sparse.csc csc_matrix", "scipy.sparse._csc csc_matrix")
RECORDS = {CHUMPY, CHOSEN, *COLUMNS, "__builtin__ set"}
"""Classes whose objects stand in official files."""

SHAPES = {"smpl": 10, "smplh": 16, "smplx": 16}
"""The most numbers of a shape that files of the AMASS kind have."""

EXPRESSIONS = {20: 10, 400: 100}
"""Shape directions of an SMPL-X file -> how many of them, the last ones, are of the face's expressions."""

REMEDY = "Give the model file as its authors publish it (smpl.is.tue.mpg.de, mano.is.tue.mpg.de, smpl-x.is.tue.mpg.de)"

SIZE = (0.4, 2.5)
"""Metres that a mean body is tall."""


def bad(message: str, path: Path, remedy: str = REMEDY) -> NoReturn:
    raise KineliftError(message, remedy, str(path), "bad-smpl")


def read_official(path: Path) -> dict[str, np.ndarray]:
    """The arrays `NEEDED` of an official file, and `HANDS` where it has them. Raises KineliftError naming the file and the key."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
    except OSError as error:
        raise KineliftError(f"the file can't be read ({error.strerror})", "Check the path", str(path), "missing-file") from error
    found = _from_npz(path) if is_zip else _from_pickle(path)
    for key in NEEDED:
        if key not in found:
            bad(f"there is no '{key}'", path)
    return found


def _from_npz(path: Path) -> dict[str, np.ndarray]:
    key = "the file"
    try:
        with np.load(path, allow_pickle=False) as data:  # what is no plain array in it is left alone
            found = {}
            for key in (*NEEDED, *HANDS):
                if key in data.files:
                    found[key] = data[key]
            return found
    except Exception as error:  # on damaged files numpy raises whatever zip, zlib and Python's tokenizer do
        bad(f"'{key}' can't be read as plain numbers ({str(error)[:200]})", path)


def _from_pickle(path: Path) -> dict[str, np.ndarray]:
    try:
        table = plain_pickle(path.read_bytes(), RECORDS)
    except NeedsCode as error:
        raise KineliftError(f"reading it would need code to run ({error})", f"{REMEDY}; do not load this file with other tools", str(path),
                            "needs-unpickling") from error
    except BrokenPickle as error:
        bad(f"this is neither a .npz nor a pickle that can be read ({error})", path)
    if not isinstance(table, dict):
        bad("it holds no table", path)
    return {key: _array(table[key], key, path) for key in (*NEEDED, *HANDS) if key in table}


def _array(value: Any, key: str, path: Path) -> np.ndarray:
    """The numbers that an array, or what stands for one, holds."""
    try:
        if isinstance(value, Record) and value.kind == CHUMPY:
            value = value.state["x"]
        elif isinstance(value, Record) and value.kind == CHOSEN:
            value = _array(value.state["a"], key, path).ravel()[value.state["idxs"]].reshape(value.state["preferred_shape"])
        elif isinstance(value, Record) and value.kind in COLUMNS:
            state = value.state
            value = sparse.csc_matrix((state["data"], state["indices"], state["indptr"]), state["_shape"]).toarray()
    except FAILURES as error:
        bad(f"'{key}' is damaged ({str(error)[:200]})", path)
    if not isinstance(value, np.ndarray):
        bad(f"'{key}' is no array", path)
    return value


def import_body(path: Path, gender: str = "") -> BodyModel:
    """The joints of an official file. gender: of `GENDERS`, else the file's name tells. Raises KineliftError naming the file and the key."""
    arrays = read_official(path)
    vertices = arrays["v_template"].shape[0] if arrays["v_template"].ndim == 2 else 0
    joints = arrays["J_regressor"].shape[0] if arrays["J_regressor"].ndim == 2 else 0
    directions = arrays["shapedirs"].shape[-1] if arrays["shapedirs"].ndim == 3 else 0
    if joints not in KINDS:
        bad(f"'J_regressor' has {joints} joints", path, f"Give a file of SMPL (24 joints), SMPL-H (52) or SMPL-X (55). {REMEDY}")
    kind = KINDS[joints]
    fingers = {name: (FINGERS * 3 // 2,) for name in HANDS if name in arrays and kind != "smpl"}
    expected = {"v_template": (vertices, 3), "shapedirs": (vertices, 3, max(directions, 1)), "J_regressor": (joints, vertices),
                "kintree_table": (2, joints), **fingers}
    for key, shape in expected.items():
        if arrays[key].shape != shape or arrays[key].dtype.kind not in ("iu" if key == "kintree_table" else "fiu") or not np.isfinite(arrays[key]).all():
            bad(f"'{key}' is not made of numbers {list(shape)}, but {arrays[key].dtype} {list(arrays[key].shape)}", path)
    regressor, template = arrays["J_regressor"].astype(float), arrays["v_template"].astype(float)
    if np.abs(regressor.sum(axis=1) - 1).max() > 0.02:
        bad(f"'J_regressor' does not put joint {int(np.abs(regressor.sum(axis=1) - 1).argmax())} among its vertices", path)
    parents = arrays["kintree_table"][0].astype(np.int64)
    parents[0] = -1  # official files write the largest number that fits
    check_parents(parents, path, REMEDY)
    shapes = arrays["shapedirs"].astype(float)
    shapes = shapes[..., : directions - EXPRESSIONS.get(directions, 0) if kind == "smplx" else directions][..., : SHAPES[kind]]
    ends = [int(template[:, 1].argmin()), int(template[:, 1].argmax())]
    tall = template[ends[1], 1] - template[ends[0], 1]
    at = regressor @ template
    if not SIZE[0] < tall < SIZE[1] or (at[BODY.index("left_hip")] - at[BODY.index("right_hip")])[0] <= 0:
        bad(f"'v_template' is no body in metres with Y up that faces +Z ({tall:.3g} from lowest to highest point)", path)
    hands = np.concatenate([arrays.get(name, np.zeros(FINGERS * 3 // 2)).reshape(-1, 3) for name in HANDS]) if kind != "smpl" else np.zeros((0, 3))
    return BodyModel(kind, gender or _gender(path), parents, at, np.einsum("jv,vcb->jcb", regressor, shapes),
                     template[ends], shapes[ends], hands.astype(float))


def _gender(path: Path) -> str:
    """As the file's name says it, else its folder's: basicmodel_f_lbs_..., SMPLX_NEUTRAL, male/model."""
    for name in (path.stem, path.resolve().parent.name):
        for word in re.split(r"[^a-z]+", name.lower()):
            gender = {"f": "female", "m": "male", "n": "neutral"}.get(word, word)
            if gender in GENDERS:
                return gender
    raise KineliftError("neither the name of the file nor of its folder tells the gender of the model", f"Say --gender {', '.join(GENDERS)}", str(path),
                        "bad-setting")


def add_arguments(parser) -> None:
    parser.add_argument("file", type=Path, help="your own model file of SMPL (.pkl), SMPL-H or SMPL-X (.npz or .pkl)")
    parser.add_argument("--to", type=Path, required=True, help="the model file (.npz) to write")
    parser.add_argument("--gender", choices=GENDERS, default="", help="of the model; without it the file's name tells")


def run(arguments) -> int:
    body = import_body(arguments.file, arguments.gender)
    print(f"{body.save(arguments.to)}: {body.kind}, {body.gender}, {len(body.joints)} joints, {body.shapes} shapes")
    return 0
