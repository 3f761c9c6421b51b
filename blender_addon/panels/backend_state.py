"""How the backend is, in a line or two: for the sidebar and the preferences."""

from __future__ import annotations

import bpy

from .. import session
from ..installer import InstallView
from ..online import offline_reason
from .text import draw_sentence


def draw_backend_state(layout: bpy.types.UILayout, details: bool = False) -> None:
    if not session.is_available():
        draw_sentence(layout, bpy.context, "The neural backend is not installed", "ERROR")
        if offline_reason():  # the button is grey then; its tooltip alone would be overlooked
            draw_sentence(layout, bpy.context, offline_reason(), "INTERNET_OFFLINE")
        if details:
            layout.label(text="Without it, heads can still be imported, posed, rendered and exported")
        return
    current = session.peek()
    client = None if current is None else current.client
    if client is None or not client.is_running:
        if client is not None and client.last_ending is not None:
            draw_sentence(layout, bpy.context, "Backend ended; the next action starts it", "ERROR")
        elif details:
            layout.label(text="Backend installed; it starts with the first action", icon="CHECKMARK")
    elif client.welcome is None:
        layout.label(text="Backend is starting", icon="TIME")
    else:
        welcome = client.welcome
        device = "CUDA" if welcome.device == "cuda" else "processor"
        layout.label(text=f"Backend ready ({device})", icon="CHECKMARK")
        if details:
            layout.label(text=f"Mien {welcome.release}, PyTorch {welcome.torch}, Python {welcome.python}")
    if details and current is not None and current.check is not None:
        check = current.check
        if check.is_ready:
            layout.label(text=f"Checked: PyTorch {check.torch}, Python {check.python}", icon="CHECKMARK")
        else:
            layout.label(text=check.problem, icon="ERROR")


def draw_installation(layout: bpy.types.UILayout, view: InstallView) -> None:
    if view.is_over:
        if view.problem:
            layout.label(text=view.problem, icon="ERROR")
        return
    row = layout.row(align=True)
    row.progress(factor=view.done, text=view.text)
    row.operator("mien.cancel_install", text="", icon="X")
