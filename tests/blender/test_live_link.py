"""Live Link Face: recordings with known motion, read at several rates and put onto the timeline."""

from __future__ import annotations

import bpy
import numpy as np
import pytest


def column(name: str) -> str:
    return name[0].upper() + name[1:]


def write_take(path, names, rate=60, count=121, start=(23, 59, 59), angles=True, drop=()):
    """A take: jawOpen rises by 0.5 a second, the left eye blinks as a sine, the head yaws by 0.2 radians a second."""
    header = ["Timecode", "BlendShapeCount", *map(column, names)]
    header += ["HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll"] if angles else []
    lines = [",".join(header)]
    for index in range(count):
        if index in drop:
            continue
        t = index / rate
        whole = start[0] * 3600 + start[1] * 60 + start[2] + index // rate
        clock = f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{index % rate:02d}.000"
        value = {"jawOpen": 0.5 * t, "eyeBlinkLeft": 0.5 - 0.5 * np.cos(2 * np.pi * t)}
        row = [clock, "61", *[f"{value.get(name, 0.0):.6f}" for name in names]]
        row += [f"{0.2 * t:.6f}", "0.1", "-0.05", "0", "0", "0"] if angles else []
        lines.append(",".join(row))
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


@pytest.fixture
def names(load):
    return load("neural_backend.protocol.arkit").ARKIT_NAMES


@pytest.mark.parametrize("rate", [24, 25, 30, 60])
@pytest.mark.parametrize("frame_rate", [24.0, 30000 / 1001, 60.0])
def test_resampled_at_the_scenes_rate(load, names, tmp_path, rate, frame_rate):
    link = load("blender_addon.expression.live_link")
    recording = link.read_recording(write_take(tmp_path / "t.csv", names, rate, 2 * rate + 1))  # over midnight
    assert recording.seconds[-1] == pytest.approx(2.0)
    weights, head = load("blender_addon.expression.recording").resampled(recording, frame_rate)
    assert len(weights) == int(2.0 * frame_rate + 1e-6) + 1
    t = np.arange(len(weights)) / frame_rate
    np.testing.assert_allclose(weights[:, names.index("jawOpen")], 0.5 * t, atol=1e-5)
    blink = 0.5 - 0.5 * np.cos(2 * np.pi * t)
    np.testing.assert_allclose(weights[:, names.index("eyeBlinkLeft")], blink, atol=0.5 * (np.pi / rate) ** 2 + 1e-4)
    np.testing.assert_allclose(head, np.stack([0.2 * t, t * 0 + 0.1, t * 0 - 0.05], 1), atol=1e-5)


def test_dropped_and_doubled_frames_keep_the_time(load, names, tmp_path):
    link = load("blender_addon.expression.live_link")
    path = write_take(tmp_path / "t.csv", names, drop=(10, 11, 12, 40))
    lines = path.read_text().splitlines()
    lines.insert(30, lines[29])  # a repeated frame
    lines.append(lines[-1][:40])  # cut off
    path.write_text("\n".join(lines))
    weights, _ = load("blender_addon.expression.recording").resampled(link.read_recording(path), 60)
    np.testing.assert_allclose(weights[:, names.index("jawOpen")], 0.5 * np.arange(len(weights)) / 60, atol=1e-5)


def test_columns_in_any_order_and_some_missing(load, names, tmp_path):
    link = load("blender_addon.expression.live_link")
    kept = [name for name in names[::-1] if name != "tongueOut"]
    recording = link.read_recording(write_take(tmp_path / "t.csv", kept, angles=False))
    assert recording.missing == ("tongueOut",) and recording.head is None
    assert recording.weights[-1, names.index("jawOpen")] == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["", "hello", "Timecode,EyeBlinkLeft\n1,2\n", "\x00\xff"])
def test_other_files_are_refused(built, tmp_path, text):
    (tmp_path / "bad.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(RuntimeError, match="bad.csv"):
        bpy.ops.mien.import_live_link(filepath=str(tmp_path / "bad.csv"))
    assert not bpy.data.actions


def test_damaged_numbers_are_named(load, names, tmp_path):
    link = load("blender_addon.expression.live_link")
    path = write_take(tmp_path / "t.csv", names)
    path.write_text(path.read_text().replace("23:59:59:05.000", "yesterday"))
    with pytest.raises(link.LiveLinkError, match="'yesterday' is no timecode"):
        link.read_recording(path)


def test_take_on_the_timeline(built, load, names, tmp_path):
    head, _ = built
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    path = write_take(tmp_path / "Take 3.csv", names)
    done = bpy.ops.mien.import_live_link(
        filepath=str(path), first_frame=10, head_rotation=True, invert=(False, True, False)
    )
    assert done == {"FINISHED"}
    keys = head.head.data.shape_keys
    assert keys.animation_data.action.name == "Take 3" and scene.frame_end == 10 + 48
    both = load("blender_addon.compat").action_serves_both()
    assert len(bpy.data.actions) == (1 if both else 2)
    assert (head.rig.animation_data.action == keys.animation_data.action) == both
    for frame in (10, 22, 58):
        scene.frame_set(frame)
        t = (frame - 10) / 24
        assert keys.key_blocks["jawOpen"].value == pytest.approx(0.5 * t, abs=1e-4)
        assert keys.key_blocks["eyeBlinkLeft"].value == pytest.approx(0.5 - 0.5 * np.cos(2 * np.pi * t), abs=3e-3)
        assert tuple(head.rig.pose.bones["head"].rotation_euler) == pytest.approx((-0.1, 0.2 * t, -0.05), abs=1e-4)
    # Yaw turns the nose to the subject's left, +X.
    nose = min(head.head.data.vertices, key=lambda vertex: vertex.co.y).index
    evaluated = head.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert evaluated.data.vertices[nose].co.x > head.head.data.vertices[nose].co.x + 0.01


def test_an_earlier_take_is_kept(built, names, tmp_path):
    for take in ("one", "two"):
        bpy.ops.mien.import_live_link(filepath=str(write_take(tmp_path / f"{take}.csv", names, count=30)))
    assert {action.name for action in bpy.data.actions} == {"one", "two"}
    assert all(action.use_fake_user for action in bpy.data.actions)


def test_head_rotation_needs_the_angles(built, names, tmp_path):
    path = write_take(tmp_path / "t.csv", names, angles=False)
    with pytest.raises(RuntimeError, match="no head angles"):
        bpy.ops.mien.import_live_link(filepath=str(path), head_rotation=True)
    assert not bpy.data.actions
