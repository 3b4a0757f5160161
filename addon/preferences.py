"""The preferences: which Python the backend runs on, and setting one up."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ..backend.service.protocol import DeviceParams
from .runtime import session
from .runtime.environment import PYTHON_VARIABLE, Runtime
from .runtime.installation import NEEDED_BYTES, install
from .runtime.jobs import board
from .runtime.location import PACKAGE, preferences, runtime_folder
from .runtime.operator import JobOperator, reports_errors
from .runtime.panel import draw_error, draw_job, draw_text, split_properties


class KineliftPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    backend_source: EnumProperty(
        name="Backend",
        description="Which Python runs the models; Blender's own is never changed",
        items=[("MANAGED", "Set Up Here", "A Python of Kinelift's own, with PyTorch, in its user folder"),
               ("PATH", "My Own Python", "A Python 3.11 or newer that has torch, numpy, scipy, roma, safetensors and h5py")],
        update=lambda self, context: session.stop())
    python_path: StringProperty(
        name="Python", description="The Python program, for example /home/me/venv/bin/python", subtype="FILE_PATH",
        update=lambda self, context: session.stop())
    torch_build: EnumProperty(
        name="PyTorch",
        description="Which build of PyTorch to download",
        items=[("DEFAULT", "Usual", "What PyTorch recommends for this system; on a Mac it uses the GPU"),
               ("CPU", "CPU Only", "The smallest download. Works everywhere"),
               ("CUDA", "NVIDIA GPU", "For NVIDIA GPUs, with CUDA 12.8")])

    def draw(self, context):
        layout = self.layout
        split_properties(layout)
        layout.row().prop(self, "backend_source", expand=True)
        if self.backend_source == "PATH":
            layout.prop(self, "python_path")
            self._draw_path_state(layout)
        else:
            self._draw_runtime(layout, context)
        draw_job(layout)
        draw_error(layout, context)

    def _draw_path_state(self, layout):
        if not self.python_path:
            layout.label(text="Choose the Python program", icon="INFO")
        elif not Path(bpy.path.abspath(self.python_path)).expanduser().is_file():
            layout.label(text="There is no such file", icon="ERROR")
        else:
            layout.operator("kinelift.test_backend", icon="CHECKMARK")

    def _draw_runtime(self, layout, context):
        runtime = Runtime(runtime_folder())
        layout.prop(self, "torch_build")
        if not runtime.is_ready():
            if runtime.is_there() and not board.is_busy:
                layout.label(text="The set-up is incomplete or of an older version", icon="ERROR")
            if not bpy.app.online_access:
                draw_text(layout, "Blender does not allow online access. Allow it in Preferences > System > Network, "
                          "or use a Python of your own.", context)
            layout.operator("kinelift.set_up", icon="IMPORT")
            return
        layout.label(text="The backend is ready", icon="CHECKMARK")
        row = layout.row()
        row.operator("kinelift.test_backend", icon="CHECKMARK")
        row.operator("kinelift.set_up", text="Set Up Again", icon="FILE_REFRESH")
        row.operator("kinelift.delete_runtime", icon="TRASH")


class KINELIFT_OT_set_up(JobOperator, bpy.types.Operator):
    """Download PyTorch and make the backend's Python in Kinelift's user folder. Needs no administrator"""

    bl_idname = "kinelift.set_up"
    bl_label = "Set Up Here"
    bl_options = {"INTERNAL"}
    job_title = "Setting up the backend"

    @classmethod
    def poll(cls, context):
        if not bpy.app.online_access:
            cls.poll_message_set("Allow online access in Preferences > System > Network first")
            return False
        return super().poll(context)

    def steps(self, context):
        build = preferences().torch_build
        session.stop_process()
        facts = yield from install(Runtime(runtime_folder()), build)
        preferences().backend_source = "MANAGED"
        return f"The backend is ready: {facts['torch']}"


class KINELIFT_OT_test_backend(JobOperator, bpy.types.Operator):
    """Start the backend and tell its versions and device"""

    bl_idname = "kinelift.test_backend"
    bl_label = "Test"
    bl_options = {"INTERNAL"}
    job_title = "Testing the backend"

    def steps(self, context):
        backend = session.backend()
        found = yield from backend.run(DeviceParams())
        return f"The backend works: Python {backend.info['python']}, torch {backend.info['torch']}, device {found['device']}"


class KINELIFT_OT_delete_runtime(bpy.types.Operator):
    """Delete the backend's Python from Kinelift's user folder. Takes and packs stay"""

    bl_idname = "kinelift.delete_runtime"
    bl_label = "Delete"
    bl_options = {"INTERNAL"}

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    @reports_errors
    def execute(self, context):
        session.stop()
        Runtime(runtime_folder()).delete()
        return {"FINISHED"}


class KINELIFT_OT_open_preferences(bpy.types.Operator):
    """Open the preferences of Kinelift"""

    bl_idname = "kinelift.open_preferences"
    bl_label = "Open Preferences"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        bpy.ops.preferences.addon_show(module=PACKAGE)
        return {"FINISHED"}


def draw_set_up(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The box that stands in the sidebar until there is a backend."""
    box = layout.box()
    box.label(text="One step before the first motion", icon="INFO")
    draw_text(box.column(align=True), "Kinelift's models run in a Python of their own, beside Blender. "
              f"Setting it up downloads PyTorch once ({NEEDED_BYTES['CPU'] / 1e9:.0f} GB of disk and more).", context)
    if session.is_python_missing():
        draw_text(box.column(align=True), "The chosen Python is not there. "
                  f"Correct it in the preferences or in {PYTHON_VARIABLE}.", context)
    if not bpy.app.online_access:
        draw_text(box.column(align=True), "Blender does not allow online access now: allow it in Preferences > System, "
                  "or choose a Python that has torch.", context)
    box.operator("kinelift.set_up", icon="IMPORT")
    box.operator("kinelift.open_preferences", text="More Choices", icon="PREFERENCES")


register, unregister = bpy.utils.register_classes_factory((
    KineliftPreferences, KINELIFT_OT_set_up, KINELIFT_OT_test_backend, KINELIFT_OT_delete_runtime, KINELIFT_OT_open_preferences))
