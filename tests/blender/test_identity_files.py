"""Identities in files, mixtures of two heads, export and saving of what is not applied."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from identity_helpers import LIVE, activate, evaluated, positions, shapes, the_head


def test_an_identity_travels_by_file(built, load, tmp_path, package_path):
    head, package = built
    activate(head)
    live = load("blender_addon.identity.live")
    bpy.ops.mien.randomise_identity(seed=9)
    wanted = live.wanted_codes(head.head)
    assert bpy.ops.mien.save_identity(filepath=str(tmp_path / "aunt.identity.json")) == {"FINISHED"}
    (file,) = tmp_path.iterdir()
    assert file.name == "aunt.identity.json"
    bpy.ops.mien.reset_identity()
    assert bpy.ops.mien.load_identity(filepath=str(file)) == {"FINISHED"}
    np.testing.assert_allclose(live.wanted_codes(head.head), wanted, atol=1e-4)
    assert bpy.ops.mien.load_identity(filepath=str(package_path / "head.json")) == {"FINISHED"}
    np.testing.assert_allclose(live.wanted_codes(head.head)[: len(package.identity)], package.identity, atol=1e-4)
    assert bpy.ops.mien.average_identity() == {"FINISHED"}
    np.testing.assert_allclose(live.wanted_codes(head.head), 0.0, atol=1e-5)
    for text in ("{}", "no", '{"mien_identity": 9, "codes": []}', json.dumps({"mien_identity": 1, "codes": [0] * 99})):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(RuntimeError, match="bad.json"):
            bpy.ops.mien.load_identity(filepath=str(tmp_path / "bad.json"))


def test_saved_identities_stand_in_the_menu(built, load, tmp_path, monkeypatch):
    saved = load("blender_addon.identity.saved")
    assert saved.folder() is not None  # the extension's own place for the user's files
    monkeypatch.setattr(saved, "folder", lambda create=False: tmp_path)
    saved.save(tmp_path / saved.file_name("Old Man"), "Old Man", np.zeros(80))
    assert [saved.name_of(path) for path in saved.listed()] == ["Old Man"]
    with pytest.raises(load("blender_addon.identity.model").IdentityError, match="cannot name"):
        saved.file_name("///")


def test_a_mixture_goes_from_one_head_to_the_other(built, load, second):
    head, _ = built
    activate(head)
    own, other = shapes(head.head), shapes(second.head)
    state = head.head.mien_identity
    state.mix_with = second.head
    for share in (0.25, 1.0):
        state.mix = share
        np.testing.assert_allclose(evaluated(head.head), own[0] + share * (other[0] - own[0]), atol=2e-6)
    materials = [slot.material for slot in head.head.material_slots]
    state.mix = 0.5
    assert bpy.ops.mien.apply_identity() == {"FINISHED"}
    codes = load("blender_addon.identity.codes")
    middle = (codes.fit_codes_of(head.head) + codes.codes_of(second.head)) / 2
    np.testing.assert_allclose(codes.codes_of(head.head), middle, atol=1e-5)
    distance = np.linalg.norm(shapes(head.head)[0] - (own[0] + other[0]) / 2, axis=1)
    assert np.percentile(distance, 80) < 0.5e-3
    assert [slot.material for slot in head.head.material_slots] == materials  # colours stay the active head's
    np.testing.assert_array_equal(shapes(second.head), other)
    assert state.mix == 0.0


def test_the_other_head_may_vanish(built, load, second):
    head, _ = built
    head.head.mien_identity.mix_with = second.head
    head.head.mien_identity.mix = 0.5
    for thing in (second.head, second.rig, *second.lods, *second.cameras):
        bpy.data.objects.remove(thing)
    head.head.mien_identity.mix = 0.6
    own = positions(head.head.data.shape_keys.key_blocks[0].data)
    np.testing.assert_allclose(evaluated(head.head), own, atol=1e-7)


def test_an_unapplied_change_is_exported_as_it_looks(built, load, tmp_path):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_ear_size = 2.0
    seen = evaluated(head.head)
    assert bpy.ops.mien.export_glb(filepath=str(tmp_path / "head.glb")) == {"FINISHED"}
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "head.glb"))
    (mesh,) = [m for m in bpy.data.meshes if m.shape_keys]
    assert len(mesh.shape_keys.key_blocks) == 53 and LIVE not in mesh.shape_keys.key_blocks
    low, high = (
        positions(mesh.shape_keys.key_blocks[0].data).min(0),
        positions(mesh.shape_keys.key_blocks[0].data).max(0),
    )
    np.testing.assert_allclose([low, high], [seen.min(0), seen.max(0)], atol=1e-5)


def test_an_unapplied_change_is_saved(built, load, tmp_path):
    head, _ = built
    head.head.mien_identity.control_nose_length = 2.0
    seen = evaluated(head.head)
    path = str(tmp_path / "head.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    head = the_head(load)
    assert head.head.mien_identity.control_nose_length == 2.0
    np.testing.assert_allclose(evaluated(head.head), seen, atol=1e-7)
    assert bpy.ops.mien.reset_identity() == {"FINISHED"}


def test_a_head_of_an_older_mien_is_told_apart(built, load):
    head, package = built
    codes = load("blender_addon.identity.codes")
    for name in (codes.CODES_PROPERTY, codes.FIT_PROPERTY, codes.REST_PROPERTY):
        del head.head[name]
    head.head.mien_identity.control_jaw_width = 1.0
    assert LIVE not in head.head.data.shape_keys.key_blocks
    with pytest.raises(RuntimeError, match="import its package again"):
        bpy.ops.mien.randomise_identity()
    assert codes.recall(head)
    np.testing.assert_allclose(codes.codes_of(head.head)[: len(package.identity)], package.identity)
    assert bpy.ops.mien.randomise_identity() == {"FINISHED"}
