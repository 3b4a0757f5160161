"""The disk fills up, or a folder can't be made: the error names the file and a remedy, nothing is half written or lost."""

import contextlib
import io
import resource
import signal
from pathlib import Path

import addon_utils
import bpy

from tests.blender.inside import arguments, empty_scene, extension, set_generate

folder, package = map(Path, arguments())
bpy.ops.extensions.package_install_files(filepath=str(package), repo="user_default", enable_on_install=True)
cli, session, location = (extension(f"addon.{name}") for name in ("cli", "runtime.session", "runtime.location"))
jobs = extension("addon.runtime.jobs")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails with an error, as it does on a full disk


@contextlib.contextmanager
def full_disk(pid=0, room=1000):
    """Inside, a process (0: this one) can write `room` bytes of a file and no more."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def refusal(operator, **settings):
    """What an operator says when it fails; it must leave takes and Actions as they were."""
    before = [take.name for take in scene.kinelift_takes], len(bpy.data.actions), len(bpy.data.objects)
    try:
        operator(**settings)
    except RuntimeError as error:
        assert before == ([take.name for take in scene.kinelift_takes], len(bpy.data.actions), len(bpy.data.objects))
        return str(error)
    raise AssertionError("it did not fail")


def arrangement():
    """What an export may only borrow."""
    active = bpy.context.view_layer.objects.active
    items = {item.name: (item.select_get(), item.hide_get(), item.hide_viewport) for item in bpy.context.view_layer.objects}
    hidden = [collection.hide_viewport for collection in bpy.data.collections]
    return active.name, active.mode, items, hidden, scene.frame_start, scene.frame_end, scene.frame_current, scene.use_preview_range


def start_backend():
    """Before the disk is full: a child would be born with its parent's full disk."""
    jobs.run_to_end(jobs.Job("Starting", session.backend().ensure_started()))
    return session.backend().pid


def files_below(place):
    return sorted(path.name for path in place.rglob("*") if path.is_file())


scene = empty_scene()
addon_utils.enable("rigify", default_set=True)
bpy.ops.object.armature_basic_human_metarig_add()
human = bpy.context.object
set_generate(pack="tiny", seconds=1.0, seed=1)
assert bpy.ops.kinelift.generate() == {"FINISHED"}
human.select_set(True)
bpy.ops.object.mode_set(mode="POSE")
scene.kinelift_takes[0].collection.hide_viewport = True
scene.frame_set(7)
arranged = arrangement()
assert arranged[:2] == (human.name, "POSE")
fbx = folder / "take.fbx"
assert bpy.ops.kinelift.export(filepath=str(fbx), format="FBX") == {"FINISHED"}
assert arrangement() == arranged
content, written = fbx.read_bytes(), files_below(location.user_folder("takes"))

with full_disk():
    for path in (fbx, folder / "second.fbx"):
        message = refusal(bpy.ops.kinelift.export, filepath=str(path), format="FBX")
        assert str(path) in message and "Free disk space" in message and "Traceback" not in message, message
    assert arrangement() == arranged
    assert fbx.read_bytes() == content and files_below(folder) == ["take.fbx"]
    scene.kinelift_retarget.target = human
    message = refusal(bpy.ops.kinelift.apply_take)
    assert "armature.npz" in message and "Free disk space" in message, message
    scene.kinelift_retarget.target = None
with full_disk(start_backend()):
    set_generate(seed=2)
    message = refusal(bpy.ops.kinelift.generate)
    assert "seed2.npz" in message and "Free disk space" in message, message
assert files_below(location.user_folder("takes")) == written

takes = location.user_folder("takes")
takes.rename(takes.with_name("elsewhere"))
takes.write_text("a file where the folder was")
message = refusal(bpy.ops.kinelift.generate)
assert str(takes) in message and "unforeseen" not in message, message
takes.unlink()
takes.with_name("elsewhere").rename(takes)
assert bpy.ops.kinelift.generate() == {"FINISHED"}
assert [take.name for take in scene.kinelift_takes] == ["tiny 1", "tiny 2"]

for kind in ("npz", "fbx", "blend"):
    start_backend()
    said, out = io.StringIO(), folder / kind
    with full_disk(), contextlib.redirect_stderr(said):
        code = cli.main(["generate", "--pack", "tiny", "--seconds", "1", "--out", str(out), "--formats", kind])
    assert code == 1 and f"error: {out}" in said.getvalue() and "Free disk space" in said.getvalue(), said.getvalue()
    assert files_below(out) == [], files_below(out)
print("nothing lost")
