from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.fitting.smpl.body import BODY, load_body
from backend.fitting.smpl.import_smpl import import_body
from tests.fitting.smpl.bodies import COUNTS, REST, as_npz, as_pickle, official, tree, write_official


@pytest.mark.parametrize("kind", COUNTS)
def test_a_file_of_each_kind_becomes_its_joints(kind: str, tmp_path: Path):
    arrays = official(kind)
    model = load_body(import_body(write_official(kind, tmp_path / f"{kind}_female")).save(tmp_path / "model.npz"))
    assert (model.kind, model.gender, model.shapes) == (kind, "female", {"smpl": 10, "smplh": 16, "smplx": 10}[kind])
    assert model.parents.tolist() == tree(kind).tolist()
    np.testing.assert_allclose(model.joints[: len(BODY)], REST, atol=1e-12)
    betas = np.random.default_rng(1).normal(size=model.shapes)
    surface = arrays["v_template"] + arrays["shapedirs"][..., : model.shapes] @ betas
    np.testing.assert_allclose(model.shaped(betas), arrays["J_regressor"] @ surface, atol=1e-12)
    np.testing.assert_allclose(model.shaped(betas * 0)[0], REST[0], atol=1e-12)
    assert model.shaped_ends(0 * betas)[:, 1] == pytest.approx([arrays["v_template"][:, 1].min(), arrays["v_template"][:, 1].max()])
    if kind != "smpl":
        np.testing.assert_allclose(model.hands.ravel(), np.concatenate([arrays["hands_meanl"], arrays["hands_meanr"]]))


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("selected", [False, True])
def test_pickles_of_python_2_with_chumpy_and_scipy(protocol: int, selected: bool, tmp_path: Path):
    arrays = official("smpl")
    model = import_body(as_pickle(arrays, tmp_path / "basicmodel_m_lbs_10_207_0_v1.1.0.pkl", protocol, selected))
    assert model.gender == "male"
    np.testing.assert_allclose(model.joints, arrays["J_regressor"] @ arrays["v_template"], atol=1e-12)
    np.testing.assert_allclose(model.joint_shapes, np.einsum("jv,vcb->jcb", arrays["J_regressor"], arrays["shapedirs"]), atol=1e-12)


@pytest.mark.parametrize(("name", "folder", "gender"), [("SMPLX_NEUTRAL", "models", "neutral"), ("model", "male", "male"), ("smpl-f", "male", "female")])
def test_the_name_tells_the_gender(name: str, folder: str, gender: str, tmp_path: Path):
    (tmp_path / folder).mkdir()
    path = as_npz(official("smplx"), tmp_path / folder / f"{name}.npz")
    assert import_body(path).gender == gender
    assert import_body(path, "neutral").gender == "neutral"


def test_a_name_that_tells_none_is_asked(tmp_path: Path):
    with pytest.raises(KineliftError, match="--gender female, male, neutral"):
        import_body(as_npz(official("smplh"), tmp_path / "model.npz"))


class Trap:
    def __reduce__(self):
        return os.system, ("touch trapped",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_with_code_is_refused_and_not_run(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "smpl_male.pkl"
    path.write_bytes(pickle.dumps({"v_template": Trap()}, protocol))
    with pytest.raises(KineliftError, match=r"need code to run .*system") as caught:
        import_body(path)
    assert caught.value.code == "needs-unpickling"
    assert [one.name for one in tmp_path.iterdir()] == ["smpl_male.pkl"]


def broken(arrays: dict, key: str, value: np.ndarray | None) -> dict:
    return {name: array for name, array in (arrays | {key: value}).items() if array is not None}


@pytest.mark.parametrize(("key", "value", "match"), [
    ("shapedirs", None, "no 'shapedirs'"),
    ("J_regressor", np.ones((16, 147)), "has 16 joints.*SMPL-X"),
    ("J_regressor", np.zeros((24, 147)), "does not put joint 0 among"),
    ("v_template", np.full((147, 3), np.nan), "'v_template' is not made of numbers"),
    ("v_template", np.ones((146, 3)), r"'shapedirs' is not made of numbers \[146"),
    ("v_template", official("smpl")["v_template"] * 1000, "no body in metres"),
    ("v_template", official("smpl")["v_template"][:, [0, 2, 1]], "no body in metres"),
    ("v_template", np.array(["a"] * 147), "'v_template' is not made"),
    ("kintree_table", np.arange(48).reshape(2, 24), "don't hang together"),
    ("kintree_table", np.array({"pelvis": 0}, dtype=object), "'kintree_table' can't be read as plain numbers"),
])
def test_broken_files_are_named_with_their_spot(key: str, value: np.ndarray | None, match: str, tmp_path: Path):
    path = tmp_path / "smpl_male.npz"
    np.savez(path, **broken(official("smpl"), key, value))
    with pytest.raises(KineliftError, match=match) as caught:
        import_body(path)
    assert caught.value.place == str(path) and caught.value.code == "bad-smpl" and caught.value.remedy


def test_other_files_are_refused(tmp_path: Path):
    whole = as_pickle(official("smpl"), tmp_path / "smpl_male.pkl").read_bytes()
    for number, content in enumerate((b"", b"PK", b"nonsense", whole[: len(whole) // 2], pickle.dumps([1, 2]))):
        path = tmp_path / f"male{number}.pkl"
        path.write_bytes(content)
        with pytest.raises(KineliftError) as caught:
            import_body(path)
        assert caught.value.code == "bad-smpl", content[:10]
    with pytest.raises(KineliftError, match="can't be read"):
        import_body(tmp_path / "none.pkl")


@pytest.mark.parametrize(("key", "value", "match"), [
    ("joints", np.zeros((23, 3)), "'joints'"),
    ("kind", np.array("mano"), "'mano'"),
    ("gender", np.array("x"), "'x'"),
    ("parents", np.arange(24), "hang together"),
    ("hands", None, "hands"),
    ("ends", np.zeros((2, 3), bool), "'ends'"),
])
def test_a_damaged_model_file_is_refused(key: str, value: np.ndarray | None, match: str, tmp_path: Path):
    path = import_body(write_official("smpl", tmp_path / "male")).save(tmp_path / "model.npz")
    with np.load(path) as data:
        np.savez(path, **broken(dict(data), key, value))
    with pytest.raises(KineliftError, match=match):
        load_body(path)
