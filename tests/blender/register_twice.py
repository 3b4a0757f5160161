"""Registering and unregistering any number of times leaves Blender clean, and the extension working."""

import bpy

from tests.blender.inside import extension

addon = extension("addon")


def is_there() -> bool:
    return all((hasattr(bpy.types.Scene, "kinelift_takes"), hasattr(bpy.types.Scene, "kinelift_generate"),
                hasattr(bpy.types, "KINELIFT_PT_generate"), hasattr(bpy.types, "KINELIFT_OT_generate")))


def is_gone() -> bool:
    names = [name for name in dir(bpy.types) if name.startswith("KINELIFT_")]
    names += [name for name in dir(bpy.types.Scene) if name.startswith("kinelift")]
    assert not names, names
    return True


assert is_there()
addon.register()
assert is_there()
addon.unregister()
assert is_gone()
addon.unregister()
addon.register()
addon.register()
assert is_there()
bpy.ops.preferences.addon_disable(module="bl_ext.user_default.kinelift")
assert is_gone()
bpy.ops.preferences.addon_enable(module="bl_ext.user_default.kinelift")
assert is_there()
