"""Operators on takes: play, apply, remove; on the target's mapping: detect, save; and on its keys: clear."""

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from ..runtime import session
from ..runtime.operator import JobOperator, reports_errors
from ..scene import compat, takes
from ..scene.clearing import clear_keys
from . import mappings, steps
from .properties import refresh_presets


class KINELIFT_OT_apply_take(JobOperator, bpy.types.Operator):
    """Fit this take to the target armature and key it there, as the sub-panel Keys says"""

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
        target = scene.kinelift_retarget.read_target()
        name, motion_file = take.name, take.motion_file
        found = yield from steps.retarget(session.backend(), motion_file, target, name)
        scene = bpy.context.scene
        takes.show_take(scene, None)
        take = takes.find_take(scene, name)
        if take is not None:
            takes.frame_take(scene, take, target.keying.start)
        takes.play(bpy.context)
        return ". ".join([f"{name} is on {target.name}", found.remark, *target.notes])


class KINELIFT_OT_play_take(bpy.types.Operator):
    """Show this take on its own stick armature, and play it"""

    bl_idname = "kinelift.play_take"
    bl_label = "Play Take"
    bl_options = {"UNDO"}

    index: IntProperty(name="Take", options={"SKIP_SAVE"})

    @reports_errors
    def execute(self, context):
        takes.choose_take(context.scene, self.index)
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


class TargetOperator:
    """Mix in before bpy.types.Operator: needs a target armature."""

    @classmethod
    def poll(cls, context):
        if context.scene.kinelift_retarget.target is None:
            cls.poll_message_set("Choose a target armature first")
            return False
        return True


class KINELIFT_OT_detect_bones(TargetOperator, bpy.types.Operator):
    """Find which bone of the target plays which part, by the chosen preset or, with Automatic, by names and shape.
    What was corrected in the table is replaced"""

    bl_idname = "kinelift.detect_bones"
    bl_label = "Detect Bones"
    bl_options = {"UNDO"}

    @reports_errors
    def execute(self, context):
        settings = context.scene.kinelift_retarget
        compat.refuse_linked(settings.target)
        found = mappings.detect_mapping(settings.target, settings.preset_name)
        mappings.store(settings.target, found, settings.preset_name)
        mappings.remark(settings.target, ())
        refresh_presets()
        if found.doubts:
            self.report({"WARNING"}, f"{found.mapping.title}; look at {len(found.doubts)} doubtful entries")
        else:
            self.report({"INFO"}, f"{found.mapping.title}: {len(found.mapping.roles)} bones")
        return {"FINISHED"}


class KINELIFT_OT_save_preset(TargetOperator, bpy.types.Operator):
    """Save the target's mapping as a preset of your own, which is offered from then on and found by detection"""

    bl_idname = "kinelift.save_preset"
    bl_label = "Save as Preset"

    title: StringProperty(name="Name", options={"SKIP_SAVE"})
    replace: BoolProperty(name="Replace", description="Replace a preset of this name", options={"SKIP_SAVE"})

    def invoke(self, context, event):
        self.title = self.title or context.scene.kinelift_retarget.target.name
        return context.window_manager.invoke_props_dialog(self)

    @reports_errors
    def execute(self, context):
        path = mappings.save_preset(context.scene.kinelift_retarget.target, self.title, self.replace)
        refresh_presets()
        self.report({"INFO"}, f"Saved {path}")
        return {"FINISHED"}


class KINELIFT_OT_clear_keys(TargetOperator, bpy.types.Operator):
    """Take the keys of takes off the target and its ball. Keys of your own stay, also those you set over a take's"""

    bl_idname = "kinelift.clear_keys"
    bl_label = "Clear Kinelift Keys"
    bl_options = {"UNDO"}

    @reports_errors
    def execute(self, context):
        target = context.scene.kinelift_retarget.target
        count = clear_keys(target)
        self.report({"INFO"}, f"Cleared {count} curves of {target.name}")
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((
    KINELIFT_OT_apply_take, KINELIFT_OT_play_take, KINELIFT_OT_remove_take, KINELIFT_OT_detect_bones, KINELIFT_OT_save_preset,
    KINELIFT_OT_clear_keys))
