"""Leaves a scene that renders well as it is: portrait camera, soft lights, Cycles with denoising."""

from __future__ import annotations

import bpy

from ..head.objects import HeadObjects
from .stage import SOFT, Framing, add_camera, add_lamps, aim, even_sky


def set_up_scene(scene: bpy.types.Scene, head: HeadObjects) -> None:
    """Light and frame the head in a collection "Portrait Studio" of the scene."""
    studio = bpy.data.collections.new("Portrait Studio")
    scene.collection.children.link(studio)
    framing = Framing.of(head.head)
    add_lamps(studio, framing, SOFT)
    camera = add_camera(studio)
    aim(camera, framing, 20)
    scene.camera = camera
    scene.world = scene.world or bpy.data.worlds.new("Portrait Studio")
    even_sky(scene.world, (1.0, 1.0, 1.0), 0.08)
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = 1080
    scene.cycles.samples = 128
    scene.cycles.use_denoising = True
