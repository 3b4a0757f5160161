"""Operators on takes: play, apply, remove."""

import bpy
from bpy.props import IntProperty

from ..runtime import session
from ..runtime.operator import JobOperator, reports_errors
from ..scene import takes
from . import steps


class KINELIFT_OT_apply_take(JobOperator, bpy.types.Operator):
    """Fit this take to the target armature and key it there as a new Action"""

    bl_idname = "kinelift.apply_take"
    bl_label = "Apply Take"
    bl_options = {"UNDO"}
    job_title = "Applying the take"

    index: IntProperty(name="Take", description="Position in the list of takes; -1 is the chosen one", default=-1, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if context.scene.kinelift_retarget.target is None:
            cls.poll_message_set("Choose a target armature first")
            return False
        return super().poll(context)

    def steps(self, context):
        scene = context.scene
        take = takes.get_take(scene, scene.kinelift_take_index if self.index < 0 else self.index)
        settings = scene.kinelift_retarget
        target = steps.read_target(settings.target, settings.preset_name)
        name, motion_file = take.name, take.motion_file
        armature = yield from steps.retarget(session.backend(), motion_file, target, name)
        scene = bpy.context.scene
        takes.show_take(scene, None)
        take = scene.kinelift_takes.get(name)
        if take is not None:
            takes.frame_take(scene, take)
        takes.play(bpy.context)
        return f"{name} is on {armature.name}"


class KINELIFT_OT_play_take(bpy.types.Operator):
    """Show this take on its own stick armature, and play it"""

    bl_idname = "kinelift.play_take"
    bl_label = "Play Take"
    bl_options = {"UNDO"}

    index: IntProperty(name="Take", options={"SKIP_SAVE"})

    @reports_errors
    def execute(self, context):
        take = takes.get_take(context.scene, self.index)
        context.scene.kinelift_take_index = self.index
        takes.show_take(context.scene, take)
        takes.frame_take(context.scene, take)
        takes.play(context)
        return {"FINISHED"}


class KINELIFT_OT_remove_take(bpy.types.Operator):
    """Remove this take and its stick armature from the scene. What it was applied to stays"""

    bl_idname = "kinelift.remove_take"
    bl_label = "Remove Take"
    bl_options = {"UNDO"}

    index: IntProperty(name="Take", options={"SKIP_SAVE"})

    @reports_errors
    def execute(self, context):
        takes.remove_take(context.scene, self.index)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((KINELIFT_OT_apply_take, KINELIFT_OT_play_take, KINELIFT_OT_remove_take))
