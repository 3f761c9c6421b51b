"""Renders a head with Cycles in a scene of its own, tile by tile, into numpy arrays."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np

from ..compat import set_file_format
from ..head.expressions import expression_of, set_expression
from ..head.objects import HeadObjects
from .pictures import read_picture
from .stage import Framing, Lamp, add_camera, add_lamps, even_sky

SAMPLES = 16


class TileRenderer:
    """A studio scene that holds one head; made by `studio`, which takes it down again."""

    def __init__(self, scene: bpy.types.Scene, head: HeadObjects, folder: Path) -> None:
        self.scene, self.head = scene, head
        self.framing = Framing.of(head.head)
        self.camera = add_camera(scene.collection)
        self.world = bpy.data.worlds.new("Mien Preview")
        scene.world, scene.camera = self.world, self.camera
        self._file = folder / "tile.exr"
        self._lamps: list[bpy.types.Object] = []

    def light(self, lamps: tuple[Lamp, ...], ambient: float = 0.08) -> None:
        """Lamps over an even grey sky; replaces the light before. For a picture as sky see stage.image_sky."""
        for lamp in self._lamps:
            data = lamp.data
            bpy.data.objects.remove(lamp)
            bpy.data.lights.remove(data)
        self._lamps = add_lamps(self.scene.collection, self.framing, lamps)
        even_sky(self.world, (1.0, 1.0, 1.0), ambient)

    def render(self, expression: dict[str, float], width: int, height: int) -> np.ndarray:
        """[height, width, 4] scene-linear premultiplied colour and alpha of the head, row 0 at the top."""
        set_expression(self.head.head, expression)
        render = self.scene.render
        render.resolution_x, render.resolution_y = width, height
        render.filepath = str(self._file)
        self._file.unlink(missing_ok=True)
        bpy.ops.render.render(write_still=True, scene=self.scene.name)
        return read_picture(self._file)


@contextlib.contextmanager
def studio(head: HeadObjects, samples: int = SAMPLES) -> Iterator[TileRenderer]:
    """A temporary Cycles scene with the head in it. Afterwards all it made is gone and the sliders are as before."""
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    expression = expression_of(head.head)
    hidden = [(thing, thing.hide_render) for thing in (head.head, head.rig)]
    scene = bpy.data.scenes.new("Mien Preview")
    try:
        for thing, _ in hidden:
            scene.collection.objects.link(thing)
            thing.hide_render = False
        _configure(scene, samples)
        with tempfile.TemporaryDirectory(prefix="mien_preview_") as folder:
            yield TileRenderer(scene, head, Path(folder))
    finally:
        set_expression(head.head, expression)
        for thing, was_hidden in hidden:
            thing.hide_render = was_hidden
        bpy.data.scenes.remove(scene)
        for kind in _KINDS:
            collection = getattr(bpy.data, kind)
            for made in set(collection) - before[kind]:
                collection.remove(made)


_KINDS = ("objects", "cameras", "lights", "worlds", "images")


def _configure(scene: bpy.types.Scene, samples: int) -> None:
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.film_transparent = True
    render.resolution_percentage = 100
    render.use_persistent_data = True
    set_file_format(render.image_settings, "OPEN_EXR")
    render.image_settings.color_mode = "RGBA"
    render.image_settings.color_depth = "32"
    scene.view_settings.view_transform = "Raw"  # tones are made on the sheet
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.seed = 0
    cycles.use_adaptive_sampling = True
    cycles.adaptive_threshold = 0.04
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.max_bounces = 8
    cycles.diffuse_bounces = 3
    cycles.glossy_bounces = 3
    cycles.transmission_bounces = 6
    cycles.transparent_max_bounces = 8
    cycles.sample_clamp_indirect = 5.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
