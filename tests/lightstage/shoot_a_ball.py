"""Run by test_lamp_rig.py in a process of its own, since Blender is one scene: a matte ball under two lamps, then under
an environment that has one of them painted in. Writes what it shot into the .npz named on the command line."""

from __future__ import annotations

import sys

import numpy as np

from neural_backend.lightstage.captures import environment_light, splat_lights
from neural_backend.lightstage.cycles_scene import CyclesScene
from neural_backend.lightstage.lamp_rig import LampRig
from neural_backend.lightstage.materials import UNITS_PER_METRE
from neural_backend.lightstage.performances import CENTRE
from neural_backend.lightstage.rig import Lamps, camera_at, in_front_of
from neural_backend.rendering.light import environment_directions

SIZE, RADIUS_RAD = 40, 0.25


def main(target: str) -> None:
    scene = CyclesScene(samples=2, threads=1)
    bpy = scene.bpy
    bpy.ops.mesh.primitive_uv_sphere_add(
        segments=48, ring_count=24, radius=0.09 * UNITS_PER_METRE, location=tuple(CENTRE * UNITS_PER_METRE)
    )
    ball = bpy.context.object
    ball.data.polygons.foreach_set("use_smooth", np.ones(len(ball.data.polygons), bool))
    material = bpy.data.materials.new("hair")
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Roughness"].default_value = 1.0
    ball.data.materials.append(material)
    ball.name = "hair"
    rig = LampRig(scene, 2)
    turn = np.eye(4)
    turn[:3, :3] = [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]  # the head has turned to its left
    camera = in_front_of(camera_at(0, 0, SIZE), turn)
    directions = np.array([[0.8, 0.3, 0.52], [-0.3, 0.9, 0.32]])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lamps = Lamps(directions, np.full(2, RADIUS_RAD), np.array([4.0, 9.0]))
    rig.place(lamps, turn)
    shot = rig.shoot(camera, 1)
    scene.scene.cycles.samples = 512
    clean = rig.shoot(camera, 2).noisy
    scene.scene.cycles.samples = 64
    around, _ = environment_directions(64, 128)
    painted = (around.numpy() @ directions[0] > np.cos(RADIUS_RAD)).astype(np.float32)[..., None] * np.full(3, 4.0)
    rig.surround(painted.astype(np.float32), np.linalg.inv(turn))
    surrounded = rig.shoot(camera, 3)
    in_head = directions @ turn[:3, :3]
    np.savez(
        target, groups=shot.groups, noisy=shot.noisy, combined=shot.combined, alpha=shot.alpha, material=shot.material,
        clean=clean, surrounded=surrounded.groups,
        light_of_environment=environment_light(painted, np.linalg.inv(turn)),
        light_of_lamp=splat_lights(in_head[:1], np.array([RADIUS_RAD]), np.array([4.0])),
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
