"""Contact sheets of the controls, to be looked at: identity sliders, presets, a mirrored paste, a mixture.

    python tests/blender/sheets.py HEAD.head OTHER.head --out DIR [--only identity|presets|mirror|mix] [--size 240]

Runs in any Python that has bpy; Cycles on the processor, few samples, denoised.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy
import numpy as np
from mounted import load

slices = load("slices")
live, finish, controls = (load(f"identity.{name}") for name in ("live", "finish", "controls"))
expressions, presets, poses = load("head.expressions"), load("expression.presets"), load("expression.poses")
stage, build = load("preview.stage"), load("head.build")


class Studio:
    """One camera, soft lamps, and pictures as arrays."""

    def __init__(self, head, size: int, samples: int) -> None:
        scene = bpy.context.scene
        load("preview.scene").set_up_scene(scene, head)
        scene.render.resolution_x, scene.render.resolution_y = int(size * 0.8), size
        scene.render.image_settings.file_format = "PNG"
        scene.cycles.samples = samples
        scene.cycles.device = "CPU"
        scene.render.threads_mode, scene.render.threads = "FIXED", 1
        scene.render.use_persistent_data = True
        self.framing = stage.Framing.of(head.head)
        self.size = size

    def shoot(self, azimuth: float, zoom: float = 1.45) -> np.ndarray:
        """[H, W, 3] display values of the scene."""
        stage.aim(bpy.context.scene.camera, self.framing, azimuth, zoom=zoom, lift=0.08)
        file = Path(bpy.app.tempdir) / "shot.png"
        bpy.context.scene.render.filepath = str(file)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(file), check_existing=False)
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        picture = pixels.reshape(image.size[1], image.size[0], 4)[::-1, :, :3].copy()
        bpy.data.images.remove(image)
        return picture


def save(rows: list[list[np.ndarray]], path: Path) -> None:
    """Tiles in rows, as a JPEG."""
    width = max(len(row) for row in rows)
    blank = np.zeros_like(rows[0][0])
    picture = np.concatenate([np.concatenate(row + [blank] * (width - len(row)), 1) for row in rows], 0)
    height, columns = picture.shape[:2]
    image = bpy.data.images.new("sheet", columns, height)
    image.pixels.foreach_set(
        np.dstack([picture, np.ones((height, columns), np.float32)])[::-1].astype(np.float32).ravel()
    )
    image.filepath_raw, image.file_format = str(path), "JPEG"
    image.save(quality=88)
    print(path)


def in_rows(tiles: list, columns: int) -> list[list]:
    return [tiles[start : start + columns] for start in range(0, len(tiles), columns)]


def identity(head, studio: Studio, out: Path) -> None:
    """Each control at -2 and +2, front and three-quarter; four controls in a row, in the order of the panel."""
    tiles = []
    for name in controls.CONTROL:
        for value in (-2.0, 2.0):
            setattr(head.head.mien_identity, f"control_{name}", value)
            tiles += [studio.shoot(0), studio.shoot(40)]
        setattr(head.head.mien_identity, f"control_{name}", 0.0)
    save(in_rows(tiles, 16), out / "identity.jpg")


def expression_presets(head, studio: Studio, out: Path) -> None:
    tiles = []
    for group in presets.PRESETS.values():
        for weights in group.values():
            expressions.set_expression(head.head, weights)
            tiles.append(studio.shoot(15, 1.7))
    expressions.set_expression(head.head, {})
    save(in_rows(tiles, 7), out / "presets.jpg")


def mirror(head, studio: Studio, out: Path) -> None:
    """A lopsided pose, and the same pasted mirrored."""
    pose = presets.preset("Wink") | {"jawLeft": 0.6, "eyeLookOutRight": 0.6, "mouthLeft": 0.4}
    expressions.set_expression(head.head, pose)
    tiles = [studio.shoot(0, 1.7)]
    expressions.set_expression(head.head, poses.mirrored_pose(poses.read_pose(poses.pose_text(pose))))
    tiles.append(studio.shoot(0, 1.7))
    expressions.set_expression(head.head, {})
    save([tiles], out / "mirror.jpg")


def mix(head, other, studio: Studio, out: Path) -> None:
    """0, 1/4, 1/2, 3/4, 1: as the slider shows it, and applied; the second row applied with closed eyes."""
    other.rig.location.x = 10.0
    state = head.head.mien_identity
    state.mix_with = other.head
    rows = [[], []]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        state.mix = share
        rows[0].append(studio.shoot(25))
    running = None
    for share in (0.25, 0.5, 0.75, 1.0):
        live.clear(head)
        # Shares are of what is left, so that each applied head is the mixture of the originals.
        step = {0.25: 0.25, 0.5: 1 / 3, 0.75: 0.5, 1.0: 1.0}[share]
        state.mix_with, state.mix = other.head, step
        request = slices.at_once(finish.gather(head))
        running = finish.start(request)
        running.wait()
        slices.at_once(finish.put(bpy.context, head, request, running.take()))
        running.close()
        expressions.set_expression(head.head, presets.preset("Smile"))
        rows[1].append(studio.shoot(25))
        expressions.set_expression(head.head, {})
    save(rows, out / "mix.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=("identity", "presets", "mirror", "mix"))
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--samples", type=int, default=8)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    properties, registration = load("head_properties"), load("registration")
    registration.register_classes(properties.CLASSES)
    properties.add_properties()
    head = build.build_head(bpy.context, options.head, build.BuildOptions(cameras=False))
    other = build.build_head(bpy.context, options.other, build.BuildOptions(cameras=False))
    other.head.hide_render = True
    studio = Studio(head, options.size, options.samples)
    made = {
        "identity": lambda: identity(head, studio, options.out),
        "presets": lambda: expression_presets(head, studio, options.out),
        "mirror": lambda: mirror(head, studio, options.out),
        "mix": lambda: mix(head, other, studio, options.out),
    }
    for name, make in made.items():
        if options.only in (None, name):
            make()


if __name__ == "__main__":
    main()
