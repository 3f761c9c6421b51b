"""The reader of head packages: what is whole is read, what is not is refused in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def reader(load):
    return load("blender_addon.head.package")


def edit_description(package, **changes):
    file = package / "head.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def edit_arrays(package, **changes):
    with np.load(package / "mesh.npz") as arrays:
        content = dict(arrays) | changes
    np.savez(package / "mesh.npz", **{name: value for name, value in content.items() if value is not None})


def test_reads_what_was_written(reader, package_path):
    package = reader.read_package(package_path)
    assert package.levels[0].vertices.shape[0] < package.levels[-1].vertices.shape[0]
    assert len(package.part_names) == len(package.texture_sets)
    assert all(file.is_file() for files in package.maps.values() for file in files.values())
    with np.load(package_path / "mesh.npz") as arrays:
        np.testing.assert_array_equal(package.levels[1].vertices, arrays["vertices_1"])
        np.testing.assert_array_equal(package.levels[1].arkit, arrays["arkit_1"].astype(np.float32))


def test_the_file_in_the_folder_will_do(reader, package_path):
    assert reader.read_package(package_path / "head.json").name == reader.read_package(package_path).name


def test_shapes_are_found_by_name(reader, copied_package):
    names = json.loads((copied_package / "head.json").read_text())["arkit_names"]
    order = np.random.default_rng(1).permutation(len(names))
    with np.load(copied_package / "mesh.npz") as arrays:
        before = arrays["arkit_1"].astype(np.float32)
        shuffled = {f"arkit_{level}": arrays[f"arkit_{level}"][order] for level in (0, 1)}
    edit_arrays(copied_package, **shuffled)
    edit_description(copied_package, arkit_names=[names[index] for index in order])
    np.testing.assert_array_equal(reader.read_package(copied_package).levels[1].arkit, before)


def damage_truncate(package):
    file = package / "mesh.npz"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def damage_flip(package):
    file = package / "mesh.npz"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(255 - value for value in content[middle : middle + 64])
    file.write_bytes(bytes(content))


def damage_nan(package):
    with np.load(package / "mesh.npz") as arrays:
        vertices = arrays["vertices_1"].copy()
    vertices[7, 1] = np.nan
    edit_arrays(package, vertices_1=vertices)


def damage_index(package):
    with np.load(package / "mesh.npz") as arrays:
        quads = arrays["quads_1"].copy()
    quads[3, 2] = 10_000_000
    edit_arrays(package, quads_1=quads)


def damage_pickle(package):
    edit_arrays(package, joint_positions=np.array([{"a": 1}], object))


DAMAGES = {
    "no folder": (lambda package: package.rename(package.with_name("elsewhere")), "not a head package"),
    "no description": (lambda package: (package / "head.json").unlink(), "not a head package"),
    "description is no JSON": (lambda package: (package / "head.json").write_text("{"), "not a head package"),
    "description is a list": (lambda package: (package / "head.json").write_text("[]"), "not a head package"),
    "no mesh": (lambda package: (package / "mesh.npz").unlink(), "no mesh.npz"),
    "newer format": (lambda package: edit_description(package, format=99), "newer Mien"),
    "truncated mesh": (damage_truncate, "damaged"),
    "bit rot": (damage_flip, "damaged"),
    "empty mesh": (lambda package: (package / "mesh.npz").write_bytes(b""), "damaged"),
    "array missing": (lambda package: edit_arrays(package, quads_1=None), "damaged"),
    "not finite": (damage_nan, "damaged"),
    "index outside": (damage_index, "damaged"),
    "pickled array": (damage_pickle, "damaged"),
    "photo missing": (lambda package: edit_description(package, photos=[]), "damaged"),
    "shape missing": (lambda package: edit_description(package, arkit_names=["jawOpen"]), "damaged"),
    "joint loop": (lambda package: edit_description(package, joint_parents=[1, 0, 1, 1, 1]), "damaged"),
    "map leads out": (
        lambda package: edit_description(package, maps={"skin": {"diffuse": "../../secret.png"}}),
        "damaged",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_not_whole_is_refused(reader, copied_package, case):
    damage, words = DAMAGES[case]
    damage(copied_package)
    with pytest.raises(reader.PackageError, match=words) as caught:
        reader.read_package(copied_package)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".") and len(sentence) < 300
