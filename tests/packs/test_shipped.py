"""What every shipped pack promises, whatever it learned."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from backend.mas.generate import to_motion
from backend.mas.sampler import MODES, sample
from backend.motion.bones import bone_lengths
from backend.motion.contacts import LEAST_SECONDS, find_contacts, spells
from backend.motion.motion3d import Motion3D
from backend.motion.planting import limbs, size_of
from backend.packs.catalogue import SHIPPED, list_packs
from backend.packs.model import MasModel, load_model

PACKS = [pack.name for pack in list_packs() if pack.folder.parent == SHIPPED and pack.kind == "mas"]
STILL = 0.1  # metres a second below which a foot on the floor should not move at all


@pytest.fixture(scope="module", params=PACKS)
def model(request: pytest.FixtureRequest) -> MasModel:
    return load_model(request.param, "cpu")


@pytest.fixture(scope="module")
def motions(model: MasModel) -> list[Motion3D]:
    frames = round(4.0 * model.card["fps"])
    return [to_motion(points, model, False, {}) for points in sample(model, frames, [21, 22, 23], MODES["fast"]).double().numpy()]


def test_a_pack_says_what_it_is_and_whose_data_it_learned_from(model: MasModel):
    check_card(model.card)


def check_card(card: dict) -> None:
    assert card["title"]
    assert card["description"]
    assert card["training"]["steps"] > 1000
    assert card["scores"]["rows"]
    for source in card["data"]:
        assert source["name"]
        assert source["licence"]
        assert source["credit"]
    assert sum(source["share"] for source in card["data"]) == pytest.approx(1, abs=0.01)


def test_bones_keep_their_lengths(model: MasModel, motions: list[Motion3D]):
    skeleton = model.skeleton
    parents = [-1 if joint in skeleton.elastic_joints else parent for joint, parent in enumerate(skeleton.parents)]
    for motion in motions:
        lengths = bone_lengths(motion.positions.astype(np.float64), parents)
        assert (lengths.std(0) / lengths.mean(0)).max() < 0.005


def test_standing_feet_stay_where_they_are(model: MasModel, motions: list[Motion3D]):
    feet = [model.skeleton.joints.index(name) for name in model.skeleton.feet]
    stood = 0
    for motion in motions:
        size = size_of(motion.positions, limbs(model.skeleton))  # a cat is a small horse that hurries
        places, rate = motion.positions[:, feet].astype(np.float64) / size, motion.fps * math.sqrt(size)
        speed = np.linalg.norm(np.gradient(places, axis=0), axis=-1) * rate
        still = find_contacts(places, rate) & (speed < STILL)
        for foot in range(len(feet)):
            for start, end in spells(still[:, foot]):
                if end - start >= LEAST_SECONDS * rate:
                    spell = places[start:end, foot]
                    assert np.linalg.norm(spell - np.median(spell, axis=0), axis=-1).max() < 0.015  # also a paw that hovers
                    stood += end - start
    assert stood > 0.1 * sum(motion.frames for motion in motions)


def test_a_seed_means_one_motion_alone_and_among_eight(model: MasModel):
    settings, frames = replace(MODES["fast"], calls=5, bfloat16=False), round(model.card["fps"])
    alone = sample(model, frames, [5], settings)
    assert np.array_equal(alone, sample(model, frames, [5], settings))
    assert np.allclose(alone[0], sample(model, frames, list(range(8)), settings)[5], atol=1e-3)
