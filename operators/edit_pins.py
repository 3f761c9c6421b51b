"""Edit Pins: landmarks over the photo, dragged to where they belong."""

from __future__ import annotations

import bpy

from ..blender_addon.head.landmarks import has_landmarks, landmarks_of
from ..blender_addon.head.objects import HeadObjects, current_head, head_of
from ..blender_addon.head.photos import look_through, photo_size, show_photo_expression
from ..blender_addon.pins import overlay, veil
from ..blender_addon.pins.places import pixel_of_region, region_of_world, world_of_pixel
from ..blender_addon.pins.store import pins_of, remove_pin, set_pin
from .beat import staying
from .head_operator import HeadOperator

VEIL = 0.55  # of the photo over the head
REACH = 14.0  # pixels at a scale of 1: how near the mouse must be
HELP = "Drag a landmark to where it belongs    Ctrl Click or X: remove the pin    Enter or Esc: done"


class MIEN_OT_edit_pins(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.edit_pins"
    bl_label = "Edit Pins"
    bl_description = "Look through the photo and drag the landmarks that are not where they belong"
    bl_options = {"REGISTER"}  # each drag is an undo step of its own

    camera: bpy.props.StringProperty(name="Camera", description="Name of the photo's camera", options={"HIDDEN"})

    # names, no references: undo may come in between
    _hovered: int | None = None
    _dragged: int | None = None
    _before: tuple[float, float] | None = None
    _handle = None

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        if not head.cameras:
            cls.poll_message_set("This head has no photo cameras: import it again with Photo Cameras on")
        elif not has_landmarks(head.head):
            cls.poll_message_set("This head does not know its landmarks: fit the photos again")
        elif context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
        elif context.area is None or context.area.type != "VIEW_3D":
            cls.poll_message_set("Pins are edited in a 3D view")
        else:
            return True
        return False

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        head = current_head(context)
        camera = next((each for each in head.cameras if each.name == self.camera), head.cameras[0])
        self.camera = camera.name
        camera.hide_set(False)
        show_photo_expression(head.head, camera)
        look_through(context.scene, camera)
        self._pointer = context.area.as_pointer()
        self._find(context)
        self._view.view_perspective = "CAMERA"
        self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        staying.append(self)
        context.area.header_text_set(HELP)
        context.window_manager.modal_handler_add(self)
        context.area.tag_redraw()
        bpy.ops.ed.undo_push(message="Edit Pins")  # a drag undone leads back to here
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        try:
            return self._modal(context, event)
        except Exception:
            self.cancel(context)
            raise

    def _find(self, context: bpy.types.Context) -> bool:
        """Look up area, region and view anew: nobody tells who holds a reference that an area was closed."""
        areas = context.screen.areas if context.screen is not None else ()
        self._area = next((area for area in areas if area.as_pointer() == self._pointer), None)
        if self._area is None or self._area.type != "VIEW_3D":
            self._area = None
            return False
        self._region = next(region for region in self._area.regions if region.type == "WINDOW")
        self._view = self._area.spaces.active.region_3d
        return True

    def _modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self._find(context):  # the view was closed, or another workspace is shown
            return self._end()
        camera = self._camera(context)
        if camera is None or context.mode != "OBJECT" or self._view.view_perspective != "CAMERA":
            return self._end()
        if self._dragged is not None:
            return self._drag(context, event, camera)
        if event.type in {"RET", "NUMPAD_ENTER", "ESC"} and event.value == "PRESS":
            return self._end()
        if not self._is_inside(event):
            return {"PASS_THROUGH"}
        if event.type == "MOUSEMOVE":
            hovered = self._nearest(context, camera, event)
            if hovered != self._hovered:
                self._hovered = hovered
                self._area.tag_redraw()
            return {"PASS_THROUGH"}
        wants_away = event.type == "X" or (event.type == "LEFTMOUSE" and event.ctrl)
        if event.value != "PRESS" or (event.type != "LEFTMOUSE" and not wants_away):
            return {"PASS_THROUGH"}
        landmark = self._nearest(context, camera, event)
        if landmark is None:
            return {"PASS_THROUGH"}
        if wants_away:
            remove_pin(camera, landmark)
            bpy.ops.ed.undo_push(message="Remove Pin")
        else:
            self._dragged, self._before = landmark, pins_of(camera).get(landmark)
        self._area.tag_redraw()
        return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: another file is loaded, the window closes, or the extension goes."""
        if self._find(context):
            self._area.header_text_set(None)
        self._remove_handle()

    def _drag(self, context: bpy.types.Context, event: bpy.types.Event, camera: bpy.types.Object) -> set[str]:
        if event.type == "MOUSEMOVE":
            set_pin(camera, self._dragged, pixel_of_region(self._region, self._view, camera, self._mouse(event)))
            self._area.tag_redraw()
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE":
            moved = pins_of(camera).get(self._dragged) != self._before
            self._dragged = None
            if moved:
                bpy.ops.ed.undo_push(message="Move Pin")
        elif event.type in {"ESC", "RIGHTMOUSE"} and event.value == "PRESS":
            if self._before is None:
                remove_pin(camera, self._dragged)
            else:
                set_pin(camera, self._dragged, self._before)
            self._dragged = None
            self._area.tag_redraw()
        return {"RUNNING_MODAL"}

    def _camera(self, context: bpy.types.Context) -> bpy.types.Object | None:
        camera = context.scene.objects.get(self.camera)
        return camera if head_of(camera) is not None and context.scene.camera == camera else None

    def _mouse(self, event: bpy.types.Event) -> tuple[float, float]:
        return event.mouse_x - self._region.x, event.mouse_y - self._region.y

    def _is_inside(self, event: bpy.types.Event) -> bool:
        over = (region for region in self._area.regions if region.type != "WINDOW" and region.width > 1)
        covered = any(_holds(region, event) for region in over)  # the sidebar lies over the view
        return _holds(self._region, event) and not covered

    def _places(self, context: bpy.types.Context, camera: bpy.types.Object) -> tuple[dict, dict]:
        """Landmark -> place in the region: the head's, and the pins'."""
        head = head_of(camera)
        if head is None or not has_landmarks(head.head):
            return {}, {}
        points = landmarks_of(head.head, context.evaluated_depsgraph_get())
        places = enumerate(region_of_world(self._region, self._view, points))
        pins = pins_of(camera)
        pinned = region_of_world(self._region, self._view, [world_of_pixel(camera, place) for place in pins.values()])
        return (
            {name: place for name, place in places if place is not None},
            {name: place for name, place in zip(pins, pinned, strict=True) if place is not None},
        )

    def _nearest(self, context: bpy.types.Context, camera: bpy.types.Object, event: bpy.types.Event) -> int | None:
        """The pin or landmark under the mouse."""
        landmarks, pins = self._places(context, camera)
        x, y = self._mouse(event)
        far = {name: (px - x) ** 2 + (py - y) ** 2 for name, (px, py) in (landmarks | pins).items()}
        nearest = min(far, key=far.get, default=None)
        reach = REACH * context.preferences.system.ui_scale
        return nearest if nearest is not None and far[nearest] < reach**2 else None

    def _draw(self) -> None:
        context = bpy.context
        if context.area is None or context.area.as_pointer() != self._pointer or not self._find(context):
            return
        camera = self._camera(context)
        if camera is not None and self._view.view_perspective == "CAMERA":
            self._draw_photo(camera)
            landmarks, pins = self._places(context, camera)
            marked = self._hovered if self._dragged is None else self._dragged
            overlay.draw(landmarks, pins, marked, context.preferences.system.ui_scale)

    def _draw_photo(self, camera: bpy.types.Object) -> None:
        image = next((each.image for each in camera.data.background_images if each.image is not None), None)
        if image is None:  # a package without pictures: the landmarks alone
            return
        width, height = photo_size(camera)
        corners = [(0.0, height), (width, height), (width, 0.0), (0.0, 0.0)]  # pixels count from the top
        points = [world_of_pixel(camera, corner) for corner in corners]
        places = region_of_world(self._region, self._view, points)
        if None not in places:
            veil.draw(image, places, VEIL)

    def _end(self) -> set[str]:
        self._remove_handle()
        if self._area is not None:
            self._area.header_text_set(None)
            self._area.tag_redraw()
        return {"FINISHED"}

    def _remove_handle(self) -> None:
        if self._handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None
            staying.remove(self)


def _holds(region: bpy.types.Region, event: bpy.types.Event) -> bool:
    return 0 <= event.mouse_x - region.x < region.width and 0 <= event.mouse_y - region.y < region.height


CLASSES = (MIEN_OT_edit_pins,)
