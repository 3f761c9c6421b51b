"""Pictures of a head exported for an engine and imported again, for docs/export.md.

python tests/blender/engine_sheet.py HEAD.fbx --levels PICTURE.jpg    three levels in three poses, plain clay
python tests/blender/engine_sheet.py HEAD.glb --textured PICTURE.jpg          levels as imported, Cycles
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy
import numpy as np
from mounted import load
from sheets import save

stage = load("preview.stage")
POSES = (
    {},
    {"jawOpen": 0.7},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0, "mouthSmileLeft": 0.8, "mouthSmileRight": 0.8},
)


def shoot(camera: bpy.types.Object, framing, azimuth: float, zoom: float, size: tuple[int, int]) -> np.ndarray:
    """[H, W, 3] display values."""
    scene = bpy.context.scene
    scene.camera = camera
    stage.aim(camera, framing, azimuth, zoom=zoom, lift=0.08)
    scene.render.resolution_x, scene.render.resolution_y = size
    file = Path(bpy.app.tempdir) / "shot.png"
    scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(file), check_existing=False)
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(size[1], size[0], 4)[::-1, :, :3].copy()


def show(levels: list[bpy.types.Object], which: int, pose: dict[str, float]) -> None:
    for index, level in enumerate(levels):
        level.hide_render = index != which
        for block in level.data.shape_keys.key_blocks[1:]:
            block.value = pose.get(block.name, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--levels", type=Path)
    parser.add_argument("--textured", type=Path)
    options = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    {".fbx": bpy.ops.import_scene.fbx, ".glb": bpy.ops.import_scene.gltf}[options.file.suffix](
        filepath=str(options.file)
    )
    for layer in bpy.context.view_layer.layer_collection.children:
        layer.exclude = False  # what no scene of a GLB shows, the importer leaves out
    bpy.context.view_layer.update()
    scene = bpy.context.scene
    meshes = [thing for thing in bpy.data.objects if "_LOD" in thing.name and thing.type == "MESH"]
    levels = sorted(meshes, key=lambda thing: thing.name)
    for thing in bpy.data.objects:
        thing.hide_render = thing.type != "MESH" or thing not in levels
    framing = stage.Framing.of(levels[0])
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.render.image_settings.file_format = "PNG"
    if options.levels:
        scene.render.engine = "BLENDER_WORKBENCH"
        shading = scene.display.shading
        shading.light, shading.color_type, shading.show_cavity = "STUDIO", "SINGLE", True
        rows = []
        for pose in POSES:
            row = []
            for index in range(len(levels)):
                show(levels, index, pose)
                row.append(shoot(camera, framing, 25.0, 1.3, (280, 340)))
            rows.append(row)
        save(rows, options.levels)
    if options.textured:
        scene.render.engine = "CYCLES"
        scene.cycles.samples, scene.cycles.device, scene.cycles.use_denoising = 24, "CPU", True
        scene.render.threads_mode, scene.render.threads = "FIXED", 1
        scene.view_settings.view_transform = "Standard"
        stage.add_lamps(scene.collection, framing, stage.SOFT)
        row = []
        for index, pose in ((0, {}), (0, POSES[1]), (1, {}), (2, {})):
            show(levels, index, pose)
            row.append(shoot(camera, framing, 20.0, 1.3, (280, 340)))
        save([row], options.textured)


if __name__ == "__main__":
    main()
