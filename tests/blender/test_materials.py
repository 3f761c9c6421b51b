"""Materials, by what Cycles makes of them: colour comes back, light reaches the iris, lashes are cut out."""

from __future__ import annotations

import bpy
import numpy as np
import pytest


def close_up(load, renderer, target, size, expression=None, pixels=32):
    """[pixels, pixels, 4] of a square of `size` metres round `target`, seen from the front."""
    stage = load("blender_addon.preview.stage")
    position = np.asarray(target) + stage.direction(0, 0)
    renderer.camera.matrix_world = stage.facing(position, np.asarray(target))
    renderer.camera.data.lens = renderer.camera.data.sensor_width / size
    return renderer.render(expression or {}, pixels, pixels)


def eye_of(package):
    x, y, z = package.joint_positions[package.joint_names.index("eye_left")]
    return np.array([x, -z, y])


def skin_node(head):
    material = next(slot.material for slot in head.head.material_slots if slot.material["mien_texture_set"] == "skin")
    return material, next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def test_skin_is_wired_to_its_maps(built):
    head, package = built
    material, shader = skin_node(head)
    for socket, map_name in (
        ("Base Color", "diffuse"),
        ("Roughness", "roughness"),
        ("Specular IOR Level", "specular"),
    ):
        assert shader.inputs[socket].links[0].from_node.image["mien_map"] == map_name
    tangent = shader.inputs["Normal"].links[0].from_node
    assert tangent.type == "NORMAL_MAP" and tangent.space == "TANGENT"
    assert tangent.inputs["Color"].links[0].from_node.image["mien_map"] == "normal"
    assert shader.inputs["IOR"].default_value == pytest.approx(1.5)  # the specular map's convention
    assert material.node_tree.nodes["confidence"].image["mien_map"] == "confidence"


def test_skin_gives_its_colour_back(built, load):
    """Under an even white sky the forehead has the base colour: subsurface must not tint or darken it."""
    head, package = built
    material, shader = skin_node(head)
    colour = np.array([0.53, 0.32, 0.24])
    for socket in ("Base Color", "Specular IOR Level", "Normal"):
        for link in list(shader.inputs[socket].links):
            material.node_tree.links.remove(link)
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Specular IOR Level"].default_value = 0.0
    shader.inputs["Coat Weight"].default_value = 0.0
    with load("blender_addon.preview.tiles").studio(head, samples=48) as renderer:
        renderer.light((), ambient=1.0)
        picture = close_up(load, renderer, eye_of(package) + [-0.03, -0.03, 0.055], 0.02, pixels=16)
    found = picture[..., :3].reshape(-1, 3).mean(0)
    np.testing.assert_allclose(found, colour, rtol=0.10)


def test_light_reaches_the_iris_through_the_cornea(built, load):
    """With the cornea the lit iris keeps most of its light; a cornea that cast a shadow would leave it black."""
    head, package = built
    cornea = next(
        (slot.material for slot in head.head.material_slots if slot.material["mien_texture_set"] == "cornea"), None
    )
    if cornea is None or head.head.vertex_groups.get("part_cornea_left") is None:
        pytest.skip("this head has no cornea")
    tiles = load("blender_addon.preview.tiles")

    def iris(renderer):
        picture = close_up(load, renderer, eye_of(package), 0.012, {"eyeWideLeft": 0.5})[..., :3]
        rows, columns = np.mgrid[0:32, 0:32] - 15.5
        ring = (np.hypot(rows, columns) > 6) & (np.hypot(rows, columns) < 10)
        return np.median(picture[ring] @ np.array([0.2126, 0.7152, 0.0722]))

    with tiles.studio(head, samples=16) as renderer:
        renderer.light(load("blender_addon.preview.stage").SOFT)
        through = iris(renderer)
        nodes = cornea.node_tree.nodes
        output = next(node for node in nodes if node.type == "OUTPUT_MATERIAL" and node.target == "CYCLES")
        clear = next(node for node in nodes if node.type == "BSDF_TRANSPARENT")
        cornea.node_tree.links.new(clear.outputs[0], output.inputs["Surface"])
        bare = iris(renderer)
    assert bare > 0.01
    assert 0.5 < through / bare < 2.0


def test_every_material_has_an_output_for_both_engines(built):
    head, _ = built
    for slot in head.head.material_slots:
        targets = {node.target for node in slot.material.node_tree.nodes if node.type == "OUTPUT_MATERIAL"}
        assert targets == {"ALL"} or targets == {"CYCLES", "EEVEE"}
        for node in slot.material.node_tree.nodes:
            if node.type == "OUTPUT_MATERIAL":
                assert node.inputs["Surface"].is_linked


def test_lashes_are_cut_out(built):
    head, _ = built
    lashes = [slot.material for slot in head.head.material_slots if slot.material["mien_texture_set"] == "lashes"]
    for material in lashes:
        image = material.node_tree.nodes.get("diffuse")
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        if image is not None:
            assert shader.inputs["Alpha"].links[0].from_socket == image.outputs["Alpha"]
    assert lashes or "lashes" not in bpy.data.materials
