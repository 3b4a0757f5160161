"""What panels share: where they stand, how they show settings, a job's bar and its error."""

from __future__ import annotations

import textwrap

import bpy

from .jobs import State, board


class SidebarPanel:
    """Mix in before bpy.types.Panel: a panel in Kinelift's tab of the viewport's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Kinelift"


def split_properties(layout: bpy.types.UILayout) -> None:
    """Names left, values right, and no dots for keys: settings of Kinelift are not animated."""
    layout.use_property_split = True
    layout.use_property_decorate = False


def draw_job(layout: bpy.types.UILayout) -> None:
    """The bar of the job under way with percent, time left and Cancel."""
    job = board.job
    if job is None:
        return
    column = layout.column(align=True)
    column.label(text=_sentence(job.progress.message), icon="SORTTIME")
    row = column.row(align=True)
    row.progress(factor=job.progress.fraction, type="BAR", text=str(job.progress))
    button = row.row(align=True)
    button.enabled = job.state is State.RUNNING
    button.operator("kinelift.cancel_job", text="", icon="CANCEL")


def draw_error(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The last error: what is wrong, and the next step."""
    error = board.error
    if error is None:
        return
    box = layout.box()
    row = box.row()
    row.alert = True
    row.label(text="That did not work", icon="ERROR")
    row.operator("kinelift.dismiss_error", text="", icon="X", emboss=False)
    column = box.column(align=True)
    column.scale_y = 0.8
    for sentence in (f"{error.place + ': ' if error.place else ''}{error.message}", error.remedy):
        draw_text(column, f"{_sentence(sentence).rstrip('.')}.", context)
    if error.code in ("not-set-up", "no-python", "missing-package", "version-mismatch"):
        box.operator("kinelift.open_preferences", icon="PREFERENCES")


def draw_text(layout: bpy.types.UILayout, text: str, context: bpy.types.Context) -> None:
    """A text as lines that fit the region."""
    characters = max(int(context.region.width / (7 * context.preferences.system.ui_scale)) - 6, 20)
    for line in textwrap.wrap(text, characters):
        layout.label(text=line)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class KINELIFT_PT_job(SidebarPanel, bpy.types.Panel):
    """The job under way, whichever panel began it, and the last error: at the top of the tab, where both are seen. It has a header, since
    Blender moves the tab of a panel without one to the top of the strip."""

    bl_label = ""
    bl_idname = "KINELIFT_PT_job"

    @classmethod
    def poll(cls, context):
        return board.job is not None or board.error is not None

    def draw_header(self, context):
        self.layout.label(text=board.job.title if board.job is not None else "Error")

    def draw(self, context):
        draw_job(self.layout)
        draw_error(self.layout, context)


class KINELIFT_OT_cancel_job(bpy.types.Operator):
    """Stop the work under way. Nothing that was there before is lost"""

    bl_idname = "kinelift.cancel_job"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        if board.job is not None:
            board.job.cancel()
        return {"FINISHED"}


class KINELIFT_OT_dismiss_error(bpy.types.Operator):
    """Hide this message"""

    bl_idname = "kinelift.dismiss_error"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        board.error = None
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((KINELIFT_PT_job, KINELIFT_OT_cancel_job, KINELIFT_OT_dismiss_error))
