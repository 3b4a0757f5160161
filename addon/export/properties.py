"""Settings of the Export panel."""

import bpy
from bpy.props import BoolProperty, EnumProperty, PointerProperty

from .formats import FORMATS

FORMAT_ITEMS = [(name, kind.title, kind.description) for name, kind in FORMATS.items()]


class KineliftExport(bpy.types.PropertyGroup):
    subject: EnumProperty(
        name="Export", description="What goes into the file",
        items=[("TAKE", "Take", "The chosen take: its stick armature and objects"),
               ("TARGET", "Target", "The target armature with its meshes and objects")])
    format: EnumProperty(name="Format", description="The kind of file", items=FORMAT_ITEMS)
    only_deform: BoolProperty(
        name="Only Deform Bones", description="Leave out control bones: what games and other programs want", default=True)


def register() -> None:
    bpy.utils.register_class(KineliftExport)
    bpy.types.Scene.kinelift_export = PointerProperty(type=KineliftExport)


def unregister() -> None:
    del bpy.types.Scene.kinelift_export
    bpy.utils.unregister_class(KineliftExport)
