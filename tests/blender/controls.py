"""Runs inside Blender: a motion is keyed on the controls of a generated Rigify human by FK and IK, thinned, on every layer, with a ball that hands
carry; what deforms the mesh goes where the fit has it, the animator can edit it, and the keys go again without the user's.

Arguments: the backend's Python, a motion file at 30 fps, a folder to write to.
"""

import os
import subprocess
import sys
from pathlib import Path

import addon_utils
import bpy
import numpy as np
from mathutils import Quaternion

if "kinelift" not in sys.modules:  # a whole Blender; the wheels' runner has done it
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
    from in_wheel import add_checkout

    add_checkout()

from kinelift.addon.retarget import steps
from kinelift.addon.retarget.keys import keying
from kinelift.addon.scene import compat, layers, takes
from kinelift.addon.scene.armatures import describe, write_armature_file
from kinelift.addon.scene.clearing import clear_keys
from kinelift.addon.scene.curves import Thinning
from kinelift.addon.scene.root_motion import HIPS, IN_PLACE, OBJECT, ROOT_BONE

CHECKOUT = Path(__file__).resolve().parents[2]
JOINT_BONES = {"hip": "thigh", "knee": "shin", "ankle": "foot", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "toe": "toe"}
FINGER = 'pose.bones["breast.L"].rotation_euler'
"""A control that no motion touches."""

python, motion, folder = map(Path, sys.argv[-3:])
cache: dict[str, Path] = {}


def made_rig():
    """A fresh scene with the generated human, turned and away from the origin."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    addon_utils.enable("rigify", default_set=True)
    bpy.context.scene.render.fps = 30
    bpy.ops.object.armature_basic_human_metarig_add()
    metarig = bpy.context.object
    bpy.ops.pose.rigify_generate()
    rig = bpy.context.object
    bpy.data.objects.remove(metarig)
    rig.name = "Rig"
    rig.location, rig.rotation_euler = (0.5, -1.0, 0.1), (0.0, 0.0, 0.7)
    rig.animation_data_clear() if rig.animation_data and rig.animation_data.action else None
    bpy.context.view_layer.update()
    return rig


def fit_of(rig):
    if "fit" not in cache:
        armature_file = write_armature_file(folder / "armature.npz", describe(rig))
        cache["fit"] = folder / "fit.npz"
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH")}
        subprocess.run([str(python), "-m", "backend", "fit", str(motion), str(armature_file), "--to", str(cache["fit"])], cwd=CHECKOUT, check=True, env=own)
    return cache["fit"]


def key(rig, root_motion=HIPS, **settings):
    description = describe(rig)
    target = steps.Target(rig.name, description.mapping, description.notes, folder / "armature.npz", keying(**settings), root_motion=root_motion)
    steps.key_fit(fit_of(rig), target, "Take", bpy.context.scene)


def read_fit():
    with np.load(cache["fit"], allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def evaluated(item):
    return item.evaluated_get(bpy.context.evaluated_depsgraph_get())


def errors(rig, start=1, step=5):
    """Metres between where the deforming bones are and where the fit has them: joint -> the largest."""
    fit, worst = read_fit(), {}
    for frame in range(0, len(fit["root_positions"]), step):
        bpy.context.scene.frame_set(start + frame)
        bones = evaluated(rig).pose.bones
        for number, role in enumerate(map(str, fit["target_roles"])):
            joint, _, side = role.partition(".")
            if joint in JOINT_BONES and side:
                place = np.array(rig.matrix_world @ bones[f"DEF-{JOINT_BONES[joint]}.{side}"].head)
                error = np.linalg.norm(place - fit["fitted_positions"][frame, number])
                worst[joint] = max(worst.get(joint, 0.0), float(error))
    return worst


def toes(rig, start=1, step=5):
    """[F,2,3] the ends of the toes in the world."""
    track = []
    for frame in range(0, 60, step):
        bpy.context.scene.frame_set(start + frame)
        track.append([np.array(rig.matrix_world @ evaluated(rig).pose.bones[f"DEF-toe.{side}"].tail) for side in "LR"])
    return np.array(track)


def ball_track(item, start=1):
    fit, track = read_fit(), []
    for frame in range(len(fit["root_positions"])):
        bpy.context.scene.frame_set(start + frame)
        track.append(np.array(evaluated(item).matrix_world))
    return np.array(track), fit["object_positions"][:, 0], fit["object_holders"][:, 0]


def keyed_bones(rig):
    return {curve.data_path.split('"')[1] for curve in compat.curves_of(rig) if '"' in curve.data_path}


def count_keys(rig):
    return sum(len(curve.keyframe_points) for curve in compat.curves_of(rig))


def test_fk_and_ik_go_where_the_fit_is():
    rig, feet = made_rig(), {}
    for controls in ("FK", "IK_FEET", "IK"):
        key(rig, controls=controls)
        found = errors(rig)
        print(controls, {joint: f"{1000 * error:.3f} mm" for joint, error in found.items()})
        assert max(found.values()) < 1e-3, (controls, found)
        feet[controls] = toes(rig)
        names = keyed_bones(rig)
        assert ("foot_ik.L" in names) == (controls != "FK") and ("hand_ik.R" in names) == (controls == "IK")
        assert ("thigh_fk.L" in names) == (controls == "FK") and ("hand_fk.R" in names) == (controls != "IK")
        assert rig.pose.bones["thigh_parent.L"]["IK_FK"] == (controls == "FK")
    for controls in ("IK_FEET", "IK"):
        assert np.abs(feet[controls] - feet["FK"]).max() < 1e-3, "toes are turned otherwise"
    moved_by_hand(rig, "foot_ik.L", "DEF-foot.L")
    moved_by_hand(rig, "hand_ik.R", "DEF-hand.R")
    pole_bends(rig)


def moved_by_hand(rig, control, bone):
    """The animator moves an IK control: the limb follows, the knee keeps out of a straight line."""
    bpy.context.scene.frame_set(13)
    before = evaluated(rig).pose.bones[bone].head.copy()
    matrix = rig.pose.bones[control].matrix.copy()
    matrix.translation.z += 0.05
    rig.pose.bones[control].matrix = matrix
    bpy.context.view_layer.update()
    now = evaluated(rig).pose.bones[bone].head
    assert abs((now - before).z - 0.05) < 1e-3 and (now - before).xy.length < 1e-3, (control, now - before)


def pole_bends(rig):
    """The animator moves a pole: the knee follows, the foot stays."""
    bpy.context.scene.frame_set(7)
    knee, foot = (evaluated(rig).pose.bones[name].head.copy() for name in ("DEF-shin.R", "DEF-foot.R"))
    matrix = rig.pose.bones["thigh_ik_target.R"].matrix.copy()
    matrix.translation.x -= 0.3
    rig.pose.bones["thigh_ik_target.R"].matrix = matrix
    bpy.context.view_layer.update()
    bones = evaluated(rig).pose.bones
    assert bones["DEF-shin.R"].head.x < knee.x - 0.01 and (bones["DEF-foot.R"].head - foot).length < 1e-3


def test_fewer_keys_stay_within_reach():
    rig = made_rig()
    key(rig)
    every = count_keys(rig)
    for smooth, share in ((True, 0.4), (False, 0.7)):
        key(rig, controls="IK", thinning=Thinning(0.5, 0.002, smooth))
        found, few = errors(rig, step=3), count_keys(rig)
        print("smooth" if smooth else "straight", few, "of", every, {joint: f"{1000 * error:.1f} mm" for joint, error in found.items()})
        assert few < share * every and max(found.values()) < 0.015 and found["ankle"] < 0.006, found


def test_clear_leaves_what_is_the_users():
    rig = made_rig()
    bone = rig.pose.bones["breast.L"]
    switch = rig.pose.bones["thigh_parent.L"]
    before = switch["IK_FK"], rig.pose.bones["MCH-shin_ik.L"].ik_stretch
    key(rig, controls="IK", thinning=Thinning())
    for frame in (5, 20):
        bone.rotation_euler = (0.1 * frame, 0, 0)
        bone.keyframe_insert("rotation_euler", frame=frame)
    rig.pose.bones["torso"].keyframe_insert("location", frame=10)  # over or between the motion's keys: now the user's
    path = folder / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    rig = bpy.data.objects["Rig"]
    action = rig.animation_data.action
    assert clear_keys(rig) > 50
    left = {(curve.data_path, point.co[0]) for curve in compat.curves_of(rig) for point in curve.keyframe_points}
    assert left == {(FINGER, 5.0), (FINGER, 20.0), ('pose.bones["torso"].location', 10.0)}, left
    assert rig.animation_data.action == action
    switch = rig.pose.bones["thigh_parent.L"]
    assert (switch["IK_FK"], rig.pose.bones["MCH-shin_ik.L"].ik_stretch) == before
    assert not any(constraint.name.startswith("Kinelift") for item in bpy.data.objects for constraint in item.constraints)
    key(rig)
    clear_keys(rig)
    assert rig.animation_data.action is None, "an Action with nothing left in it stays"


def user_action(rig, frames):
    """An Action of the user's: the torso and a finger have keys, the legs are driven by IK."""
    for frame in frames:
        rig.pose.bones["torso"].location = (0.0, 0.0, 0.01 * frame)
        rig.pose.bones["torso"].keyframe_insert("location", frame=frame)
        rig.pose.bones["spine_fk.002"].scale = (1.0, 1.2, 1.0)
        rig.pose.bones["spine_fk.002"].keyframe_insert("scale", frame=frame)
        rig.pose.bones["breast.L"].rotation_euler = (0.1, 0, 0)
        rig.pose.bones["breast.L"].keyframe_insert("rotation_euler", frame=frame)
    return rig.animation_data.action


def test_baked_at_a_frame_the_rest_stays():
    rig = made_rig()
    mine = user_action(rig, (1, 50, 120, 130, 300))
    fit_of(rig)
    length = len(read_fit()["root_positions"])
    bpy.context.scene.frame_set(40)
    before = evaluated(rig).pose.bones["torso"].head.copy()
    key(rig, layer=layers.BAKE, start=100)
    assert rig.animation_data.action == mine
    assert max(errors(rig, start=100).values()) < 1e-3
    keys = {}
    for curve in compat.curves_of(rig):
        keys.setdefault(curve.data_path, set()).update(point.co[0] for point in curve.keyframe_points)
    assert keys[FINGER] == {1, 50, 120, 130, 300}
    assert keys['pose.bones["torso"].location'] == {1, 50, 300, *range(100, 100 + length)}
    for frame, is_fk in ((1, False), (99, False), (100, True), (99 + length, True), (100 + length, False)):
        bpy.context.scene.frame_set(frame)
        assert rig.pose.bones["thigh_parent.L"]["IK_FK"] == is_fk, frame
    bpy.context.scene.frame_set(40)
    assert (evaluated(rig).pose.bones["torso"].head - before).length < 1e-4
    key(rig, layer=layers.BAKE, start=130, controls="IK_FEET")
    assert max(errors(rig, start=130).values()) < 1e-3
    for frame, is_fk in ((99, False), (100, True), (129, True), (130, False), (130 + length, False)):
        bpy.context.scene.frame_set(frame)
        assert rig.pose.bones["thigh_parent.L"]["IK_FK"] == is_fk, frame
    for curve in compat.curves_of(rig):
        frames = [point.co[0] for point in curve.keyframe_points]
        assert len(set(frames)) == len(frames) and frames == sorted(frames), curve.data_path
    clear_keys(rig)
    assert {point.co[0] for curve in compat.curves_of(rig) if curve.data_path == FINGER for point in curve.keyframe_points} == {1, 50, 120, 130, 300}
    assert {point.co[0] for curve in compat.curves_of(rig) if "torso" in curve.data_path for point in curve.keyframe_points} == {1, 50, 300}
    assert rig.animation_data.action == mine


def test_nla_strips():
    rig = made_rig()
    mine = user_action(rig, (1, 400))
    key(rig, controls="IK", layer=layers.NLA, start=20)
    data = rig.animation_data
    assert data.action is None and data.nla_tracks[0].strips[0].action == mine
    strip = data.nla_tracks[-1].strips[0]
    fit_of(rig)
    assert (strip.frame_start, strip.frame_end) == (20, 20 + len(read_fit()["root_positions"]) - 1)
    assert layers.span_of(rig) == (1, 400)
    found = errors(rig, start=20)
    assert max(found.values()) < 1e-3, found
    bpy.context.scene.frame_set(25)
    assert abs(rig.pose.bones["breast.L"].rotation_euler[0] - 0.1) < 1e-5
    key(rig, layer=layers.NLA, start=200)
    assert len(data.nla_tracks) == 3 and max(errors(rig, start=200).values()) < 1e-3
    clear_keys(rig)
    assert [track.strips[0].action for track in data.nla_tracks] == [mine]


def test_other_frame_rates():
    rig = made_rig()
    fit_of(rig)
    bpy.context.scene.render.fps = 24
    key(rig)
    frames = {point.co[0] for curve in compat.curves_of(rig) for point in curve.keyframe_points}
    assert frames == set(range(1, 1 + int((len(read_fit()["root_positions"]) - 1) / 30 * 24) + 1)), "keys are on whole frames"
    bpy.context.scene.frame_set(5)  # 4 frames at 24 are 5 at 30
    place = np.array(rig.matrix_world @ evaluated(rig).pose.bones["DEF-foot.L"].head)
    fit = read_fit()
    assert np.linalg.norm(place - fit["fitted_positions"][5, list(fit["target_roles"]).index("ankle.L")]) < 1e-3


def ball_goes_where_the_fit_is(item, start=1, limit=1e-3):
    track, wanted, holders = ball_track(item, start)
    assert set(holders) == {"", "hand.L", "hand.R"}, set(holders)
    worst = np.linalg.norm(track[:, :3, 3] - wanted, axis=1).max()
    switches = np.flatnonzero(holders[1:] != holders[:-1])
    turns = [np.abs(track[frame + 1, :3, :3] - track[frame, :3, :3]).max() for frame in switches]
    print(f"{item.name}: {1000 * worst:.4f} mm, turn at a switch {max(turns):.4f}")
    assert worst < limit and max(turns) < 0.3
    seen = []
    for frame in np.flatnonzero(holders == "hand.R")[[1, -2]]:  # it turns with the hand
        bpy.context.scene.frame_set(int(start + frame))
        rig = bpy.data.objects["Rig"]
        hand = rig.matrix_world @ evaluated(rig).pose.bones["DEF-hand.R"].matrix
        seen.append(np.array(hand.to_quaternion().to_matrix()).T @ np.array(evaluated(item).matrix_world.to_quaternion().to_matrix()))
    assert np.abs(seen[0] - seen[1]).max() < 0.02
    for frame in switches:  # between whole frames too
        for part in (0.25, 0.5, 0.75):
            bpy.context.scene.frame_set(int(start + frame), subframe=part)
            place = np.array(evaluated(item).matrix_world.translation)
            step = np.linalg.norm(wanted[frame + 1] - wanted[frame])
            assert np.linalg.norm(place - wanted[frame]) < 2 * step + 0.01, (frame, part)
    return holders


def test_hands_carry_the_ball():
    rig = made_rig()
    ball = bpy.data.objects.new("My Ball", bpy.data.meshes.new("My Ball"))
    parent = bpy.data.objects.new("Court", None)
    for item in (ball, parent):
        bpy.context.scene.collection.objects.link(item)
    parent.location, parent.rotation_euler, parent.scale = (3, 1, 0), (0, 0, 1.0), (2, 2, 2)
    ball.parent, ball.rotation_euler = parent, (0.3, 0.2, 0.1)
    bpy.context.view_layer.update()
    for controls in ("FK", "IK"):
        for name in ("", "My Ball"):
            key(rig, controls=controls, object_name=name)
            item = bpy.data.objects[name or "Rig Ball"]
            holders = ball_goes_where_the_fit_is(item)
            carried = int(np.flatnonzero(holders == "hand.R")[3])
            flying = int(np.flatnonzero(holders == "")[5])
            edited_arm_carries(rig, item, 1 + carried, 1 + flying, controls)
    key(rig, controls="IK", thinning=Thinning(0.5, 0.002))
    ball_goes_where_the_fit_is(bpy.data.objects["Rig Ball"], limit=0.01)
    key(rig, controls="FK", holds=False)
    item = bpy.data.objects["Rig Ball"]
    assert not len(item.constraints)
    track, wanted, _ = ball_track(item)
    assert np.linalg.norm(track[:, :3, 3] - wanted, axis=1).max() < 1e-3
    key(rig, layer=layers.BAKE, start=200)
    ball_goes_where_the_fit_is(item, 200)
    key(rig, layer=layers.NLA, start=400)
    ball_goes_where_the_fit_is(item, 400)


def edited_arm_carries(rig, ball, carried, flying, controls):
    """The animator turns or moves the right arm: the ball in the hand goes along, the flying one doesn't."""
    for frame, goes in ((carried, True), (flying, False)):
        bpy.context.scene.frame_set(frame)
        before, hand = evaluated(ball).matrix_world.translation.copy(), rig.matrix_world @ evaluated(rig).pose.bones["DEF-hand.R"].head
        if controls == "FK":
            arm = rig.pose.bones["upper_arm_fk.R"]
            arm.rotation_quaternion = arm.rotation_quaternion @ Quaternion((1, 0, 0), 0.4)
        else:
            rig.pose.bones["hand_ik.R"].location.z += 0.1
        bpy.context.view_layer.update()
        moved = (evaluated(ball).matrix_world.translation - before).length
        hand_moved = (rig.matrix_world @ evaluated(rig).pose.bones["DEF-hand.R"].head - hand).length
        assert hand_moved > 0.05
        assert moved > 0.05 if goes else moved < 1e-4, (frame, moved, hand_moved)


def deformed(rig, start=1):
    """Name -> [F,3] where the heads of the deforming bones and the ball are in the world."""
    tracks = {}
    for frame in range(0, len(read_fit()["root_positions"]), 7):
        bpy.context.scene.frame_set(start + frame)
        posed = evaluated(rig)
        for bone in posed.pose.bones:
            if bone.name.startswith("DEF-"):
                tracks.setdefault(bone.name, []).append(np.array(posed.matrix_world @ bone.head))
        tracks.setdefault("ball", []).append(np.array(evaluated(bpy.data.objects["Rig Ball"]).matrix_world.translation))
    return {name: np.array(track) for name, track in tracks.items()}


def farthest(tracks, others):
    assert tracks.keys() == others.keys()
    return max(float(np.linalg.norm(tracks[name] - others[name], axis=-1).max()) for name in tracks)


def carrier_of(rig, root_motion):
    return rig.pose.bones["root"] if root_motion == ROOT_BONE else rig


def test_ik_and_root_motion_go_together():
    for root_motion in (ROOT_BONE, OBJECT):
        rig = made_rig()
        carrier = carrier_of(rig, root_motion)
        home = np.array([0.2, 0.1, 0.0]) if root_motion == ROOT_BONE else np.array(rig.location)
        carrier.location = home
        bpy.context.view_layer.update()
        key(rig)
        wanted = deformed(rig)
        key(rig, controls="IK_FEET", root_motion=root_motion)
        found = farthest(deformed(rig), wanted)
        print(f"IK feet, {root_motion}: {1000 * found:.4f} mm")
        assert found < 1e-3, (root_motion, found)
        assert "foot_ik.L" in keyed_bones(rig) and np.linalg.norm(np.array(carrier.location) - home) > 0.5
        clear_keys(rig)
        assert rig.animation_data.action is None and not compat.curves_of(rig)
        assert np.allclose(carrier.location, home, atol=1e-6), (root_motion, carrier.location)


def test_root_motion_on_every_layer():
    rig = made_rig()
    root = rig.pose.bones["root"]
    location, home = root.path_from_id("location"), np.array(rig.location)
    key(rig)
    wanted = deformed(rig)
    frames = len(read_fit()["root_positions"])
    key(rig, controls="IK", root_motion=ROOT_BONE, layer=layers.BAKE, start=200, thinning=Thinning(0.5, 0.002))
    keys = [point.co[0] for curve in compat.curves_of(rig) if curve.data_path == location for point in curve.keyframe_points]
    assert min(keys) == 200 and max(keys) == 199 + frames and len(keys) < frames, "the root's keys are at the start, and few"
    assert farthest(deformed(rig, 200), wanted) < 0.02
    clear_keys(rig)
    assert np.allclose(root.location, 0, atol=1e-6)

    key(rig, root_motion=ROOT_BONE, layer=layers.NLA, start=1)
    key(rig, controls="IK_FEET", layer=layers.NLA, start=200)  # the strip below holds the root at its end
    assert farthest(deformed(rig, 200), wanted) < 1e-3 and farthest(deformed(rig, 1), wanted) < 1e-3
    key(rig, controls="IK_FEET", root_motion=OBJECT, layer=layers.NLA, start=400)
    assert farthest(deformed(rig, 400), wanted) < 1e-3 and farthest(deformed(rig, 200), wanted) < 1e-3
    bpy.context.scene.frame_set(399 + frames)
    key(rig, start=600)  # a new Action over all strips
    assert farthest(deformed(rig, 600), wanted) < 1e-3
    clear_keys(rig)
    assert not rig.animation_data.nla_tracks and rig.animation_data.action is None
    assert np.allclose(root.location, 0, atol=1e-6) and np.allclose(rig.location, home, atol=1e-6), (root.location, rig.location)


def test_in_place_the_ball_stays_with_the_hands():
    rig = made_rig()
    key(rig, controls="IK")
    wanted = deformed(rig)
    key(rig, controls="IK", root_motion=IN_PLACE)
    found = deformed(rig)
    hips = found["DEF-spine"][:, :2]
    assert np.ptp(hips, axis=0).max() < 0.2 < 0.5 < np.ptp(wanted["DEF-spine"][:, :2], axis=0).max()
    away = {name: track - read_fit()["ground_path"][::7] for name, track in wanted.items()}
    assert farthest(found, away) < 1e-3, farthest(found, away)
    clear_keys(rig)


takes.register()
for test in (test_fk_and_ik_go_where_the_fit_is, test_fewer_keys_stay_within_reach, test_clear_leaves_what_is_the_users,
             test_baked_at_a_frame_the_rest_stays, test_nla_strips, test_other_frame_rates, test_hands_carry_the_ball,
             test_ik_and_root_motion_go_together, test_root_motion_on_every_layer, test_in_place_the_ball_stays_with_the_hands):
    test()
print("controls work")
