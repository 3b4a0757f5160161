"""Fits made by code and what has to play after they were keyed; for scripts that run inside Blender with the checkout as `kinelift`."""

import bpy
import numpy as np

from kinelift.addon.scene.rotations import matrices, quaternions
from kinelift.backend.errors import KineliftError

FRAMES = 25


def made_fit(folder, description, seed, fps=30.0):
    """A fit file of smooth random turns for the described rig, and where its heads [T,N,3] then are."""
    random = np.random.default_rng(seed)
    count = len(description.bone_names)
    time = np.arange(FRAMES)[:, None, None] / FRAMES
    swing = 2.0 * random.standard_normal((count, 4)) * np.sin(2 * np.pi * time + random.uniform(0, 6, (count, 1))) + [2.0, 0, 0, 0]
    turns = matrices(swing)
    world, heads = turns.copy(), np.empty((FRAMES, count, 3))
    size = np.ptp(description.heads[:, 2])
    heads[:, 0] = description.heads[0] + size * np.sin(time[:, 0] * [3, 4, 5])
    for bone, parent in list(enumerate(description.parents))[1:]:
        world[:, bone] = world[:, parent] @ turns[:, bone]
        heads[:, bone] = heads[:, parent] + world[:, parent] @ (description.heads[bone] - description.heads[parent])
    rest = matrices(description.rotations)
    rotations = quaternions(world @ rest)
    path = folder / f"fit{seed}.npz"
    np.savez(path, bone_names=np.array(description.bone_names), rotations=rotations, root_positions=heads[:, 0], fps=fps, scale=1.0,
             object_names=np.array([], str), object_positions=np.empty((FRAMES, 0, 3)))
    return path, heads, world @ rest


def check_plays(armature, description, heads, turns, names=None, step=6):
    size = np.ptp(description.heads[:, 2])
    for frame in range(0, FRAMES, step):
        bpy.context.scene.frame_set(1 + frame)
        posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        for number, name in enumerate(names or description.bone_names):
            matrix = np.array(posed.matrix_world @ posed.pose.bones[name].matrix)
            assert np.abs(matrix[:3, 3] - heads[frame, number]).max() < 5e-4 * size, (name, frame)
            axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
            assert np.abs(axes - turns[frame, number]).max() < 2e-3, (name, frame)


def error_of(call):
    try:
        call()
    except KineliftError as error:
        return error
    raise AssertionError("nothing was refused")
