"""Export for Unreal, Unity and glTF: each file imported again by Blender's importers, measured level by level."""

from __future__ import annotations

import importlib

import addon_utils
import bpy
import engine_trip
import numpy as np
import pytest
import round_trip
from conftest import MODULE, REPOSITORY, _mount_folder

MILLIMETRE = 1e-3
FBX = ("UNREAL", "UNITY")


def _load(name: str):
    return importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture(scope="module", params=["UNREAL", "UNITY", "GLB"])
def trip(request, package_path, tmp_path_factory):
    """One export and import for all the measures; a test that uses it must not use what empties the scene."""
    if round_trip.mirror_of_level(engine_trip.SIZES[0]) is None:
        pytest.fail("the template changed: levels of detail must be made again")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    repository = bpy.context.preferences.extensions.repos.new(
        name=REPOSITORY, module=REPOSITORY, custom_directory=str(_mount_folder())
    )
    repository.use_custom_directory = True
    assert addon_utils.enable(MODULE, default_set=True)
    yield engine_trip.make(request.param, package_path, tmp_path_factory.mktemp(request.param), _load)


def test_three_levels_with_the_promised_vertices(trip):
    assert len(trip.levels) == 3
    for level, size in zip(trip.levels, engine_trip.SIZES, strict=True):
        assert len(level.ids) == size
        if trip.key in FBX:
            assert len(level.rest) == size
        else:  # glTF splits vertices at UV seams and materials, and has none that are not ours
            assert size <= len(level.rest) < 1.2 * size
        assert level.distance.max() < 1e-3 * MILLIMETRE


def test_all_52_names_are_on_every_level(trip):
    assert len(trip.arkit_names) == 52
    for level in trip.levels:
        assert level.names == list(trip.arkit_names)


def test_size_place_and_axes(trip):
    for level in trip.levels:
        assert trip.position_error(level) < 1e-3 * MILLIMETRE
    assert trip.bone_error() < 0.1 * MILLIMETRE


def test_shapes_survive_on_every_level(trip):
    for level in trip.levels:
        assert trip.shape_error(level) < 0.01 * MILLIMETRE
        for name in trip.arkit_names:
            assert np.linalg.norm(level.shapes[name], axis=1).max() > 0.5 * MILLIMETRE, (name, len(level.ids))


def test_left_mirrors_right_on_every_level(trip):
    for level in trip.levels:
        assert trip.mirror_error(level) < 0.1 * MILLIMETRE


def test_skin_weights_survive_on_every_level(trip):
    for level in trip.levels:
        assert trip.weight_error(level) < 0.01
        assert any(modifier.type == "ARMATURE" and modifier.object == trip.rig for modifier in level.mesh.modifiers)


def test_all_levels_share_the_maps(trip):
    for level in trip.levels:
        assert trip.uv_error(level) < 1e-4
    worn = [{slot.material.name for slot in level.mesh.material_slots} for level in trip.levels]
    assert worn[0] >= worn[1] >= worn[2]
    assert any(name.endswith("Skin") for name in worn[2]) and any(name.endswith("Mouth") for name in worn[2])


def test_fbx_is_in_centimetres_and_y_up_without_turned_or_scaled_nodes(trip):
    if trip.key not in FBX:
        pytest.skip("FBX only")
    root = engine_trip.parsed_fbx(trip.path)
    settings = engine_trip.child(root, b"GlobalSettings")
    assert engine_trip.fbx_property(settings, b"UnitScaleFactor") == [1.0]  # of a centimetre
    assert engine_trip.fbx_property(settings, b"UpAxis") == [1] and engine_trip.fbx_property(
        settings, b"FrontAxis"
    ) == [2]
    objects = engine_trip.child(root, b"Objects")
    models = [element for element in objects.elems if element.id == b"Model" and element.props[2] != b"LimbNode"]
    assert len(models) >= 4
    for model in models:
        for name, neutral in ((b"Lcl Rotation", 0.0), (b"Lcl Scaling", 1.0), (b"Lcl Translation", 0.0)):
            found = engine_trip.fbx_property(model, name)
            assert found is None or np.allclose(found, neutral, atol=1e-5), (model.props[1], name, found)
    finest = trip.package.levels[-1].vertices
    geometry = next(
        element
        for element in objects.elems
        if element.id == b"Geometry" and element.props[2] == b"Mesh"
        and len(engine_trip.child(element, b"Vertices").props[0]) == 3 * len(finest)
    )  # fmt: skip
    raw = np.array(engine_trip.child(geometry, b"Vertices").props[0]).reshape(-1, 3)
    np.testing.assert_allclose(raw, finest * 100.0, atol=1e-4)  # the package's axes are the file's


def test_unreal_gets_an_lod_group(trip):
    if trip.key != "UNREAL":
        pytest.skip("Unreal only")
    root = engine_trip.parsed_fbx(trip.path)
    objects = engine_trip.child(root, b"Objects").elems
    links = [tuple(link.props[1:3]) for link in engine_trip.child(root, b"Connections").elems if link.props[0] == b"OO"]
    (attribute,) = [e for e in objects if e.id == b"NodeAttribute" and e.props[2] == b"LodGroup"]
    (group,) = [e for e in objects if e.id == b"Model" and (attribute.props[0], e.props[0]) in links]
    assert group.props[1].split(b"\x00")[0].endswith(b"_LodGroup")
    members = [
        e.props[1].split(b"\x00")[0].decode()
        for child, parent in links
        if parent == group.props[0]
        for e in objects
        if e.id == b"Model" and e.props[0] == child
    ]
    assert [name[-5:] for name in members] == ["_LOD0", "_LOD1", "_LOD2"]
    assert trip.rig.name == "root"


def test_unity_gets_names_that_it_groups(trip):
    if trip.key != "UNITY":
        pytest.skip("Unity only")
    names = [level.mesh.name for level in trip.levels]
    assert names == [f"{names[0][:-5]}_LOD{index}" for index in range(3)]
    assert all(level.mesh.parent == trip.rig for level in trip.levels)


def test_glb_has_levels_by_msft_lod_and_shows_the_finest_alone(trip):
    if trip.key != "GLB":
        pytest.skip("glTF only")
    document = round_trip.read_glb(trip.path)
    nodes = document["nodes"]
    (finest,) = [index for index, node in enumerate(nodes) if "MSFT_lod" in node.get("extensions", {})]
    others = nodes[finest]["extensions"]["MSFT_lod"]["ids"]
    assert [nodes[index]["name"][-5:] for index in (finest, *others)] == ["_LOD0", "_LOD1", "_LOD2"]
    assert len(nodes[finest]["extras"]["MSFT_screencoverage"]) == 3 and "MSFT_lod" in document["extensionsUsed"]
    seen, waiting = set(), [index for scene in document["scenes"] for index in scene["nodes"]]
    while waiting:
        seen.add(index := waiting.pop())
        waiting += nodes[index].get("children", [])
    assert finest in seen and not seen & set(others)
    assert set(document["skins"][0]["joints"]) <= seen and all(nodes[index]["skin"] == 0 for index in others)
    for index in (finest, *others):
        mesh = document["meshes"][nodes[index]["mesh"]]
        assert mesh["extras"]["targetNames"] == list(trip.arkit_names)
        assert all(len(primitive["targets"]) == 52 for primitive in mesh["primitives"])


def _maps_of(trip) -> dict[str, np.ndarray]:
    """Name -> pixels of all maps that came along."""
    if trip.key in FBX:
        return {path.stem: engine_trip.stored(path) for path in sorted(trip.path.with_name("head_textures").iterdir())}
    found = {}
    for image in bpy.data.images:
        if image.size[0]:
            values = np.empty(len(image.pixels), np.float32)
            image.pixels.foreach_get(values)
            found[image.name.split(".")[0]] = values.reshape(image.size[1], image.size[0], 4)
    return found


def _ending(maps: dict[str, np.ndarray], end: str) -> np.ndarray:
    (name,) = [name for name in maps if name.endswith(end)]
    return maps[name]


def test_maps_are_named_and_packed_the_engines_way(trip):
    maps, source = _maps_of(trip), {name: engine_trip.stored(path) for name, path in trip.package.maps["skin"].items()}
    step = 1.5 / 255
    if trip.key == "UNREAL":
        assert all(name.startswith("T_") for name in maps)
        base, normal, packed = (_ending(maps, f"_Skin_{end}") for end in ("D", "N", "ORM"))
        occlusion, roughness, metallic = packed[..., 0], packed[..., 1], packed[..., 2]
        green = 1.0 - source["normal"][..., 1]
        np.testing.assert_allclose(_ending(maps, "_Skin_S")[..., 0], source["specular"][..., 0], atol=step)
    elif trip.key == "UNITY":
        base, normal, packed = (_ending(maps, f"_Skin_{end}") for end in ("BaseMap", "Normal", "MaskMap"))
        metallic, occlusion, detail, smoothness = (packed[..., channel] for channel in range(4))
        roughness, green = 1.0 - smoothness, source["normal"][..., 1]
        assert detail.min() == 1.0
    else:
        base, normal, packed = (
            _ending(maps, f"_Skin_{end}") for end in ("baseColor", "normal", "occlusionRoughnessMetallic")
        )
        occlusion, roughness, metallic = packed[..., 0], packed[..., 1], packed[..., 2]
        green = source["normal"][..., 1]
        materials = {entry["name"].split("_")[-1]: entry for entry in round_trip.read_glb(trip.path)["materials"]}
        skin = materials["Skin"]
        assert skin["occlusionTexture"]["index"] == skin["pbrMetallicRoughness"]["metallicRoughnessTexture"]["index"]
        assert "specularTexture" in skin["extensions"]["KHR_materials_specular"] and "normalTexture" in skin
        assert materials["Lashes"]["alphaMode"] == "BLEND"
    np.testing.assert_allclose(base[..., :3], source["diffuse"][..., :3], atol=step)
    np.testing.assert_allclose(roughness, source["roughness"][..., 0], atol=step)
    assert metallic.max() == 0.0
    # The package's normals may be of any length; ours are units.
    wanted = source["normal"][..., :3] * 2.0 - 1.0
    length = np.linalg.norm(wanted, axis=-1)
    np.testing.assert_allclose(normal[..., 1], (green * 2 - 1) / length * 0.5 + 0.5, atol=2 * step)
    np.testing.assert_allclose(normal[..., 0], wanted[..., 0] / length * 0.5 + 0.5, atol=2 * step)
    _check_occlusion(trip.package, occlusion)


def _check_occlusion(package, occlusion: np.ndarray) -> None:
    """Nostrils are dark, the scalp is not: read at the vertices' own UVs."""
    level = package.levels[-1]
    height, width = occlusion.shape

    def at(faces: np.ndarray) -> np.ndarray:
        uv = level.uv[np.unique(level.face_uv[faces])]
        return occlusion[(uv[:, 1] * (height - 1)).astype(int), (uv[:, 0] * (width - 1)).astype(int)]

    part = np.array(package.part_names)[level.part]
    heights = level.vertices[level.quads].mean(1)[:, 1]
    scalp = (part == "skin") & (heights > np.quantile(heights, 0.97))
    assert np.median(at(part == "nostril")) < 0.5 < 0.9 < np.median(at(scalp))


def test_fbx_points_to_the_maps_beside_it(trip):
    if trip.key not in FBX:
        pytest.skip("FBX only")
    textures = [
        element
        for element in engine_trip.child(engine_trip.parsed_fbx(trip.path), b"Objects").elems
        if element.id == b"Texture"
    ]
    names = {
        engine_trip.child(texture, b"RelativeFilename").props[0].decode().replace("\\", "/") for texture in textures
    }
    assert names and all(name.startswith("head_textures/") for name in names)
    assert all((trip.path.parent / name).is_file() for name in names)
    skin = next(slot.material for slot in trip.levels[0].mesh.material_slots if slot.material.name.endswith("Skin"))
    linked = {node.image.name.split(".")[0] for node in skin.node_tree.nodes if node.type == "TEX_IMAGE"}
    assert len(linked) == 2, linked  # base colour and normal
