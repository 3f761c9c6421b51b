"""A small portrait studio round a head: camera, three soft lights, or one of Blender's own skies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..compat import enable_nodes

#: What the face's front receives, as radiance of an even sky that gives the same: keeps all lightings equally bright.
_EVEN_SKY = 0.95


@dataclass(frozen=True)
class Framing:
    """Where a head is and how big, in Blender's axes, metres."""

    centre: np.ndarray  # [3]
    height: float

    @classmethod
    def of(cls, head: bpy.types.Object) -> Framing:
        corners = np.array([head.matrix_world @ Vector(corner) for corner in head.bound_box])
        low, high = corners.min(0), corners.max(0)
        return cls(centre=(low + high) / 2, height=float(high[2] - low[2]))


@dataclass(frozen=True)
class Lamp:
    """A square area light that faces the head."""

    azimuth: float  # degrees from the front, positive towards the subject's left
    elevation: float  # degrees
    distance: float  # metres
    size: float  # metres
    watts: float
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


SOFT = (
    Lamp(35, 30, 1.0, 0.7, 17.0, (1.0, 0.97, 0.93)),  # key
    Lamp(-45, 0, 1.2, 1.2, 11.0, (0.93, 0.96, 1.0)),  # fill
    Lamp(160, 30, 1.0, 0.5, 5.0),  # rim
    Lamp(-150, 20, 1.0, 0.5, 4.0),  # rim
)
SIDE = (
    Lamp(80, 20, 0.9, 0.35, 14.0, (1.0, 0.86, 0.70)),
    Lamp(-110, 10, 1.0, 0.6, 6.0, (0.55, 0.72, 1.0)),
    Lamp(-10, -15, 1.2, 1.2, 9.0),  # fill, from below: into the mouth
)


def direction(azimuth: float, elevation: float) -> np.ndarray:
    """[3] unit vector from the head, degrees; azimuth 0 is the front, -Y."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])


def facing(position: np.ndarray, target: np.ndarray) -> Matrix:
    """matrix_world of a camera or light at `position` that looks at `target`."""
    towards = Vector((target - position).tolist())
    return Matrix.Translation(position.tolist()) @ towards.to_track_quat("-Z", "Y").to_matrix().to_4x4()


def add_lamps(collection: bpy.types.Collection, framing: Framing, lamps: tuple[Lamp, ...]) -> list[bpy.types.Object]:
    made = []
    for index, lamp in enumerate(lamps, start=1):
        data = bpy.data.lights.new(f"Portrait Light {index}", "AREA")
        data.shape, data.size, data.energy, data.color = "SQUARE", lamp.size, lamp.watts, lamp.colour
        light = bpy.data.objects.new(data.name, data)
        position = framing.centre + lamp.distance * direction(lamp.azimuth, lamp.elevation)
        light.matrix_world = facing(position, framing.centre)
        collection.objects.link(light)
        made.append(light)
    return made


def add_camera(collection: bpy.types.Collection, name: str = "Portrait Camera") -> bpy.types.Object:
    data = bpy.data.cameras.new(name)
    data.sensor_fit, data.sensor_width, data.clip_start = "HORIZONTAL", 36.0, 0.01
    camera = bpy.data.objects.new(name, data)
    collection.objects.link(camera)
    return camera


def aim(
    camera: bpy.types.Object,
    framing: Framing,
    azimuth: float,
    elevation: float = 0.0,
    zoom: float = 1.3,
    lift: float = 0.1,
) -> None:
    """Look at the head from an angle at portrait distance; `lift` raises the target, in head heights."""
    distance = 1.3
    target = framing.centre + np.array([0.0, 0.0, lift * framing.height])
    camera.matrix_world = facing(target + distance * direction(azimuth, elevation), target)
    camera.data.shift_x = camera.data.shift_y = 0.0
    camera.data.lens = camera.data.sensor_width * distance / (1.12 * framing.height / zoom)


def even_sky(world: bpy.types.World, colour: tuple[float, float, float], strength: float) -> None:
    background = _cleared(world)
    background.inputs["Color"].default_value = (*colour, 1.0)
    background.inputs["Strength"].default_value = strength


def image_sky(world: bpy.types.World, image: bpy.types.Image, azimuth: float, normalise: bool) -> None:
    """Light by an equirectangular picture.

    Args:
        azimuth: degrees; the picture's middle comes to lie there, 0 being in front of the face.
        normalise: scale it so that the face's front receives what an even sky would give.
    """
    background = _cleared(world)
    tree = world.node_tree
    sky = tree.nodes.new("ShaderNodeTexEnvironment")
    sky.image = image
    turn = tree.nodes.new("ShaderNodeMapping")
    # Blender puts the middle of the picture at +X and what is right of it towards -Y, where the face looks.
    turn.inputs["Rotation"].default_value = (0.0, 0.0, np.radians(90.0 - azimuth))
    place = tree.nodes.new("ShaderNodeTexCoord")
    tree.links.new(place.outputs["Generated"], turn.inputs["Vector"])
    tree.links.new(turn.outputs["Vector"], sky.inputs["Vector"])
    tree.links.new(sky.outputs["Color"], background.inputs["Color"])
    strength = _EVEN_SKY / max(front_radiance(image, azimuth), 1e-6) if normalise else 1.0
    background.inputs["Strength"].default_value = strength


def front_radiance(image: bpy.types.Image, azimuth: float) -> float:
    """Cosine-weighted mean luminance that the front of the face sees of an equirectangular picture."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    luminance = pixels.reshape(height, width, 4)[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    elevation = ((np.arange(height) + 0.5) / height - 0.5) * np.pi  # row 0 is the bottom
    longitude = np.radians(azimuth) - ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    cosine = np.clip(np.cos(elevation)[:, None] * np.cos(longitude)[None], 0, None)
    weight = cosine * np.cos(elevation)[:, None]
    return float((luminance * weight).sum() / weight.sum())


def blender_sky(name: str) -> Path:
    """One of the skies that come with Blender (Poly Haven, CC0): forest, city, studio, sunset ..."""
    return Path(bpy.utils.system_resource("DATAFILES")) / "studiolights" / "world" / f"{name}.exr"


def _cleared(world: bpy.types.World) -> bpy.types.Node:
    """An empty world tree with a background node at its output."""
    enable_nodes(world)
    tree = world.node_tree
    tree.nodes.clear()
    background = tree.nodes.new("ShaderNodeBackground")
    output = tree.nodes.new("ShaderNodeOutputWorld")
    tree.links.new(background.outputs["Background"], output.inputs["Surface"])
    return background
