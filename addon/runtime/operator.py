"""What operators share: telling errors, and running a job, modal in a window and blocking without one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps

import bpy

from ...backend.errors import Cancelled, KineliftError
from .jobs import Job, State, Steps, board, run_to_end

TICK = 0.1
"""Seconds between two steps of a job in a window."""

PANEL_REGIONS = {("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")}
"""Where a job's bar is shown: type of area and of its region."""


def reports_errors(execute: Callable) -> Callable:
    """Decorates the `execute` of an operator: a KineliftError becomes the operator's error report."""
    @wraps(execute)
    def reporting(self, context):
        try:
            return execute(self, context)
        except KineliftError as error:
            self.report({"ERROR"}, f"{error}")
            return {"CANCELLED"}

    return reporting


def in_fields(text: str, fields: Mapping[str, str]) -> str:
    """A text of the backend with `fields`, the names of settings in Blender, in the place of options of the command line."""
    return re.sub(r"--[a-z-]*[a-z]", lambda found: f"'{fields[found[0]]}'" if found[0] in fields else found[0], text)


class JobOperator:
    """Mix in before bpy.types.Operator. A subclass says in `steps(context)` what to do: a generator that keeps names,
    never Blender's data, across its yields, since the user may undo or delete meanwhile. `fields`: option of the command line that an
    error may name -> what the same setting is called in Blender."""

    job_title = ""
    fields = {}

    @classmethod
    def poll(cls, context):
        if board.is_busy:
            cls.poll_message_set(f"{board.job.title} is still under way")
            return False
        return True

    def steps(self, context: bpy.types.Context) -> Steps[str]:
        """The work; returns the sentence that reports its success."""
        raise NotImplementedError

    @reports_errors
    def execute(self, context):
        job = board.begin(Job(self.job_title, self._work(context)))
        try:
            self.report({"INFO"}, run_to_end(job))
            return {"FINISHED"}
        except Cancelled:
            return {"CANCELLED"}
        finally:
            board.end()

    def invoke(self, context, event):
        if bpy.app.background:
            return self.execute(context)
        try:
            self._job = board.begin(Job(self.job_title, self._work(context)))
        except KineliftError as error:
            self.report({"ERROR"}, f"{error}")
            return {"CANCELLED"}
        window = main_window(context)
        self._timer = context.window_manager.event_timer_add(TICK, window=window)
        with context.temp_override(window=window):
            context.window_manager.modal_handler_add(self)
        self._shown = None
        redraw_panels(context)
        return {"RUNNING_MODAL"}

    def _work(self, context: bpy.types.Context) -> Steps[str]:
        try:
            return (yield from self.steps(context))
        except KineliftError as error:
            raise KineliftError(error.message, in_fields(error.remedy, self.fields), error.place, error.code) from error

    def modal(self, context, event):
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        if not self._job.is_over:
            self._job.step()
        shown = self._job.state, self._job.progress.message, str(self._job.progress)
        if shown != self._shown:
            self._shown = shown
            redraw_panels(context)
        if not self._job.is_over:
            return {"PASS_THROUGH"}
        return self._finish(context)

    def _finish(self, context):
        context.window_manager.event_timer_remove(self._timer)
        if board.job is self._job:
            board.end()
        if self._job.state is State.DONE:
            self.report({"INFO"}, self._job.result)
            return {"FINISHED"}
        if self._job.error is not None:
            self.report({"ERROR"}, f"{self._job.error}")
        return {"CANCELLED"}

    def cancel(self, context):
        """Blender ends the operator itself: another file is opened, or the window closes."""
        self._job.abandon()
        if board.job is self._job:
            board.end()


class FileJobOperator(JobOperator):
    """Mix in as `JobOperator`, with a `filepath`: without one the file browser asks for it first."""

    @property
    def has_path(self) -> bool:
        """Whether it is known what to read."""
        return bool(self.filepath)

    def invoke(self, context, event):
        if self.has_path:
            return super().invoke(context, event)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        if self.options.is_invoke and not bpy.app.background:  # out of the file browser: the window must not wait for the backend
            return super().invoke(context, None)
        return super().execute(context)


def main_window(context: bpy.types.Context) -> bpy.types.Window:
    """The window that a job belongs to: closing the preferences must not end a set-up begun there."""
    window = context.window
    while window.parent is not None:
        window = window.parent
    return window


def redraw_panels(context: bpy.types.Context) -> None:
    """Draws the sidebars and the preferences again in all windows, but not what the viewports show."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in PANEL_REGIONS:
                    region.tag_redraw()
