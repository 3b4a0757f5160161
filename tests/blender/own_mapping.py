"""The table of bones: detected, corrected, kept in the file, saved as a preset and found by it; on a library override too."""

import bpy

from tests.blender.inside import arguments, empty_scene, extension

mappings = extension("addon.retarget.mappings")
errors = extension("backend.errors")
folder = extension("addon.runtime.location").user_folder("rigs")
assert not list(folder.iterdir()), "the user's folder should be new"


def renamed_metarig():
    """A human whose names say nothing."""
    empty_scene()
    bpy.ops.preferences.addon_enable(module="rigify")
    bpy.ops.object.armature_basic_human_metarig_add()
    armature = bpy.context.object
    names = {bone.name: f"Knochen {number}" for number, bone in enumerate(list(armature.data.bones))}
    for bone in list(armature.data.bones):
        bone.name = names[bone.name]
    bpy.context.scene.kinelift_retarget.target = armature
    return armature, names


def part(armature, role):
    return mappings.table_of(armature).parts[role]


def refused(call):
    try:
        call()
    except errors.KineliftError as error:
        return error
    except RuntimeError as error:  # what an operator reports as an error
        return error
    raise AssertionError("nothing was refused")


def titles():
    settings = extension("addon.retarget.properties")
    return {item[0]: item[1] for item in settings._preset_items(None, None)}


armature, names = renamed_metarig()
assert mappings.stored_mapping(armature) is None
assert bpy.ops.kinelift.detect_bones() == {"FINISHED"}
rig = mappings.table_of(armature)
assert rig.title == "Found by names and shape"
assert part(armature, "thigh.L").bone == names["thigh.L"] and part(armature, "pelvis").bone == names["spine"]
assert sum(mappings.shown_rows(rig)) < len(rig.parts)

# A correction is the user's word: it takes the doubt away, and the mapping follows. Chains close their gaps.
part(armature, "toe.L").bone = ""
assert not mappings.doubt_of(part(armature, "toe.L"), rig.kind)
spine = [part(armature, f"spine.{number}").bone for number in range(3)]
part(armature, "spine.0").bone = ""
mapping = mappings.stored_mapping(armature)
assert "toe.L" not in mapping.bones and [mapping.bones[f"spine.{number}"] for number in range(2)] == spine[1:]
part(armature, "foot.L").bone = ""
assert "no bone" in mappings.doubt_of(part(armature, "foot.L"), rig.kind)
assert "foot.L" in refused(lambda: mappings.save_preset(armature, "Mine", False)).message
part(armature, "foot.L").bone = names["shin.L"]
assert "plays" in refused(lambda: mappings.mapping_of(armature, None)).message
part(armature, "foot.L").bone = names["foot.L"]
assert mappings.mapping_of(armature, None).roles == mappings.stored_mapping(armature).roles, "a correction is kept"
mapping = mappings.stored_mapping(armature)

# It lies in the .blend file.
blend = f"{arguments()[0]}/mapped.blend"
bpy.ops.wm.save_as_mainfile(filepath=blend)
bpy.ops.wm.open_mainfile(filepath=blend)
armature = bpy.context.scene.kinelift_retarget.target
assert mappings.stored_mapping(armature) == mapping

# Saved as a preset it is offered, and found by detection.
assert bpy.ops.kinelift.save_preset(title="Grandfather's Rig!") == {"FINISHED"}
path = next(folder.glob("*.toml"))
assert titles()[path.stem] == "Grandfather's Rig!"
assert "there is a preset" in str(refused(lambda: bpy.ops.kinelift.save_preset(title="Grandfather's Rig!")))
assert bpy.ops.kinelift.save_preset(title="Grandfather's Rig!", replace=True) == {"FINISHED"}
armature, names = renamed_metarig()
found = mappings.detect_mapping(armature, None)
assert (found.mapping.title, found.mapping.roles) == ("Grandfather's Rig!", mapping.roles)
bpy.context.scene.kinelift_retarget.preset = path.stem
assert bpy.ops.kinelift.detect_bones() == {"FINISHED"}
assert mappings.table_of(armature).preset == path.stem

# Another choice makes another mapping; a preset that doesn't fit, and a broken file, are told.
bpy.context.scene.kinelift_retarget.preset = "mixamo"
assert "needs bones" in str(refused(bpy.ops.kinelift.detect_bones))
(folder / "broken.toml").write_text("title = ", encoding="utf-8")
found = mappings.detect_mapping(armature, None)
assert found.mapping.roles == mapping.roles and any("broken.toml" in doubt.message for doubt in found.doubts)
(folder / "broken.toml").unlink()
path.unlink()

# A control rig keeps its switches.
empty_scene()
bpy.ops.preferences.addon_enable(module="rigify")
bpy.ops.object.armature_basic_human_metarig_add()
bpy.ops.pose.rigify_generate()
control = bpy.context.object
direct = mappings.detect_mapping(control, None).mapping
assert mappings.mapping_of(control, None) == direct == mappings.stored_mapping(control) and len(direct.switches) == 10

# A linked armature is refused; its override keeps a mapping in the shot.
renamed_metarig()
bpy.context.object.name = "Player"
library = f"{arguments()[0]}/library.blend"
bpy.ops.wm.save_as_mainfile(filepath=library)
empty_scene()
with bpy.data.libraries.load(library, link=True) as (_, wanted):
    wanted.objects = ["Player"]
linked = wanted.objects[0]
bpy.context.scene.collection.objects.link(linked)
bpy.context.scene.kinelift_retarget.target = linked
assert "Library Override" in str(refused(bpy.ops.kinelift.detect_bones))
ours = linked.override_create(remap_local_usages=True)
bpy.context.scene.kinelift_retarget.target = ours
assert bpy.ops.kinelift.detect_bones() == {"FINISHED"}
part(ours, "toe.R").bone = ""
kept = mappings.stored_mapping(ours)
shot = f"{arguments()[0]}/shot.blend"
bpy.ops.wm.save_as_mainfile(filepath=shot)
bpy.ops.wm.open_mainfile(filepath=shot)
ours = bpy.context.scene.kinelift_retarget.target
assert ours.library is None and ours.override_library is not None
assert mappings.stored_mapping(ours) == kept and "toe.R" not in kept.bones, "a correction on an override is kept"
assert mappings.mapping_of(ours, None) == kept
print("own mapping works")
