"""May anything be downloaded? Blender asks its user, and so must extensions."""

from __future__ import annotations

import bpy

OFFLINE = "Allow online access first: Preferences, System, Network"
OFFLINE_BY_COMMAND = "Blender was started in offline mode: start it without --offline-mode"


def offline_reason() -> str:
    """Why nothing may be downloaded, or nothing."""
    if bpy.app.online_access:
        return ""
    return OFFLINE_BY_COMMAND if bpy.app.online_access_override else OFFLINE
