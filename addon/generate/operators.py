"""Generate, and the small buttons beside it."""

import random

import bpy

from ..runtime import session
from ..runtime.operator import JobOperator
from ..runtime.packs import refresh_all
from ..scene import takes
from . import steps
from .properties import MAX_SEED


class KINELIFT_OT_generate(JobOperator, bpy.types.Operator):
    """Make a new motion. It comes as a take on a stick armature of its own, and on the target armature when there is one"""

    bl_idname = "kinelift.generate"
    bl_label = "Generate Motion"
    bl_options = {"UNDO"}
    job_title = "Generating"

    def steps(self, context):
        scene = context.scene
        backend, wish = session.backend(), scene.kinelift_generate.wish()
        target = scene.kinelift_retarget.read_target()
        made = yield from steps.generate(backend, wish, target)
        takes.play(bpy.context)
        return ". ".join(made.sentences(target))


class KINELIFT_OT_new_seed(bpy.types.Operator):
    """Throw the dice for another seed"""

    bl_idname = "kinelift.new_seed"
    bl_label = "New Seed"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context):
        context.scene.kinelift_generate.seed = random.randint(0, MAX_SEED)
        return {"FINISHED"}


class KINELIFT_OT_refresh_packs(bpy.types.Operator):
    """Look for model packs again"""

    bl_idname = "kinelift.refresh_packs"
    bl_label = "Refresh"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        refresh_all()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((KINELIFT_OT_generate, KINELIFT_OT_new_seed, KINELIFT_OT_refresh_packs))
