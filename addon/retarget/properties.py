"""Settings of the Retarget panel."""

import bpy
from bpy.props import EnumProperty, PointerProperty

from ...rigs import load_preset, preset_names

AUTOMATIC = "AUTOMATIC"

_presets: list[tuple[str, str, str]] = []


def _preset_items(self, context):
    """Blender needs the texts of a dynamic list to stay alive."""
    if not _presets:
        _presets.append((AUTOMATIC, "Automatic", "Choose the preset by the names of the bones"))
        _presets.extend((name, load_preset(name).title, f"The preset {name}") for name in preset_names())
    return _presets


def can_be_target(self, item: bpy.types.Object) -> bool:
    """Whether an object can be a target: an armature, but not the stick armature of a take."""
    return item.type == "ARMATURE" and all(take.stick != item for take in bpy.context.scene.kinelift_takes)


class KineliftRetarget(bpy.types.PropertyGroup):
    target: PointerProperty(name="Target", description="The armature that is to move. Its earlier Actions stay in the file",
                            type=bpy.types.Object, poll=can_be_target)
    preset: EnumProperty(name="Rig", description="Which bones of the armature play which part", items=_preset_items)

    @property
    def preset_name(self) -> str | None:
        """The chosen preset; None for the automatic choice."""
        return None if self.preset in ("", AUTOMATIC) else self.preset


def register() -> None:
    bpy.utils.register_class(KineliftRetarget)
    bpy.types.Scene.kinelift_retarget = PointerProperty(type=KineliftRetarget)


def unregister() -> None:
    del bpy.types.Scene.kinelift_retarget
    bpy.utils.unregister_class(KineliftRetarget)
