"""Blender's scene for the stages: Cycles on the CPU, a world, one camera that is set as OpenCV's cameras are.

Runs where bpy is; it is imported inside functions, so importing this module does not need Blender.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ..rendering.camera import Camera
from .materials import UNITS_PER_METRE as UNITS


class CyclesScene:
    """An empty scene, ready to render."""

    def __init__(self, samples: int, threads: int, subsurface: bool = True):
        import bpy

        self.bpy = bpy
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = self.scene = bpy.context.scene
        scene.render.engine = "CYCLES"
        cycles = scene.cycles
        cycles.device, cycles.samples, cycles.use_adaptive_sampling = "CPU", samples, False
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        cycles.denoising_prefilter, cycles.denoising_quality = "FAST", "BALANCED" if subsurface else "FAST"
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 5, 2, 2
        cycles.transmission_bounces, cycles.transparent_max_bounces = 2, 8
        cycles.sample_clamp_indirect = 4.0
        cycles.use_light_tree = False  # it pays with many lights; here there are at most four
        scene.render.use_persistent_data = True  # keeps decoded textures; see materials.load_image
        cycles.caustics_reflective = cycles.caustics_refractive = False
        scene.render.threads_mode, scene.render.threads = "FIXED", threads
        scene.render.resolution_percentage = 100
        scene.view_settings.view_transform = "Raw"
        settings = scene.render.image_settings
        settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "16"
        settings.exr_codec = "NONE"
        camera = bpy.data.cameras.new("camera")
        camera.sensor_width, camera.sensor_fit, camera.clip_start, camera.clip_end = 36.0, "HORIZONTAL", 0.1, 1000
        self.camera = bpy.data.objects.new("camera", camera)
        scene.collection.objects.link(self.camera)
        scene.camera = self.camera
        self._world()
        self._folder = tempfile.TemporaryDirectory(prefix="mien_stage_")  # goes with the scene
        self.scratch = Path(self._folder.name) / "shot.exr"

    def _world(self) -> None:
        world = self.bpy.data.worlds.new("world")
        self.scene.world = world
        world.use_nodes = True
        tree = world.node_tree
        coordinates, mapping = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
        self.environment = tree.nodes.new("ShaderNodeTexEnvironment")
        tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], self.environment.inputs["Vector"])
        self.background = tree.nodes["Background"]
        tree.links.new(self.environment.outputs["Color"], self.background.inputs["Color"])
        self.mapping = mapping
        # By default Cycles samples the probe at its own resolution; making that table takes longer than a picture.
        world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256

    @staticmethod
    def environments() -> dict[str, Path]:
        """The CC0 light probes that come with Blender, by name."""
        import bpy

        folder = Path(bpy.utils.system_resource("DATAFILES")) / "studiolights" / "world"
        return {path.stem: path for path in sorted(folder.glob("*.exr"))}

    def render(self, camera: Camera, seed: int) -> np.ndarray:
        """[H, W, 4] scene-linear Rec.709 and alpha of what stands on the stage."""
        import OpenEXR

        self.render_file(camera, seed)
        channels = OpenEXR.File(str(self.scratch)).channels()
        if "RGBA" in channels:
            return np.asarray(channels["RGBA"].pixels, np.float32)
        return np.stack([np.asarray(channels[name].pixels, np.float32) for name in "RGBA"], axis=-1)

    def render_file(self, camera: Camera, seed: int) -> None:
        """Render what stands on the stage into the file `scratch`."""
        from mathutils import Matrix

        render = self.scene.render
        render.resolution_x, render.resolution_y = camera.width, camera.height
        pose = np.eye(4)
        pose[:3, :3] = camera.rotation.T @ np.diag([1.0, -1.0, -1.0])
        pose[:3, 3] = camera.centre_head * UNITS
        self.camera.matrix_world = Matrix(pose.tolist())
        lens = self.camera.data
        lens.lens = camera.focal_px / camera.width * lens.sensor_width
        # Blender's shifts are in sensor widths, x right and y up.
        lens.shift_x = -(camera.intrinsics[0, 2] - camera.width / 2) / camera.width
        lens.shift_y = (camera.intrinsics[1, 2] - camera.height / 2) / camera.width
        self.scene.cycles.seed = seed % (1 << 31)
        render.filepath = str(self.scratch)
        self.bpy.ops.render.render(write_still=True)
