"""The Lift panel: a pose file, its tracks, and what has to be said of it."""

import bpy

from ..runtime import session
from ..runtime.jobs import board
from ..runtime.location import user_folder
from ..runtime.panel import SidebarPanel, draw_text, split_properties


class KINELIFT_UL_tracks(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        layout.use_property_split = False  # the list stands in a layout that splits
        row = layout.row(align=True)
        row.prop(item, "chosen", text="")
        split = row.split(factor=0.25)
        split.label(text=item.name)
        split.label(text=f"{item.frames} frames ({item.share:.0%}), {item.size:.0f} px")


class KINELIFT_PT_lift(SidebarPanel, bpy.types.Panel):
    bl_label = "Lift to 3D"
    bl_idname = "KINELIFT_PT_lift"

    @classmethod
    def poll(cls, context):
        return session.is_ready()

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_lift
        split_properties(layout)
        column = layout.column()
        column.enabled = not board.is_busy
        row = column.row(align=True)
        row.prop(settings, "file")
        if settings.file:
            row.operator("kinelift.import_poses", text="", icon="FILE_REFRESH").filepath = str(settings.path)
        if not settings.was_read:
            draw_text(column.column(align=True), "Choose a file or folder of 2D poses, or drop files on the viewport.", context)
            return
        column.label(text=settings.title, icon="CHECKMARK")
        if len(settings.tracks):
            self._draw_tracks(column, settings)
        self._draw_facts(column, settings)
        self._draw_pack(column, settings, context)
        column.prop(settings, "footage")
        column.prop(context.scene.kinelift_retarget, "target")
        if not board.is_busy:
            if settings.lacking:
                draw_text(layout.column(align=True), settings.lacking, context)
            row = layout.row()
            row.scale_y = 1.4
            row.operator("kinelift.lift", icon="CON_ARMATURE")

    def _draw_tracks(self, layout, settings):
        row = layout.row()
        row.template_list("KINELIFT_UL_tracks", "", settings, "tracks", settings, "track_index", rows=2, maxrows=5)
        if len(settings.tracks) > 1:
            row.operator("kinelift.choose_tracks", text="", icon="CHECKBOX_HLT")

    def _draw_facts(self, layout, settings):
        row = layout.row()
        row.alert = not settings.fps
        row.prop(settings, "fps")
        row = layout.row(align=True)
        row.alert = not all(settings.image_size)
        row.prop(settings, "image_size")
        layout.prop(settings, "focal")

    def _draw_pack(self, layout, settings, context):
        pack = settings.chosen_pack
        if pack is None:
            draw_text(layout.column(align=True), f"There is no pack that lifts. Copy one into {user_folder('packs')} and click Refresh.", context)
            layout.operator("kinelift.refresh_packs", icon="FILE_REFRESH")
            return
        row = layout.row(align=True)
        row.prop(settings, "pack")
        row.operator("kinelift.refresh_packs", text="", icon="FILE_REFRESH")
        if len(settings.tracks) and pack.skeleton not in settings.skeletons:
            draw_text(layout.column(align=True), f"The joints of the file are not those of {pack.title}.", context)
        layout.prop(settings, "height")


class KINELIFT_PT_lift_advanced(SidebarPanel, bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "KINELIFT_PT_lift_advanced"
    bl_parent_id = "KINELIFT_PT_lift"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_lift
        split_properties(layout)
        layout.enabled = not board.is_busy
        for name in ("format", "joints", "y_up", "counts_from", "makes_camera", "plant", "seed", "device"):
            layout.prop(settings, name)
        for note in settings.notes:
            draw_text(layout.column(align=True), note.name, context)


register, unregister = bpy.utils.register_classes_factory((KINELIFT_UL_tracks, KINELIFT_PT_lift, KINELIFT_PT_lift_advanced))
