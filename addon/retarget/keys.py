"""The sub-panel Keys of Retarget: which controls get keys, how many, and where."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty

from ..runtime import session
from ..runtime.jobs import board
from ..runtime.panel import SidebarPanel, split_properties
from ..scene import layers
from ..scene.curves import Thinning
from ..scene.keying import Manner
from .steps import Keying

FEET = frozenset({"leg", "foreleg", "hindleg"})
CONTROLS = {"FK": frozenset(), "IK_FEET": FEET, "IK": FEET | {"arm"}}
"""Choice of controls -> kinds of limbs that are keyed by IK."""


def keying(controls: str = "FK", layer: str = layers.NEW, start: int | None = None, thinning: Thinning | None = None, object_name: str = "",
           holds: bool = True) -> Keying:
    """Settings as window and command line have them."""
    return Keying(Manner(CONTROLS[controls], layer, thinning), start, object_name, holds)


class KineliftKeys(bpy.types.PropertyGroup):
    controls: EnumProperty(
        name="Controls", description="Which controls of a generated Rigify human, horse or cat get the keys. Other rigs get them on their bones",
        items=[("FK", "FK", "A turn for every bone"),
               ("IK_FEET", "IK Feet", "The IK controls of feet, hooves or paws, with poles for the knees; arms by FK"),
               ("IK", "IK Feet and Hands", "The IK controls of feet and hands, with poles for knees and elbows; on animals as IK Feet")])
    layer: EnumProperty(
        name="Keys Go to", description="Where the keys go",
        items=[(layers.NEW, "New Action", "A new Action; the one before stays in the file"),
               (layers.NLA, "NLA Strip", "A strip above all others; the Action that plays is pushed down"),
               (layers.BAKE, "Current Action", "Into the Action that plays, in place of its keys in that time; keys before and after stay")])
    start: EnumProperty(
        name="Start", description="Where the first frame of the motion goes",
        items=[("SCENE", "Scene Start", "The first frame of the scene"), ("CURRENT", "Current Frame", "The frame that is shown now"),
               ("FRAME", "Frame", "A frame of your choice")])
    frame: IntProperty(name="Frame", description="Where the first frame of the motion goes", default=1)
    thin: BoolProperty(name="Fewer Keys", description="Set keys only where they matter, with smooth curves between them; else one a frame")
    degrees: FloatProperty(name="Turn", description="How far a bone's turn may be from the motion, in degrees", default=0.5, min=0.01, max=20.0)
    millimetres: FloatProperty(name="Place", description="How far a control's place may be from the motion, in millimetres",
                               default=2.0, min=0.01, max=500.0)
    smooth: BoolProperty(name="Smooth Curves", description="Bezier curves between keys, which need fewer of them; else straight lines", default=True)
    object: PointerProperty(name="Object", description="An object of yours that plays the motion's ball or box; an empty does without it",
                            type=bpy.types.Object, poll=lambda self, item: item.type != "ARMATURE")
    holds: BoolProperty(name="Hands Carry It", default=True, description="While a hand holds the ball or box, a constraint makes it that hand's child: "
                        "it goes along when you edit the arm")

    def keying(self) -> Keying:
        """These settings for a retarget."""
        start = {"SCENE": None, "CURRENT": self.id_data.frame_current, "FRAME": self.frame}[self.start]
        thinning = Thinning(self.degrees, self.millimetres / 1000, self.smooth) if self.thin else None
        return keying(self.controls, self.layer, start, thinning, self.object.name if self.object is not None else "", self.holds)


class KINELIFT_PT_keys(SidebarPanel, bpy.types.Panel):
    bl_label = "Keys"
    bl_idname = "KINELIFT_PT_keys"
    bl_parent_id = "KINELIFT_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return session.is_ready()

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_keys
        split_properties(layout)
        layout.enabled = not board.is_busy
        column = layout.column()
        column.prop(settings, "controls")
        column.prop(settings, "layer")
        column.prop(settings, "start")
        if settings.start == "FRAME":
            column.prop(settings, "frame")
        column = layout.column()
        column.prop(settings, "thin")
        if settings.thin:
            column.prop(settings, "degrees", text="Turn (°)")
            column.prop(settings, "millimetres", text="Place (mm)")
            column.prop(settings, "smooth")
        column = layout.column()
        column.prop(settings, "object")
        column.prop(settings, "holds")
        layout.operator("kinelift.clear_keys", icon="X")


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((KineliftKeys, KINELIFT_PT_keys))


def register() -> None:
    _register_classes()
    bpy.types.Scene.kinelift_keys = PointerProperty(type=KineliftKeys)


def unregister() -> None:
    del bpy.types.Scene.kinelift_keys
    _unregister_classes()
