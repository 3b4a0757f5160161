"""Files in the official formats of SMPL, SMPL-H and SMPL-X, of a body made by code."""

from __future__ import annotations

import io
import pickle
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy import sparse

from backend.fitting.smpl.body import BODY_PARENTS

REST = np.array([
    (0, -0.22, 0.03), (0.06, -0.31, 0.02), (-0.06, -0.315, 0.022), (0, -0.11, 0.0), (0.1, -0.69, 0.02), (-0.105, -0.69, 0.018), (0, 0.03, 0.0),
    (0.09, -1.09, -0.02), (-0.09, -1.09, -0.022), (0, 0.08, 0.03), (0.12, -1.15, 0.1), (-0.12, -1.15, 0.1), (0, 0.29, -0.01), (0.08, 0.2, 0.0),
    (-0.08, 0.2, 0.0), (0.0, 0.36, 0.03), (0.17, 0.23, -0.01), (-0.17, 0.23, -0.012), (0.43, 0.215, -0.04), (-0.43, 0.213, -0.042),
    (0.68, 0.224, -0.043), (-0.68, 0.222, -0.045)])
"""About where the first joints of such bodies are."""

COUNTS = {"smpl": 24, "smplh": 52, "smplx": 55}
DIRECTIONS = {"smpl": 10, "smplh": 16, "smplx": 20}
AROUND = 6
"""Vertices that surround a joint."""


def tree(kind: str) -> np.ndarray:
    """Parents of all joints."""
    if kind == "smpl":
        return np.array([*BODY_PARENTS, 20, 21])
    fingers = [20 if number % 3 == 0 else -1 for number in range(15)] + [21 if number % 3 == 0 else -1 for number in range(15)]
    parents = [*BODY_PARENTS, *([15, 15, 15] if kind == "smplx" else [])]
    for finger in fingers:
        parents.append(len(parents) - 1 if finger < 0 else finger)
    return np.array(parents)


def official(kind: str, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays of an official file: a random body of few vertices, whose shapes make it larger, wider, and longer of leg, trunk and arm."""
    rng = np.random.default_rng(seed)
    parents = tree(kind)
    joints = np.zeros((len(parents), 3))
    joints[: len(REST)] = REST
    for joint in range(len(REST), len(parents)):
        away = (0, 0.05, 0.05) if parents[joint] == 15 else (0.03 * np.sign(joints[parents[joint], 0]), 0.004 * (joint % 4 - 1), 0.004)
        joints[joint] = joints[parents[joint]] + away
    around = rng.normal(0, 0.03, (len(joints), AROUND, 3))
    around -= around.mean(axis=1, keepdims=True)
    extra = np.array([(0, 0.55, 0.0), (0.1, -1.19, 0.0), (-0.1, -1.19, 0.0)])  # top of the head and soles, which no joint asks for
    template = np.concatenate([(joints[:, None] + around).reshape(-1, 3), extra])
    regressor = np.zeros((len(joints), len(template)))
    for joint in range(len(joints)):
        regressor[joint, joint * AROUND : (joint + 1) * AROUND] = 1 / AROUND
    shapes = rng.normal(0, 0.002, (len(template), 3, DIRECTIONS[kind]))
    shapes[..., 0] += 0.03 * template
    shapes[..., 1] += template * [0.05, 0, 0.05]
    shapes[..., 2] += (template - [0, -0.3, 0]) * [0, 0.03, 0] * (template[:, 1:2] < -0.3)
    shapes[..., 3] += [0, 0.03, 0] * np.clip((template[:, 1:2] + 0.3) / 0.5, 0, 1)
    shapes[..., 4] += (template - np.sign(template) * 0.17) * [0.05, 0, 0] * (abs(template[:, :1]) > 0.17)
    if kind == "smplx":
        shapes[..., 10:] += rng.normal(0, 1, shapes[..., 10:].shape)  # expressions, which must not be taken for shapes
    arrays = {"v_template": template, "shapedirs": shapes, "J_regressor": regressor, "f": np.arange(12).reshape(4, 3).astype(np.uint32),
              "kintree_table": np.array([np.where(np.arange(len(parents)) == 0, 2**32 - 1, parents), np.arange(len(parents))]).astype(np.uint32),
              "weights": np.ones((len(template), len(joints))) / len(joints), "posedirs": np.zeros((len(template), 3, 9))}
    if kind != "smpl":
        arrays |= {"hands_meanl": rng.normal(0, 0.3, 45), "hands_meanr": rng.normal(0, 0.3, 45)}
    return arrays


class Ch:
    """Stands for a chumpy array when pickling."""

    def __init__(self, x: np.ndarray):
        self.x, self._dirty_vars, self._itr, self._depends_on_deps = x, {"x"}, None, {}
        self._make_dense = self._make_sparse = False


class Select:
    def __init__(self, a: Ch, chosen: np.ndarray, shape: tuple[int, ...]):
        self.a, self.idxs, self.preferred_shape, self._dirty_vars = a, chosen, shape, set()


class Python2(pickle._Pickler):
    """Writes bytes and ASCII texts as Python 2 did."""

    dispatch = dict(pickle._Pickler.dispatch)

    def as_text(self, content: bytes | str) -> None:
        raw = content.encode("latin-1") if isinstance(content, str) else content
        if self.proto == 0:
            quoted = "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in raw)
            self.write(b"S'" + quoted.encode() + b"'\n")
        else:
            self.write(b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + len(raw).to_bytes(4, "little") + raw)
        self.memoize(content)

    dispatch[bytes] = dispatch[str] = as_text


@contextmanager
def chumpy():
    """The classes above under the names they stand for."""
    modules = {"chumpy": types.ModuleType("chumpy"), "chumpy.ch": types.ModuleType("chumpy.ch"), "chumpy.reordering": types.ModuleType("chumpy.reordering")}
    before = {name: sys.modules.get(name) for name in modules}
    for one, name in ((Ch, "chumpy.ch"), (Select, "chumpy.reordering")):
        one.__module__ = name
        setattr(modules[name], one.__name__, one)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def as_pickle(arrays: dict[str, np.ndarray], path: Path, protocol: int = 0, selected: bool = False) -> Path:
    """An official .pkl: arrays of chumpy, one of them chosen from a longer one, and a sparse matrix."""
    shapes = arrays["shapedirs"]
    longer = np.concatenate([shapes, np.full((*shapes.shape[:2], 3), 9.0)], axis=2)
    chosen = np.arange(longer.size).reshape(longer.shape)[..., : shapes.shape[2]].ravel()
    table = arrays | {"v_template": Ch(arrays["v_template"]), "J_regressor": sparse.csc_matrix(arrays["J_regressor"]), "bs_style": "lbs",
                      "shapedirs": Select(Ch(longer), chosen, shapes.shape) if selected else Ch(shapes)}
    content = io.BytesIO()
    with chumpy():
        Python2(content, protocol).dump(table)
    path.write_bytes(content.getvalue())
    return path


def as_npz(arrays: dict[str, np.ndarray], path: Path) -> Path:
    """An official .npz, with the tables of objects that those of SMPL-X have."""
    np.savez(path, **arrays, part2num=np.array({"pelvis": 0}, dtype=object))
    return path


def write_official(kind: str, path: Path, seed: int = 0) -> Path:
    arrays = official(kind, seed)
    return as_pickle(arrays, path.with_suffix(".pkl")) if kind == "smpl" else as_npz(arrays, path.with_suffix(".npz"))
