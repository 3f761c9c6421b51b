"""The light stage's lamps: Cycles light groups around a scene, denoised one by one.

One render gives a picture per lamp; they add up to the picture under all (to 1e-6), so that a picture under any mixture
of lamps is an exact linear combination. Runs where bpy is; bpy is imported inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..rendering.camera import Camera
from ..rendering.light import sample_environment
from .captures import MATERIALS
from .cycles_scene import CyclesScene
from .denoise import Denoiser
from .materials import UNITS_PER_METRE as UNITS
from .performances import CENTRE
from .rig import LAMP_DISTANCE_M, Lamps

#: What the stage's objects are made of; others are skin.
_MATERIAL_OF = {
    "eye": "eye", "teeth": "mouth", "tongue": "mouth", "shirt": "cloth",
    "hair": "hair", "beard": "hair", "eyebrows": "hair", "eyelashes": "hair",
}  # fmt: skip
ENVIRONMENT_SIZE = (128, 256)
#: Coverage below which a pixel holds nothing but denoised noise.
NOTHING = 0.004


@dataclass(frozen=True)
class Shot:
    """One view, each lamp by itself."""

    groups: np.ndarray  # [G, H, W, 3] float32 linear, premultiplied, denoised
    alpha: np.ndarray  # [H, W] float32
    material: np.ndarray  # [H, W] uint8 into MATERIALS
    noisy: np.ndarray  # [G, H, W, 3] before denoising
    combined: np.ndarray  # [H, W, 3] all lamps, before denoising


class LampRig:
    """Makes its lamps, or one environment, the only light of a scene."""

    def __init__(self, stage: CyclesScene, lights: int):
        self.stage = stage
        bpy, scene = stage.bpy, stage.scene
        cycles = scene.cycles
        cycles.use_denoising = False
        cycles.max_bounces, cycles.diffuse_bounces, cycles.transparent_max_bounces = 6, 3, 10
        cycles.sample_clamp_indirect, cycles.use_auto_tile = 5.0, False
        scene.render.film_transparent = True
        settings = scene.render.image_settings
        if bpy.app.version >= (5, 0, 0):
            settings.media_type = "MULTI_LAYER_IMAGE"
        settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR_MULTILAYER", "32", "NONE"
        layer = scene.view_layers[0]
        layer.cycles.denoising_store_passes = True
        layer.use_pass_material_index = True
        tree = scene.world.node_tree
        coordinates = next(node for node in tree.nodes if node.type == "TEX_COORD")
        tree.links.new(coordinates.outputs["Generated"], stage.environment.inputs["Vector"])
        layer.lightgroups.add(name="world")
        scene.world.lightgroup = "world"
        self.groups = []
        for index in range(lights):
            name = f"L{index:02d}"
            lamp = bpy.data.lights.new(name, "AREA")
            lamp.shape = "DISK"
            thing = bpy.data.objects.new(name, lamp)
            thing.visible_camera = False
            scene.collection.objects.link(thing)
            layer.lightgroups.add(name=name)
            thing.lightgroup = name
            self.groups.append(thing)
        self.denoiser = Denoiser()
        self.dark()

    def dark(self) -> None:
        """Neither lamps nor environment."""
        self._world_strength(0.0)
        for lamp in self.groups:
            lamp.hide_render = True

    def _world_strength(self, strength: float) -> None:
        self.stage.background.inputs["Strength"].default_value = strength
        self.stage.scene.world.cycles.sampling_method = "NONE" if strength == 0 else "AUTOMATIC"

    def place(self, lamps: Lamps, world_from_head: np.ndarray) -> None:
        """Put the lamps around the head, which stands still here: they turn instead of it."""
        from mathutils import Vector

        assert len(lamps.directions) == len(self.groups), "one lamp per light group"
        self._world_strength(0.0)
        directions = lamps.directions @ world_from_head[:3, :3]  # rows: R^T d
        for lamp, towards, radius, radiance in zip(
            self.groups, directions, lamps.radii_rad, lamps.radiance, strict=True
        ):
            size = 2 * LAMP_DISTANCE_M * np.tan(radius) * UNITS
            lamp.hide_render = False
            lamp.data.size = size
            lamp.data.energy = float(radiance * np.pi * np.pi * (size / 2) ** 2)  # a disk sends pi L per area
            lamp.location = (towards * LAMP_DISTANCE_M + CENTRE) * UNITS
            lamp.rotation_euler = Vector((-towards).tolist()).to_track_quat("-Z", "Y").to_euler()

    def surround(self, environment: np.ndarray, head_from_world: np.ndarray) -> None:
        """Light the head by a lat-long picture [H, W, 3] given in the world's frame, and by nothing else."""
        import torch

        self.dark()
        height, width = ENVIRONMENT_SIZE
        # Blender's lat-long: rows upwards, u = 0.5 - atan2(y, x) / 2 pi with its own z up. The stage's axes are the
        # head's, so that Blender's x, y, z are the head's x, y, z and its poles lie on the head's z.
        row, column = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
        polar, azimuth = (row - 0.5) * np.pi, -(column - 0.5) * 2 * np.pi
        direction = np.stack([np.cos(polar) * np.cos(azimuth), np.cos(polar) * np.sin(azimuth), np.sin(polar)], -1)
        in_world = direction @ head_from_world[:3, :3]  # rows: R^T d with R = head_from_world
        seen = sample_environment(torch.from_numpy(environment), torch.from_numpy(in_world).float()).numpy()
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = seen
        # Always a fresh image: with persistent data Cycles would go on showing a changed one's old pixels.
        old = self.stage.environment.image
        image = self.stage.bpy.data.images.new("surroundings", width, height, alpha=False, float_buffer=True)
        image.colorspace_settings.name = "Linear Rec.709"
        image.pixels.foreach_set(pixels.ravel())
        image.update()
        self.stage.environment.image = image
        if old is not None:
            self.stage.bpy.data.images.remove(old)
        self._world_strength(1.0)

    def shoot(self, camera: Camera, seed: int) -> Shot:
        """Render what stands on the stage; `camera` is camera_from_head. G is the lamps', or 1 in surroundings."""
        for thing in self.stage.scene.objects:
            name = thing.name.split(".")[0]
            index = MATERIALS.index(_MATERIAL_OF.get(name, "skin"))
            for slot in thing.material_slots:
                slot.material.pass_index = index
        self.stage.render_file(camera, seed)
        passes = read_passes(self.stage.scratch)
        combined = passes["Combined"]
        if self.groups and not self.groups[0].hide_render:
            noisy = np.stack([passes[f"Combined_{lamp.lightgroup}"][..., :3] for lamp in self.groups])
        else:
            noisy = combined[None, ..., :3]
        alpha = np.clip(combined[..., 3], 0, 1)
        clean = self.denoiser(noisy, passes["Denoising Albedo"], passes["Denoising Normal"])
        clean = np.maximum(clean, 0) * (alpha > NOTHING)[..., None]
        index = passes.get("Material Index", passes.get("IndexMA"))[..., 0]
        material = np.clip(np.round(index), 0, len(MATERIALS) - 1).astype(np.uint8)
        return Shot(clean, alpha, np.where(alpha > 0.5, material, 0).astype(np.uint8), noisy, combined[..., :3])


def read_passes(path: Path) -> dict[str, np.ndarray]:
    """Pass name -> [H, W, C] float32 of a multilayer EXR, channels in the order RGBA or XYZ."""
    import OpenEXR

    found: dict[str, dict[str, np.ndarray]] = {}
    for part in OpenEXR.File(str(path), separate_channels=True).parts:
        for full, channel in part.channels.items():
            name, _, letter = full.rpartition(".")
            found.setdefault(name.split(".", 1)[-1] or "Combined", {})[letter] = channel.pixels
    return {
        name: np.stack([channels[letter] for letter in "RGBAXYZ" if letter in channels], -1)
        for name, channels in found.items()
    }
