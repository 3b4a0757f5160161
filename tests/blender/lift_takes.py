"""Lift by operators: from a pose file to takes, their camera and a rig, in one world; nothing is lost where something fails.

Arguments: the pose file of two people, their keypoints (.npy), the frame in which the second comes, the first's image size and focal length, and
the packaged extension where it isn't installed.
"""

import json
import shutil
from pathlib import Path

import addon_utils
import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from tests.blender.inside import arguments, empty_scene, extension, heads, when_under_way

poses, keypoints, late, width, height, focal, *package = arguments()
if package:
    bpy.ops.extensions.package_install_files(filepath=package[0], repo="user_default", enable_on_install=True)
Motion3D = extension("backend.motion.motion3d").Motion3D
TIP = extension("addon.scene.stick").TIP
seen, late, size = np.load(keypoints), int(late), (int(width), int(height))


def pixels(places):
    """[...,2] of world places [...,3] in the scene's camera, from the top left."""
    scene = bpy.context.scene
    flat = np.array([world_to_camera_view(scene, scene.camera, Vector(place)) for place in places.reshape(-1, 3)])
    return (flat[:, :2] * [1, -1] * size + [0, size[1]]).reshape(*places.shape[:-1], 2)


def stick_of(take, motion):
    """World places [T,J,3] of a take's joints at the frames of its motion."""
    start = bpy.context.scene.frame_start + take.delay
    tracks = heads(take.stick, range(start, start + motion.frames))
    names = motion.joint_names
    return np.stack([tracks[name + TIP if name + TIP in tracks else names[motion.parents.index(joint)]] for joint, name in enumerate(names)], 1)


def read(scene):
    scene.kinelift_lift.pack = "tinylift"
    assert bpy.ops.kinelift.import_poses(filepath=poses) == {"FINISHED"}
    return scene.kinelift_lift


def say_what_the_file_lacks(settings):
    settings.fps, settings.image_size, settings.focal = 30.0, size, float(focal)


def refusal(operator, **values):
    try:
        operator(**values)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it did not fail")


def test_the_file_is_told_and_what_it_lacks_is_asked_for():
    scene = empty_scene()
    assert scene.kinelift_lift.chosen_pack.name == "lift-human"
    settings = read(scene)
    assert settings.title.startswith("AlphaPose (") and settings.was_read, settings.title
    assert [(track.name, track.chosen) for track in settings.tracks] == [("1", True), ("2", False)]
    assert settings.tracks[1].frames == len(seen[0]) - late and abs(settings.tracks[1].share - (1 - late / len(seen[0]))) < 0.01
    assert settings.chosen_pack.name == "tinylift" and abs(settings.height - 1.75) < 1e-6 and "nba16-ball" in settings.skeletons
    assert "image size" in settings.lacking and not bpy.ops.kinelift.lift.poll()
    settings.image_size = size
    assert "frame rate" in settings.lacking and not bpy.ops.kinelift.lift.poll()
    settings.fps = 30
    assert not settings.lacking and bpy.ops.kinelift.lift.poll()
    settings.tracks[0].chosen = False
    assert "track" in settings.lacking
    assert bpy.ops.kinelift.choose_tracks() == {"FINISHED"} and settings.chosen_tracks == ("1", "2")

    settings.joints = "coco17"
    message = refusal(bpy.ops.kinelift.import_poses, filepath=poses)
    assert "Choose another 'Joints'" in message and not settings.was_read and "read it again" in settings.lacking, message
    assert len(settings.tracks) == 2
    settings.joints = "AUTOMATIC"
    assert tuple(read(scene).image_size) == size and settings.fps == 30 and settings.chosen_tracks == ("1", "2"), "reading again forgot what was said"
    upside_down = json.loads(Path(poses).read_text())
    for person in upside_down:
        person["keypoints"][1::3] = [int(height) - y for y in person["keypoints"][1::3]]
    turned = Path(poses).with_name("turned.json")
    turned.write_text(json.dumps(upside_down))
    assert bpy.ops.kinelift.import_poses(filepath=str(turned)) == {"FINISHED"}
    assert any("say 'Y Up'" in note.name for note in settings.notes), [note.name for note in settings.notes]
    broken = Path(poses).with_name("broken.json")
    broken.write_text("{")
    message = refusal(bpy.ops.kinelift.import_poses, filepath=str(broken))
    assert str(broken) in message and not settings.was_read and settings.fps == 0, message
    folder = Path(poses).with_name("openpose")
    dropped = [{"name": path.name} for path in sorted(folder.iterdir())]
    for given in ({"directory": f"{folder}/", "files": dropped, "filepath": str(folder / dropped[0]["name"])}, {"filepath": f"{folder}/"}):
        assert bpy.ops.kinelift.import_poses(**given) == {"FINISHED"}
        assert settings.title.startswith("OpenPose (") and settings.path == folder and len(settings.tracks) == 1, settings.title
    assert "Choose the folder" in refusal(bpy.ops.kinelift.import_poses, filepath=str(folder / dropped[0]["name"]))
    assert bpy.types.FileHandler.bl_rna_get_subclass_py("KINELIFT_FH_poses").bl_import_operator == "kinelift.import_poses"


def test_a_movie_tells_what_the_poses_do_not():
    scene = empty_scene()
    copied = Path(poses).parent / "movie" / "dance.json"
    copied.parent.mkdir()
    shutil.copyfile(poses, copied)
    render = scene.render
    render.engine, render.resolution_x, render.resolution_y, render.fps, scene.frame_end = "BLENDER_WORKBENCH", 64, 48, 25, 3
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format, render.ffmpeg.format, render.filepath = "FFMPEG", "MPEG4", str(copied.with_suffix(".mp4"))
    bpy.ops.render.render(animation=True)
    settings = scene.kinelift_lift
    assert bpy.ops.kinelift.import_poses(filepath=str(copied)) == {"FINISHED"}
    assert settings.footage == str(copied.with_suffix(".mp4")) and (settings.fps, tuple(settings.image_size)) == (25, (64, 48))
    assert not settings.lacking
    settings.counts_from = -62
    assert settings.wish().counts_from == -62, "poses that begin later in the footage than it does can't be told"
    read(scene)
    assert not settings.footage and settings.fps == 0, "another file's movie stayed"
    settings.image_size, settings.footage = size, str(copied.with_suffix(".mp4"))
    assert (settings.fps, tuple(settings.image_size)) == (25, size), "footage that is chosen tells what is unknown, and nothing else"


def test_several_tracks_share_a_world_and_a_camera():
    scene = empty_scene()
    scene.render.fps, scene.frame_start = 30, 11
    mine = bpy.data.objects.new("Mine", bpy.data.cameras.new("Mine"))
    scene.collection.objects.link(mine)
    scene.camera = mine
    settings = read(scene)
    say_what_the_file_lacks(settings)
    settings.plant = False
    bpy.ops.kinelift.choose_tracks()
    assert bpy.ops.kinelift.lift() == {"FINISHED"}
    stem = Path(poses).stem
    first, second = scene.kinelift_takes
    assert [first.name, second.name] == [f"{stem} 1", f"{stem} 2"]
    assert (first.delay, second.delay, second.frames) == (0, late, len(seen[0]))
    assert first.camera == second.camera == scene.camera and scene.camera.name == f"{stem} 1 Camera" and mine.name in scene.objects
    assert (scene.render.resolution_x, scene.render.resolution_y) == size
    for take, wanted in ((first, seen[0]), (second, seen[1, late:])):
        motion = Motion3D.load(take.motion_file)
        take.collection.hide_viewport = False
        found = pixels(stick_of(take, motion))
        assert np.abs(found - motion.camera.project(motion.positions)).max() < 0.5, "the camera is another than the backend's"
        off = np.linalg.norm(found - wanted, axis=-1)
        told = np.linalg.norm(motion.camera.project(motion.positions) - wanted, axis=-1)
        print(f"{take.name}: {off.mean():.2f} px from the 2D poses, {told.mean():.2f} by the backend's camera")
        assert abs(off.mean() - told.mean()) < 0.2 and off.mean() < 40, (off.mean(), told.mean())


def test_the_rig_stands_in_the_picture():
    scene = empty_scene()
    scene.render.fps = 24
    addon_utils.enable("rigify", default_set=True)
    bpy.ops.object.armature_basic_human_metarig_add()
    human = bpy.context.object
    human.name = "Player"
    settings = read(scene)
    say_what_the_file_lacks(settings)
    settings.tracks[0].chosen, settings.tracks[1].chosen = False, True
    settings.height = 1.4
    scene.kinelift_retarget.target = human
    assert bpy.ops.kinelift.lift() == {"FINISHED"}
    take = scene.kinelift_takes[0]
    assert take.name == Path(poses).stem and take.delay == round(late * 24 / 30) and take.collection.hide_viewport
    motion = Motion3D.load(take.motion_file)
    start = human.animation_data.action.frame_range[0]
    assert start == scene.frame_start + take.delay
    scale = take.camera["kinelift_scale"]
    assert scale > 1.1, scale
    hips = [motion.joint_names.index(name) for name in ("LHip", "RHip")]
    frames = [5 * step for step in range(motion.frames // 5)]
    tracks = heads(human, [round(start + frame * 24 / 30) for frame in frames])
    found = pixels((tracks["thigh.L"] + tracks["thigh.R"]) / 2)
    wanted = motion.camera.project(motion.positions[frames][:, hips].mean(1))
    tall = np.ptp(wanted_height := motion.camera.project(motion.positions)[..., 1], axis=1).mean()
    assert np.isfinite(wanted_height).all()
    off = np.linalg.norm(found - wanted, axis=-1)
    print(f"the rig's hips are {off.mean():.1f} px from the stick's, which is {tall:.0f} px tall; scale {scale:.2f}")
    assert off.mean() < 0.06 * tall, (off, tall)
    assert not any(item.type == "EMPTY" for item in bpy.data.objects), "the poses show no ball"
    assert bpy.ops.kinelift.play_take(index=0) == {"FINISHED"}
    assert take.camera["kinelift_scale"] == 1.0, "the camera does not film the stick again"
    assert bpy.ops.kinelift.apply_take(index=0) == {"FINISHED"}
    assert abs(take.camera["kinelift_scale"] - scale) < 1e-6
    again = heads(human, [round(start + 5 * 24 / 30)])
    assert np.allclose(again["thigh.L"], tracks["thigh.L"][1], atol=1e-4), "applied again, the take begins elsewhere"


def test_a_lift_that_fails_leaves_all_as_it_was():
    scene = empty_scene()
    scene.render.fps = 30
    settings = read(scene)
    say_what_the_file_lacks(settings)
    settings.focal = 0
    settings.makes_camera = False
    assert bpy.ops.kinelift.lift() == {"FINISHED"}
    assert scene.camera is None and scene.kinelift_takes[0].camera is None and scene.render.resolution_x == 1920
    settings.makes_camera = True
    before = len(bpy.data.objects), len(bpy.data.actions), len(scene.kinelift_takes)
    when_under_way(lambda job: job.cancel(), 0.12)
    assert bpy.ops.kinelift.lift() == {"CANCELLED"}
    assert before == (len(bpy.data.objects), len(bpy.data.actions), len(scene.kinelift_takes)) and scene.camera is None
    for changed, said in (({"image_size": (30, 20)}, "'Image Size'"), ({"footage": "/nowhere/dance.mp4"}, "not footage"), ({"file": "/nowhere.json"}, "")):
        kept = {name: tuple(getattr(settings, name)) if name == "image_size" else getattr(settings, name) for name in changed}
        for name, value in changed.items():
            setattr(settings, name, value)
        assert said in refusal(bpy.ops.kinelift.lift)
        for name, value in kept.items():
            setattr(settings, name, value)
        assert before == (len(bpy.data.objects), len(bpy.data.actions), len(scene.kinelift_takes)) and scene.camera is None


test_the_file_is_told_and_what_it_lacks_is_asked_for()
test_a_movie_tells_what_the_poses_do_not()
test_several_tracks_share_a_world_and_a_camera()
test_the_rig_stands_in_the_picture()
test_a_lift_that_fails_leaves_all_as_it_was()
print("lifted")
