"""The expression controls: symmetric, mirror, reset, keyframes, poses, presets, bake, and bones that follow."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest


def values(head) -> dict[str, float]:
    return {block.name: block.value for block in head.head.data.shape_keys.key_blocks[1:] if block.value}


def keyed(load, head) -> dict[str, list[tuple[float, float]]]:
    """Shape -> its keys (frame, value)."""
    curves = load("blender_addon.compat").fcurves_of(head.head.data.shape_keys)
    return {
        curve.data_path.split('"')[1]: [tuple(point.co) for point in curve.keyframe_points]
        for curve in curves
        if len(curve.keyframe_points)
    }


def positions(mesh) -> np.ndarray:
    result = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", result)
    return result.reshape(-1, 3)


def evaluated(thing) -> np.ndarray:
    bpy.context.view_layer.update()
    return positions(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data)


# -- sliders ---------------------------------------------------------------------------------------------------------


def test_symmetric_moves_the_partner_and_leaves_sideways_shapes_alone(built, load):
    head, _ = built
    state = head.head.mien_expression
    state.mouthSmileLeft = 0.4
    assert values(head) == pytest.approx({"mouthSmileLeft": 0.4, "mouthSmileRight": 0.4})
    state.mouthSmileRight = 2.0
    assert values(head) == {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    assert state.mouthSmileLeft == 1.0
    for name in ("jawLeft", "mouthRight", "jawOpen"):
        assert not hasattr(state, name)


def test_mirror_swaps_the_sides(built):
    head, _ = built
    blocks = head.head.data.shape_keys.key_blocks
    for name, value in {"eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.1, "jawLeft": 0.3, "jawOpen": 0.5}.items():
        blocks[name].value = value
    assert bpy.ops.mien.mirror_expression() == {"FINISHED"}
    assert values(head) == pytest.approx({"eyeBlinkLeft": 0.1, "eyeBlinkRight": 0.9, "jawRight": 0.3, "jawOpen": 0.5})
    bpy.ops.mien.mirror_expression()
    assert values(head)["jawLeft"] == pytest.approx(0.3)


def test_reset_of_a_region_leaves_the_others(built, load):
    head, _ = built
    bpy.ops.mien.apply_preset(name="Surprise")
    brows = load("blender_addon.head.expressions").names_in("BROWS")
    before = values(head)
    assert bpy.ops.mien.reset_expression(region="BROWS") == {"FINISHED"}
    assert values(head) == {name: value for name, value in before.items() if name not in brows}
    assert set(before) & set(brows)
    bpy.ops.mien.reset_expression()
    assert values(head) == {}


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("mirror_expression", {}),
        ("reset_expression", {"region": "EYES"}),
        ("apply_preset", {"name": "Anger"}),
        ("paste_pose", {"text": json.dumps({"mien_pose": 1, "weights": {"cheekPuff": 1}})}),
        ("insert_expression_keys", {"shape": "jawOpen"}),
        ("randomise_identity", {"seed": 3}),
    ],
)
def test_each_action_is_one_undo_step(built, name, arguments):
    head, _ = built
    head.head.data.shape_keys.key_blocks["eyeBlinkLeft"].value = 0.7
    uuid = head.uuid

    def state():
        head = next(thing for thing in bpy.data.objects if thing.get("mien_role") == "head")
        keys = head.data.shape_keys
        animated = keys.animation_data is not None and keys.animation_data.action is not None
        return [(block.name, round(block.value, 4)) for block in keys.key_blocks], animated, head.mien_identity.mode_03

    before = state()
    bpy.ops.ed.undo_push(message="before")
    assert getattr(bpy.ops.mien, name)("EXEC_DEFAULT", True, **arguments) == {"FINISHED"}
    after = state()
    assert after != before
    bpy.ops.ed.undo()
    assert state() == before
    bpy.ops.ed.redo()
    assert state() == after and uuid


# -- poses -----------------------------------------------------------------------------------------------------------


def test_a_pose_travels_as_text_and_mirrored(built, load):
    head, _ = built
    poses = load("blender_addon.expression.poses")
    bpy.ops.mien.apply_preset(name="Wink")
    wink = values(head)
    text = poses.pose_text(wink)
    bpy.ops.mien.reset_expression()
    assert bpy.ops.mien.paste_pose(text=text) == {"FINISHED"}
    assert values(head) == pytest.approx(wink, abs=1e-5)
    assert bpy.ops.mien.paste_pose(text=text, mirror=True) == {"FINISHED"}
    assert values(head)["eyeBlinkRight"] == 1.0 and "eyeBlinkLeft" not in values(head)
    assert bpy.ops.mien.copy_pose() == {"FINISHED"}


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("import this", "no pose of a Mien head"),
        ("", "no pose"),
        ("[1, 2]", "no pose"),
        ('{"mien_pose": 1, "weights": [1]}', "no pose"),
        ('{"mien_pose": 2, "weights": {}}', "newer Mien"),
        ('{"mien_pose": 1, "weights": {"jawOpen": NaN}}', "not a number"),
        ('{"mien_pose": 1, "weights": {"bigNose": 1}}', "no head has"),
        ("[" * 100000, "no pose"),
    ],
)
def test_foreign_text_is_refused_with_a_sentence(built, text, sentence):
    head, _ = built
    head.head.data.shape_keys.key_blocks["jawOpen"].value = 0.25
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.mien.paste_pose(text=text)
    assert values(head) == {"jawOpen": 0.25}


def test_presets_are_valid_and_differ(load):
    presets = load("blender_addon.expression.presets").PRESETS
    names = load("neural_backend.protocol.arkit").ARKIT_NAMES
    every = [(name, weights) for group in presets.values() for name, weights in group.items()]
    assert len(every) >= 20 and len({name for name, _ in every}) == len(every)
    for name, weights in every:
        assert set(weights) <= set(names), name
        assert all(0 < value <= 1 for value in weights.values()), name
        # The template's own limit (docs/template.md): mouthClose rides on jawOpen.
        assert weights.get("mouthClose", 0) <= weights.get("jawOpen", 0), name
    assert len({json.dumps(weights, sort_keys=True) for _, weights in every}) == len(every)


def test_preset_by_strength_and_unknown(built):
    head, _ = built
    assert bpy.ops.mien.apply_preset(name="Eyes Closed", strength=0.5) == {"FINISHED"}
    assert values(head) == {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5}
    with pytest.raises(RuntimeError, match="no preset"):
        bpy.ops.mien.apply_preset(name="Unheard of")


# -- keyframes -------------------------------------------------------------------------------------------------------


def test_keys_of_one_of_a_region_of_all_and_away_again(built, load):
    head, _ = built
    scene = bpy.context.scene
    names = load("neural_backend.protocol.arkit").ARKIT_NAMES
    brows = load("blender_addon.head.expressions").names_in("BROWS")
    bpy.ops.mien.apply_preset(name="Surprise")
    scene.frame_set(5)
    bpy.ops.mien.insert_expression_keys(shape="jawOpen")
    assert keyed(load, head).keys() == {"jawOpen"}
    assert keyed(load, head)["jawOpen"] == [pytest.approx((5, 0.42))]
    bpy.ops.mien.insert_expression_keys(region="BROWS")
    assert keyed(load, head).keys() == {"jawOpen", *brows}
    scene.frame_set(10)
    bpy.ops.mien.apply_preset(name="Neutral")
    bpy.ops.mien.insert_expression_keys()
    assert keyed(load, head).keys() == set(names)
    scene.frame_set(7)
    assert 0 < head.head.data.shape_keys.key_blocks["jawOpen"].value < 0.42
    with pytest.raises(RuntimeError, match="no such keyframes at frame 7"):
        if bpy.ops.mien.delete_expression_keys() == {"CANCELLED"}:
            raise RuntimeError("There are no such keyframes at frame 7.")  # a warning raises nothing
    scene.frame_set(10)
    assert bpy.ops.mien.delete_expression_keys(region="MOUTH") == {"FINISHED"}
    assert len(keyed(load, head)["jawOpen"]) == 2 and "mouthPucker" not in keyed(load, head)
    assert bpy.ops.mien.delete_expression_keys() == {"FINISHED"}
    assert keyed(load, head).keys() == {"jawOpen", *brows}


def test_automatic_keying_keys_what_a_pose_sets(built, load):
    head, _ = built
    bpy.ops.mien.apply_preset(name="Smile")
    assert keyed(load, head) == {}
    bpy.context.scene.tool_settings.use_keyframe_insert_auto = True
    bpy.ops.mien.apply_preset(name="Smile")
    assert len(keyed(load, head)) == 52


def test_bake_turns_drivers_into_keys_of_all_52(built, load):
    head, _ = built
    keys = head.head.data.shape_keys
    driver = keys.key_blocks["jawOpen"].driver_add("value").driver
    driver.expression = "frame / 100"
    keys.key_blocks["browInnerUp"].value = 0.25
    scene = bpy.context.scene
    scene.frame_set(3)
    assert bpy.ops.mien.bake_expression(first=1, last=20) == {"FINISHED"}
    curves = keyed(load, head)
    assert len(curves) == 52 and all(len(points) == 20 for points in curves.values())
    np.testing.assert_allclose([value for _, value in curves["jawOpen"]], np.arange(1, 21) / 100, atol=1e-6)
    assert {value for _, value in curves["browInnerUp"]} == {0.25}
    assert not [curve for curve in keys.animation_data.drivers if "jawOpen" in curve.data_path]
    assert scene.frame_current == 3
    scene.frame_set(12)
    assert keys.key_blocks["jawOpen"].value == pytest.approx(0.12)
    with pytest.raises(RuntimeError, match="lies before"):
        bpy.ops.mien.bake_expression(first=5, last=2)


# -- bones that follow -----------------------------------------------------------------------------------------------


def rigid(bone) -> np.ndarray:
    """[4, 4] what a pose bone does to what hangs on it, in the armature's space."""
    return np.array(bone.matrix @ bone.bone.matrix_local.inverted())


def part(head, group: str, joint: str | None = None) -> np.ndarray:
    index = head.head.vertex_groups[group].index
    second = head.head.vertex_groups[joint].index if joint else index
    return np.array(
        [
            v.index
            for v in head.head.data.vertices
            if {index, second} <= {entry.group for entry in v.groups if entry.weight > 0.5}
        ]
    )


POSES = {
    "jaw open": ({"jawOpen": 1.0}, "jaw", "part_teeth_lower", None, 0.3),
    "jaw forward and left": ({"jawForward": 0.7, "jawLeft": 0.6, "jawOpen": 0.3}, "jaw", "part_teeth_lower", None, 0.5),
    "jaw half open": ({"jawOpen": 0.5}, "jaw", "part_teeth_lower", None, 0.5),
    "eye up": ({"eyeLookUpLeft": 1.0}, "eye_left", "part_eye_left", "eye_left", 0.1),
    "eye in": ({"eyeLookInRight": 1.0}, "eye_right", "part_eye_right", "eye_right", 0.1),
    # Shapes add up along straight lines and rotations do not: half a turn differs by its chord.
    "eye half out": ({"eyeLookOutLeft": 0.5}, "eye_left", "part_eye_left", "eye_left", 0.6),
}


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("turned", [False, True])
def test_follower_bones_are_where_the_mesh_is(built, load, pose, turned):
    """Mesh and armature agree, with the head turned too; and nothing is moved twice."""
    head, package = built
    weights, joint, group, own, millimetres = POSES[pose]
    members = part(head, group, own)
    rest = positions(head.head.data)
    if turned:
        head.rig.pose.bones["head"].rotation_euler = (0.2, 0.3, 0.1)
        head.rig.pose.bones[joint].rotation_euler = (0.1, 0.0, 0.05)
    load("blender_addon.head.expressions").set_expression(head.head, weights)
    moved = evaluated(head.head)[members]
    matrix = rigid(head.rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[f"{joint}_follow"])
    expected = rest[members] @ matrix[:3, :3].T + matrix[:3, 3]
    distance = 1e3 * np.linalg.norm(moved - expected, axis=1)
    travelled = 1e3 * np.linalg.norm(moved - rest[members], axis=1).max()
    # The shape is a straight line in the joint's frame; the bound is for the middle of the part.
    assert np.median(distance) < millimetres + (0.3 if turned else 0), (pose, np.median(distance), travelled)
    assert travelled > 3.0
    if not turned:
        # The deforming bones rest: the sliders alone moved the mesh, as an engine will see it.
        assert np.allclose(rigid(head.rig.pose.bones[joint]), np.eye(4), atol=1e-6)


def test_followers_deform_nothing_and_need_no_python(built):
    head, package = built
    followers = [bone for bone in head.rig.data.bones if bone.name.endswith("_follow")]
    assert {bone.name for bone in followers} == {"jaw_follow", "eye_left_follow", "eye_right_follow"}
    assert not any(bone.use_deform for bone in followers)
    assert {bone.name for bone in head.rig.data.bones if bone.use_deform} == set(package.joint_names)
    drivers = head.rig.animation_data.drivers
    assert len(drivers) >= 6
    assert all(curve.driver.is_valid and curve.driver.is_simple_expression for curve in drivers)


def test_the_coarse_level_follows_the_sliders(built):
    head, package = built
    (lod,) = head.lods
    bpy.context.view_layer.layer_collection.children[0].children[
        f"{head.head.name} LODs"
    ].collection.hide_viewport = False
    head.head.data.shape_keys.key_blocks["jawOpen"].value = 0.5
    moved = evaluated(lod) - positions(lod.data)
    jaw = package.levels[0].arkit[list(head.head.data.shape_keys.key_blocks.keys()).index("jawOpen") - 1]
    assert np.abs(moved).max() == pytest.approx(0.5 * np.abs(jaw).max(), rel=0.01)


def test_followers_are_in_a_duplicate_too(built):
    head, _ = built
    bpy.ops.object.select_all(action="DESELECT")
    for thing in (head.head, head.rig):
        thing.select_set(True)
    bpy.ops.object.duplicate()
    copy = next(thing for thing in bpy.context.selected_objects if thing.type == "ARMATURE")
    mesh = next(thing for thing in bpy.context.selected_objects if thing.type == "MESH")
    mesh.data.shape_keys.key_blocks["jawOpen"].value = 1.0
    bpy.context.view_layer.update()
    turned = [abs(rig.pose.bones["jaw_follow"].rotation_euler.x) > 0.1 for rig in (copy, head.rig)]
    assert turned == [True, False]


def test_greyed_without_a_head_and_says_why(extension):
    for name in ("mirror_expression", "copy_pose", "paste_pose", "apply_preset", "insert_expression_keys",
                 "import_live_link", "bake_expression", "apply_identity", "randomise_identity"):  # fmt: skip
        assert not getattr(bpy.ops.mien, name).poll()
        with pytest.raises(RuntimeError, match="Import a head, or select one"):
            getattr(bpy.ops.mien, name)()


def test_saved_and_opened_without_mien_the_head_animates(built, load, tmp_path):
    """Keys, drivers of followers and of the coarse level are Blender's own: they live without the extension."""
    import addon_utils

    head, _ = built
    scene = bpy.context.scene
    for frame, name in ((1, "Neutral"), (11, "Surprise")):
        scene.frame_set(frame)
        bpy.ops.mien.apply_preset(name=name)
        bpy.ops.mien.insert_expression_keys()
    path = str(tmp_path / "head.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    module = load("blender_addon").__name__.removesuffix(".blender_addon")
    addon_utils.disable(module, default_set=True)
    try:
        bpy.ops.wm.open_mainfile(filepath=path, use_scripts=False)
        mesh = next(thing for thing in bpy.data.objects if thing.get("mien_role") == "head")
        rig = mesh.parent
        bpy.context.scene.frame_set(11)
        assert mesh.data.shape_keys.key_blocks["jawOpen"].value == pytest.approx(0.42)
        assert abs(rig.pose.bones["jaw_follow"].rotation_euler.x) > 0.05
        assert np.abs(evaluated(mesh) - positions(mesh.data)).max() > 3e-3
    finally:
        addon_utils.enable(module, default_set=True)
