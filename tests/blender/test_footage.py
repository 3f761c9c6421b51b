"""Expression from photo and footage in Blender, with the real backend: sliders, one action, undo, cancel, errors."""

from __future__ import annotations

import json
import subprocess

import bpy
import numpy as np
import pytest
from backend_helpers import PORTRAIT, ROOT, backend_python, until

FRAMES = 12


@pytest.fixture(scope="session")
def frames(tmp_path_factory):
    """A folder of frames: the portrait moves to the right, and is gone in frames 7 and 8."""
    folder = tmp_path_factory.mktemp("footage") / "walk"
    folder.mkdir()
    script = (
        "import cv2, numpy as np, sys\n"
        f"photo = cv2.imread({str(PORTRAIT)!r})\n"
        f"for k in range({FRAMES}):\n"
        "    frame = np.full_like(photo, 90)\n"
        "    if k not in (7, 8): frame[:, 4 * k:] = photo[:, :512 - 4 * k]\n"
        f"    cv2.imwrite({str(folder)!r} + f'/frame_{{k}}.png', frame)\n"
    )
    subprocess.run([backend_python(), "-c", script], check=True)
    return folder


def values(head):
    blocks = head.head.data.shape_keys.key_blocks
    return {block.name: block.value for block in blocks if block.name != "Basis"}


def takes(load):
    folder = load("blender_addon.paths").takes_folder()
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def test_a_photo_sets_the_sliders_in_one_step(built, session, load):
    head, _ = built
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.mien.expression_from_photo("EXEC_DEFAULT", True, photo=str(PORTRAIT)) == {"FINISHED"}
    shown = values(head)
    assert min(shown["mouthSmileLeft"], shown["mouthSmileRight"]) > 0.4  # she smiles
    assert max(shown["mouthFrownLeft"], shown["jawLeft"], shown["eyeBlinkLeft"]) < 0.3
    assert not bpy.data.actions and not session.get().works and takes(load) == []
    bpy.ops.ed.undo()
    assert max(values(load("blender_addon.head.objects").current_head(bpy.context)).values()) == 0.0


def test_a_photo_can_be_keyed(built, session, load):
    head, _ = built
    bpy.context.scene.frame_set(17)
    bpy.ops.mien.expression_from_photo(photo=str(PORTRAIT), key=True)
    curves = load("blender_addon.compat").fcurves_of(head.head.data.shape_keys)
    assert len(curves) == 52 and {tuple(curve.keyframe_points[0].co)[0] for curve in curves} == {17.0}


def test_frames_become_one_action(built, session, load, frames):
    head, _ = built
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 50, 1.0
    bpy.ops.ed.undo_push(message="before")
    done = bpy.ops.mien.expression_from_footage(
        "EXEC_DEFAULT", True, footage=str(frames), frame_rate=25.0, first_frame=5, head_rotation=True
    )
    assert done == {"FINISHED"}
    compat = load("blender_addon.compat")
    both = compat.action_serves_both()
    assert sorted(action.name for action in bpy.data.actions) == (["walk"] if both else ["walk", "walk head"])
    curves = {curve.data_path: curve for curve in compat.fcurves_of(head.head.data.shape_keys)}
    assert len(curves) == 52
    count = 2 * (FRAMES - 1) + 1  # 25 a second onto 50
    smile = curves['key_blocks["mouthSmileLeft"].value'].keyframe_points
    assert [point.co.x for point in smile] == list(range(5, 5 + count)) and scene.frame_end == 4 + count
    assert min(point.co.y for point in smile) > 0.3
    turns = [curve for curve in compat.fcurves_of(head.rig) if "rotation_euler" in curve.data_path]
    assert len(turns) == 3 and all(abs(point.co.y) < 0.2 for curve in turns for point in curve.keyframe_points)
    assert all(len(curve.keyframe_points) == count for curve in turns)
    assert takes(load) == ["walk.take"] and not session.get().works
    text = json.loads((load("blender_addon.paths").takes_folder() / "walk.take" / "take.json").read_text())
    assert text["gaps"] == [[0.28, 0.32]]
    bpy.ops.ed.undo()  # one step
    current = load("blender_addon.head.objects").current_head(bpy.context)
    assert not compat.fcurves_of(current.head.data.shape_keys) and not compat.fcurves_of(current.rig)


def test_cancel_leaves_nothing(built, session, load, frames):
    head, package = built
    work = session.submit_capture(str(package.path), head.uuid, (str(frames),), "walk", 25.0)
    until(lambda: work.job.view.stage == "look" and work.job.view.done > 0.2, 120.0, session.pump)
    assert bpy.ops.mien.cancel_job(work=work.id) == {"FINISHED"}
    until(lambda: work.job.is_over, 10.0, session.pump)
    session.pump()
    assert work.job.view.state.name == "CANCELLED" and not session.get().works
    assert takes(load) == [] and not bpy.data.actions


def test_a_take_left_behind_is_offered(built, session, load, frames):
    head, package = built
    work = session.submit_capture(str(package.path), head.uuid, (str(frames),), "walk", 25.0)
    until(lambda: work.job.is_over, 120.0, session.pump)
    assert work.waits_for_the_artist(session.get().file)
    with pytest.raises(RuntimeError, match="no head"):
        bpy.ops.mien.collect_head(work=work.id)
    bpy.context.scene.mien_capture.first_frame = 3
    assert bpy.ops.mien.collect_take(work=work.id) == {"FINISHED"}
    assert bpy.data.actions["walk"].frame_range[0] == 3 and not session.get().works


@pytest.mark.parametrize(
    ("footage", "sentence"),
    [("", "Nothing is chosen"), ("/nowhere/clip.mp4", "is not there"), ("{folder}", "holds no pictures")],
)
def test_bad_footage_is_said(built, session, tmp_path, footage, sentence):
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.mien.expression_from_footage(footage=footage.format(folder=tmp_path))
    assert not bpy.data.actions


def test_a_head_whose_package_is_gone(built, session, load):
    head, _ = built
    head.rig["mien_package"] = "/nowhere/head.head"
    with pytest.raises(RuntimeError, match="import the head again"):
        bpy.ops.mien.expression_from_photo(photo=str(PORTRAIT))


def test_a_damaged_take_is_said(load, tmp_path, extension):
    module = load("blender_addon.expression.takes")
    (tmp_path / "a.take").mkdir()
    with pytest.raises(module.TakeError, match="is not a take"):
        module.read_take(tmp_path / "a.take")
    (tmp_path / "a.take" / "take.json").write_text('{"format": 1, "name": "a", "gaps": []}')
    np.savez(tmp_path / "a.take" / "take.npz", seconds=np.zeros(3), weights=np.zeros((3, 52)), view_from_head=0)
    with pytest.raises(module.TakeError, match="damaged"):
        module.read_take(tmp_path / "a.take")


def test_the_levelled_head_starts_from_its_middle(load, extension):
    """A head that shakes about a tilted camera's axes shakes about its own in the bone."""
    module = load("blender_addon.expression.takes")
    shake = 0.3 * np.sin(np.linspace(0, 2 * np.pi, 40, endpoint=False))
    own = np.array([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in shake])
    tilt = np.array([[1, 0, 0], [0, np.cos(0.4), -np.sin(0.4)], [0, np.sin(0.4), np.cos(0.4)]])
    recording = load("blender_addon.expression.recording").Recording(np.arange(40.0), np.zeros((40, 52)), None)
    take = module.Take(ROOT, "t", recording, tilt @ own, ())
    np.testing.assert_allclose(take.levelled().head, np.stack([shake, 0 * shake, 0 * shake], 1), atol=1e-9)
