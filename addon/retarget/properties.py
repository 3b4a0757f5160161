"""Settings of the Retarget panel, and the mapping that an armature object keeps."""

import zlib

import bpy
from bpy.props import CollectionProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ...rigs import load_preset, preset_names
from .mappings import own_presets
from .steps import Target, read_target

AUTOMATIC = "AUTOMATIC"
CONTACTS = (
    ("AUTO", "Auto", "Feet that stand, by their height and speed, keep their place on the floor; lifted feet are left alone"),
    ("ALWAYS", "Always", "Every foot that is low keeps its place, also one that slides"),
    ("NEVER", "Never", "Feet go where the motion has them"),
    ("GROUNDING", "Grounding", "Feet are brought to the height of the floor, and may slide there"),
)
ROOT_MOTION = (
    ("HIPS", "Hips", "The hips carry the character over the ground"),
    ("ROOT_BONE", "Root Bone", "A bone above the hips goes over the ground, and the hips move on it"),
    ("OBJECT", "Object", "The armature object goes over the ground, and the hips move on it"),
    ("IN_PLACE", "In Place", "The character stays where it stands"),
)

_presets: list[tuple[str, str, str, int]] = []


def refresh_presets() -> None:
    """Looks for the user's presets on the disk again. An item's number follows from its name: choices last when presets come."""
    titles = {name: load_preset(name).title for name in preset_names()} | {name: preset.title for name, preset in own_presets()[0].items()}
    _presets[:] = [(AUTOMATIC, "Automatic", "Find the bones by their names and by the shape of the skeleton", 0)]
    _presets.extend((name, title, f"The preset {name}", zlib.crc32(name.encode()) >> 1 or 1) for name, title in titles.items())


def _preset_items(self, context):
    """Blender needs the texts of a dynamic list to stay alive."""
    if not _presets:
        refresh_presets()
    return _presets


def can_be_target(self, item: bpy.types.Object) -> bool:
    """Whether an object can be a target: an armature, but not the stick armature of a take."""
    return item.type == "ARMATURE" and all(take.stick != item for take in bpy.context.scene.kinelift_takes)


class KineliftRetarget(bpy.types.PropertyGroup):
    target: PointerProperty(name="Target", description="The armature that is to move. Its earlier Actions stay in the file",
                            type=bpy.types.Object, poll=can_be_target)
    preset: EnumProperty(name="Rig", description="Which bones of the armature play which part", items=_preset_items)
    contacts: EnumProperty(name="Contacts", description="How feet are kept on the floor", items=CONTACTS)
    root_motion: EnumProperty(name="Root Motion", description="What gets the keys of the way over the ground", items=ROOT_MOTION)

    @property
    def preset_name(self) -> str | None:
        """The chosen preset; None for the automatic choice."""
        return None if self.preset in ("", AUTOMATIC) else self.preset

    def read_target(self) -> Target | None:
        """The target with all that is set for it, read for a fit; None without one. Raises KineliftError."""
        if self.target is None:
            return None
        return read_target(self.target, self.preset_name, self.id_data.kinelift_keys.keying(), self.contacts.lower(), self.root_motion.lower())


def _take_the_users_word(self, context) -> None:
    self.certainty, self.doubt = 1.0, ""


class KineliftPart(bpy.types.PropertyGroup):
    """A row of the table; its name is the role."""

    bone: StringProperty(name="Bone", description="The bone that plays this part", update=_take_the_users_word)
    certainty: FloatProperty(name="Certainty", min=0, max=1)
    doubt: StringProperty(name="Doubt")


class KineliftSwitch(bpy.types.PropertyGroup):
    """A custom property of the bone it is named after, and the value that lets the mapped bones drive the rig."""

    property: StringProperty(name="Property")
    value: FloatProperty(name="Value")


class KineliftRemark(bpy.types.PropertyGroup):
    """A sentence, its name, that concerns the whole rig."""


class KineliftRig(bpy.types.PropertyGroup):
    owner: PointerProperty(name="Armature", description="Whose table this is, where it doesn't lie on the armature object itself", type=bpy.types.Object)
    kind: StringProperty(name="Kind")
    title: StringProperty(name="Title", description="Where the mapping comes from")
    preset: StringProperty(name="Preset", description="The choice this mapping was made for; empty for Automatic")
    parts: CollectionProperty(type=KineliftPart)
    part_index: IntProperty(name="Part")
    switches: CollectionProperty(type=KineliftSwitch)
    limbs: StringProperty(name="IK", description="The limbs that IK controls can drive, as JSON")
    doubts: CollectionProperty(type=KineliftRemark)
    notes: CollectionProperty(type=KineliftRemark)


_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (KineliftRetarget, KineliftPart, KineliftSwitch, KineliftRemark, KineliftRig))


def register() -> None:
    _register_classes()
    bpy.types.Scene.kinelift_retarget = PointerProperty(type=KineliftRetarget)
    bpy.types.Object.kinelift_rig = PointerProperty(type=KineliftRig)
    bpy.types.Scene.kinelift_rigs = CollectionProperty(type=KineliftRig)


def unregister() -> None:
    del bpy.types.Scene.kinelift_rigs
    del bpy.types.Object.kinelift_rig
    del bpy.types.Scene.kinelift_retarget
    _unregister_classes()
