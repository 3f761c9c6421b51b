"""Where buttons are: the mouse is led over the sidebar, and Blender is asked what it stands on.

`ui.copy_python_command_button` and `ui.copy_data_path_button` are what the right-click menu of a button offers; they
tell which button is really under the mouse, whatever the theme, the scale and the order of the panels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import bpy
import hand

ROW_STEP_PX = 9  # a button is some 20 high


class NotFoundError(Exception):
    pass


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def area(kind: str = "VIEW_3D") -> bpy.types.Area:
    return next(area for area in window().screen.areas if area.type == kind)


def region(kind: str, of: str = "VIEW_3D") -> bpy.types.Region:
    return next(region for region in area(of).regions if region.type == kind)


def under_mouse(of: str = "VIEW_3D", kind: str = "UI") -> str:
    """The Python command or the data path of the button under the mouse; empty where there is none.

    Over an empty place Blender answers with the button that the mouse left last.
    """
    manager = bpy.context.window_manager
    for ask in (bpy.ops.ui.copy_python_command_button, lambda: bpy.ops.ui.copy_data_path_button(full_path=True)):
        manager.clipboard = ""
        with bpy.context.temp_override(window=window(), area=area(of), region=region(kind, of)):
            try:
                ask()
            except RuntimeError:  # its poll: this button has none
                continue
        if manager.clipboard:
            return manager.clipboard
    return ""


def scroll(down: bool, turns: int) -> Iterator[float]:
    """Turn the wheel over the topmost panel: below the last one it would zoom the view under the sidebar."""
    sidebar = region("UI")
    yield from hand.move(sidebar.x + sidebar.width * 0.4, sidebar.y + sidebar.height - 14)
    yield from hand.wheel(down, turns)


def find(wanted: str | Callable[[str], bool], across: float = 0.4, pages: int = 8) -> Iterator[float]:
    """Scan the sidebar from its top, turning the wheel where need be. Returns (x, y) inside the button.

    Args:
        wanted: what the button's command or data path contains.
        across: where in the sidebar's width to look, 0 left, 1 right without the strip of tabs.
    """
    matches = wanted if callable(wanted) else lambda answer: wanted in answer
    sidebar = region("UI")
    tabs = 22 * bpy.context.preferences.system.ui_scale
    x = sidebar.x + 8 + across * (sidebar.width - tabs - 16)
    yield from scroll(down=False, turns=60)
    for _ in range(pages):
        sidebar = region("UI")
        top, bottom = sidebar.y + sidebar.height - 4, sidebar.y + 4
        yield from hand.move(x, top)
        stale = under_mouse()
        y = top
        while y > bottom:
            yield from hand.move(x, y, 0.07)
            answer = under_mouse()
            if answer != stale:
                stale = None
                if answer and matches(answer):
                    return x, y - 4
            y -= ROW_STEP_PX
        yield from scroll(down=True, turns=12)
    raise NotFoundError(f"no button in the sidebar answers to {wanted}")


def press(wanted: str | Callable[[str], bool], across: float = 0.4) -> Iterator[float]:
    place = yield from find(wanted, across)
    yield from hand.click(*place)
    return place
