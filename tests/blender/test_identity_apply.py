"""Apply: the edited head finished, in a window too, and what can go wrong meanwhile."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from identity_helpers import LIVE, activate, evaluated, positions, shapes, the_head
from window_double import Window, beats, double, event


def test_apply_finishes_the_head_in_one_step(built, load, model):
    head, package = built
    codes = load("blender_addon.identity.codes")
    activate(head)
    with pytest.raises(RuntimeError, match="Nothing to apply"):
        bpy.ops.mien.apply_identity()
    state = head.head.mien_identity
    state.control_eye_spacing, state.control_eye_size, state.control_nose_length = 2.0, 2.0, 1.0
    live = evaluated(head.head)
    wanted = load("blender_addon.identity.live").wanted_codes(head.head)
    own = head.head.shape_key_add(name="scar", from_mix=False)
    dent = positions(own.data)
    dent[100] += (0.0, 0.002, 0.0)
    own.data.foreach_set("co", dent.ravel())
    bones = {bone.name: np.array(bone.head_local) for bone in head.rig.data.bones}
    before = shapes(head.head)[1:]
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.mien.apply_identity("EXEC_DEFAULT", True) == {"FINISHED"}

    head = the_head(load)
    state = head.head.mien_identity
    assert state.control_eye_spacing == 0.0 and LIVE not in head.head.data.shape_keys.key_blocks
    np.testing.assert_allclose(codes.codes_of(head.head), wanted, atol=1e-5)
    assert np.linalg.norm(codes.fit_codes_of(head.head) - wanted) > 1.0
    rest = positions(head.head.data.shape_keys.key_blocks[0].data)
    np.testing.assert_array_equal(positions(head.head.data.vertices), rest)
    # What the artist saw is what he gets, but for lids, lashes and teeth.
    skin = np.linalg.norm(rest - live, axis=1)
    assert np.percentile(skin, 75) < 0.5e-3 and skin.max() < 6e-3
    # Bones stand in the new joints, and their followers with them.
    moved = np.linalg.norm(np.array(head.rig.data.bones["eye_left"].head_local) - bones["eye_left"])
    assert moved > 1e-3
    for name in ("eye_left", "jaw"):
        np.testing.assert_allclose(
            head.rig.data.bones[name].head_local, head.rig.data.bones[f"{name}_follow"].head_local, atol=1e-6
        )
    # The eyeball is round about its bone: 12 mm, up to the fitted size.
    ball = eyeball(head, "left")
    distance = np.linalg.norm(rest[ball] - np.array(head.rig.data.bones["eye_left"].head_local), axis=1)
    assert 0.0108 < np.median(distance) < 0.0128
    # The artist's own key is still his dent.
    scar = positions(head.head.data.shape_keys.key_blocks["scar"].data) - rest
    assert scar[100] == pytest.approx((0.0, 0.002, 0.0), abs=1e-6) and np.abs(np.delete(scar, 100, 0)).max() < 1e-6
    # Shapes were refitted round the eyes, and are the same elsewhere.
    names = list(head.head.data.shape_keys.key_blocks.keys())
    change = np.abs(shapes(head.head)[1:] - before).max((1, 2))
    assert change[names.index("eyeBlinkLeft") - 1] > 1e-4 and change[names.index("cheekPuff") - 1] < 1e-3
    # The coarse level is the same head.
    coarse = positions(head.lods[0].data.shape_keys.key_blocks[0].data)
    np.testing.assert_array_equal(coarse, rest[model.vertex_ids[0]])

    bpy.ops.ed.undo()
    head = the_head(load)
    assert head.head.mien_identity.control_eye_spacing == 2.0 and LIVE in head.head.data.shape_keys.key_blocks
    np.testing.assert_allclose(np.array(head.rig.data.bones["eye_left"].head_local), bones["eye_left"], atol=1e-7)
    np.testing.assert_allclose(shapes(head.head)[1:], before, atol=1e-7)


def eyeball(head, side: str) -> np.ndarray:
    groups = {head.head.vertex_groups[f"part_eye_{side}"].index, head.head.vertex_groups[f"eye_{side}"].index}
    return np.array(
        [v.index for v in head.head.data.vertices if groups <= {g.group for g in v.groups if g.weight > 0.5}]
    )


@pytest.fixture
def lid_loops(load):
    """side -> [4][n] vertex ids of the lid's margin, from its front edge to its rear edge."""
    path = load("blender_addon.identity.model").TEMPLATE_FILE
    tensors, _ = load("neural_backend.protocol.safetensors").read_header(path)
    content = path.read_bytes()

    def read(name):
        tensor = tensors[name]
        return np.frombuffer(content[tensor.begin : tensor.end], tensor.dtype).astype(int)

    return {side: [read(f"curve_1/eye_{side}_{loop:02d}") for loop in (8, 9, 10, 11)] for side in ("left", "right")}


def widest_opening(points: np.ndarray, rest: np.ndarray, loops: list[np.ndarray], centre: np.ndarray) -> float:
    """Metres between upper and lower lid round the eye: the least over the margin's loops, the most over x."""
    spans = points[loops[1], 0].min(), points[loops[1], 0].max()
    x = np.linspace(spans[0] + 0.06 * np.ptp(spans), spans[1] - 0.06 * np.ptp(spans), 30)
    openings = []
    for loop in loops:
        loop = np.roll(loop, -int(rest[loop, 0].argmin()))
        other = int(rest[loop, 0].argmax())
        halves = sorted((loop[: other + 1], np.append(loop[other:], loop[0])), key=lambda half: rest[half, 2].mean())
        angles = []
        for half in halves:
            half = half[np.argsort(points[half, 0])]
            offset = points[half] - centre
            angles.append(np.interp(x, points[half, 0], np.arctan2(offset[:, 2], -offset[:, 1])))
        openings.append(12e-3 * (angles[1] - angles[0]))
    return float(np.min(openings, 0).max())


def test_applied_lids_rest_on_the_eyes_and_close(built, load, lid_loops):
    """Measured on Blender's own mesh: no margin in the ball, at rest and blinking, and the blink is closed."""
    head, _ = built
    activate(head)
    state = head.head.mien_identity
    state.control_eye_size, state.control_eye_tilt, state.control_eye_width = 2.0, 2.0, -1.5
    assert bpy.ops.mien.apply_identity() == {"FINISHED"}
    bones, mesh = head.rig.data.bones, head.head
    rest = positions(mesh.data.vertices)
    for side in ("left", "right"):
        loops = lid_loops[side]
        centre = np.array(bones[f"eye_{side}"].head_local)
        radius = np.median(np.linalg.norm(rest[eyeball(head, side)] - centre, axis=1))
        block = mesh.data.shape_keys.key_blocks[f"eyeBlink{side.capitalize()}"]
        for value in (0.0, 1.0):
            block.value = value
            points = evaluated(mesh)
            distance = np.linalg.norm(points[np.concatenate(loops)] - centre, axis=1)
            assert distance.min() > radius + 0.05e-3, (side, value, distance.min() - radius)
            opening = widest_opening(points, rest, loops, centre)
            assert opening > 4e-3 if value == 0.0 else opening < 0.2e-3, (side, value, opening)


def test_apply_twice_does_not_drift(built, load):
    head, _ = built
    activate(head)
    for value in (1.0, -1.0):
        head.head.mien_identity.control_face_width = value
        assert bpy.ops.mien.apply_identity() == {"FINISHED"}
        first = shapes(head.head) if value > 0 else None
    head.head.mien_identity.control_face_width = 1.0
    assert bpy.ops.mien.apply_identity() == {"FINISHED"}
    np.testing.assert_allclose(shapes(head.head), first if first is not None else shapes(head.head), atol=1e-4)


def test_reset_to_the_fit_and_apply_is_the_fit(built, load):
    head, _ = built
    activate(head)
    codes = load("blender_addon.identity.codes")
    # A first Apply brings the test package's plain linear head into its finished form.
    head.head.mien_identity.mode_03 = 1e-4
    bpy.ops.mien.apply_identity()
    start = shapes(head.head)
    bpy.ops.mien.randomise_identity(seed=2, strength=0.6)
    bpy.ops.mien.apply_identity()
    assert np.abs(shapes(head.head)[0] - start[0]).max() > 3e-3
    assert bpy.ops.mien.reset_identity(to="FIT") == {"FINISHED"}
    assert bpy.ops.mien.apply_identity() == {"FINISHED"}
    np.testing.assert_allclose(codes.codes_of(head.head), codes.fit_codes_of(head.head), atol=1e-4)
    np.testing.assert_allclose(shapes(head.head)[0], start[0], atol=3e-4)


@pytest.fixture
def windowed(load):
    """(operator, window): Apply as the window runs it, its reports kept."""
    cls = load("operators.apply_identity").MIEN_OT_apply_identity
    return double(cls, load("operators.beat").Beat), Window()


def read(operator, window):
    """Beats until the process beside runs."""
    return beats(operator, window, lambda: operator._finishing is not None)


def begin(head, operator, window):
    """An edited head, and Apply under way: the process beside runs."""
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    operator.invoke(window, None)
    read(operator, window)


def end(operator, window):
    """The process ends, and beats until the operator does."""
    read(operator, window)
    operator._finishing.wait()
    return beats(operator, window)


def test_in_a_window_apply_never_waits_and_finishes(built, load, windowed):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    wanted = load("blender_addon.identity.live").wanted_codes(head.head)
    operator, window = windowed
    assert operator.invoke(window, None) == {"RUNNING_MODAL"}
    assert window.handlers and window.timers and "Esc" in load("blender_addon.status").words()[0]
    assert not bpy.ops.mien.apply_identity.poll()  # one at a time
    assert operator.modal(window, event("MOUSEMOVE")) == {"PASS_THROUGH"}
    assert read(operator, window) == {"PASS_THROUGH"}
    folder = operator._finishing.folder
    assert end(operator, window) == {"FINISHED"}
    assert not window.timers and not load("blender_addon.status").words() and not folder.exists()
    np.testing.assert_allclose(load("blender_addon.identity.codes").codes_of(head.head), wanted, atol=1e-5)


def test_sliders_moved_meanwhile_are_not_lost(built, load, windowed):
    head, _ = built
    activate(head)
    live, codes = load("blender_addon.identity.live"), load("blender_addon.identity.codes")
    head.head.mien_identity.control_jaw_width = 1.0
    first = live.wanted_codes(head.head)
    operator, window = windowed
    operator.invoke(window, None)
    read(operator, window)
    head.head.mien_identity.control_jaw_width = 2.0
    second = live.wanted_codes(head.head)
    assert end(operator, window) == {"FINISHED"}
    np.testing.assert_allclose(codes.codes_of(head.head), first, atol=1e-5)
    np.testing.assert_allclose(live.wanted_codes(head.head), second, atol=1e-4)


@pytest.mark.parametrize("after", [1, 40, 75, 120])
def test_undo_while_it_is_written_begins_the_writing_again(built, load, windowed, after):
    head, _ = built
    activate(head)
    head.head.shape_key_add(name="Own", from_mix=False).data[5].co.z += 0.01
    offset = own_displacement(head.head)
    head.head.mien_identity.control_jaw_width = 1.0
    bpy.ops.ed.undo_push(message="slid")
    bpy.context.scene.frame_current = 9
    bpy.ops.ed.undo_push(message="later")
    operator, window = windowed
    operator.invoke(window, None)
    read(operator, window)
    operator._finishing.wait()
    codes = operator._finishing.codes
    while operator._result is None:
        operator.modal(window, event("TIMER"))
    for _ in range(after):
        operator._slices.advance(1e-5)  # one step
    assert not operator._slices.is_done
    bpy.ops.ed.undo()
    assert beats(operator, window) == {"FINISHED"}
    objects = load("blender_addon.head.objects")
    head = objects.current_head(bpy.context)
    np.testing.assert_allclose(load("blender_addon.identity.codes").codes_of(head.head), codes, atol=1e-5)
    np.testing.assert_allclose(own_displacement(head.head), offset, atol=1e-6)
    assert LIVE not in head.head.data.shape_keys.key_blocks


def own_displacement(mesh):
    blocks = mesh.data.shape_keys.key_blocks
    return np.array([np.subtract(a.co, b.co) for a, b in zip(blocks["Own"].data, blocks[0].data, strict=True)])


def test_a_file_saved_while_it_is_written_holds_it_as_it_was(built, load, windowed, tmp_path):
    head, _ = built
    activate(head)
    before = shapes(head.head)
    head.head.mien_identity.control_jaw_width = 1.0
    operator, window = windowed
    operator.invoke(window, None)
    read(operator, window)
    operator._finishing.wait()
    beats(operator, window, lambda: operator._result is not None and operator._slices is not None)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"), copy=True)
    assert operator._slices.abandoned
    np.testing.assert_array_equal(shapes(head.head)[: len(before)], before)
    assert beats(operator, window) == {"FINISHED"}  # begun again
    codes = load("blender_addon.identity.codes").codes_of(head.head)
    np.testing.assert_allclose(codes, operator._finishing.codes, atol=1e-5)


def test_it_waits_for_the_artist_to_leave_edit_mode(built, load, windowed):
    head, _ = built
    begin(head, *windowed)
    operator, window = windowed
    operator._finishing.wait()
    bpy.ops.object.mode_set(mode="EDIT")
    for _ in range(300):
        assert operator.modal(window, event("TIMER")) == {"PASS_THROUGH"}
    bpy.ops.object.mode_set(mode="OBJECT")
    assert beats(operator, window) == {"FINISHED"}
    codes = load("blender_addon.identity.codes").codes_of(head.head)
    np.testing.assert_allclose(codes, operator._finishing.codes, atol=1e-5)


def test_what_is_sculpted_meanwhile_is_not_overwritten(built, load, windowed):
    head, _ = built
    begin(head, *windowed)
    operator, window = windowed
    head.head.data.shape_keys.key_blocks["jawOpen"].data[100].co.z += 0.004
    sculpted = shapes(head.head)
    assert end(operator, window) == {"CANCELLED"}
    np.testing.assert_array_equal(shapes(head.head), sculpted)
    assert "was changed while it was being finished" in operator.reports[0][1]


def test_esc_stops_apply_and_leaves_the_head(built, windowed):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    before = shapes(head.head)
    operator, window = windowed
    operator.invoke(window, None)
    read(operator, window)
    process, folder = operator._finishing.process, operator._finishing.folder
    assert operator.modal(window, event("ESC")) == {"CANCELLED"}
    assert process.poll() is not None and not folder.exists() and not window.timers
    np.testing.assert_array_equal(shapes(head.head), before)
    assert bpy.ops.mien.apply_identity.poll()


@pytest.mark.parametrize("when", ["while it is read", "while it is finished", "while it is written"])
def test_a_head_deleted_meanwhile_is_said(built, windowed, when):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    operator, window = windowed
    operator.invoke(window, None)
    if when == "while it is read":
        assert operator.modal(window, event("TIMER")) == {"PASS_THROUGH"} and operator._finishing is None
    else:
        read(operator, window)
    if when == "while it is written":
        operator._finishing.wait()
        assert operator.modal(window, event("TIMER")) == {"PASS_THROUGH"} and operator._result is not None
    for thing in (head.head, head.rig, *head.lods, *head.cameras):
        bpy.data.objects.remove(thing)
    if operator._finishing is not None:
        operator._finishing.wait()
    assert beats(operator, window) == {"CANCELLED"}
    ((kind, sentence),) = operator.reports
    assert kind == {"ERROR"} and sentence.startswith("The head was removed while it was being finished")
    assert not window.timers


def test_a_process_that_fails_changes_nothing_and_says_so(built, load, monkeypatch, tmp_path):
    head, _ = built
    activate(head)
    finish = load("blender_addon.identity.finish")
    tasks = tmp_path / "neural_backend" / "tasks"
    tasks.mkdir(parents=True)
    for folder in (tasks.parent, tasks):
        (folder / "__init__.py").touch()
    (tasks / "refine.py").write_text("raise MemoryError('no room')")
    monkeypatch.setattr(finish, "ROOT", tmp_path)
    head.head.mien_identity.control_jaw_width = 1.0
    before = shapes(head.head)
    with pytest.raises(RuntimeError, match="Finishing the head failed .*no room.* try again"):
        bpy.ops.mien.apply_identity()
    np.testing.assert_array_equal(shapes(head.head), before)
    assert head.head.mien_identity.control_jaw_width == 1.0


def test_other_vertices_are_refused_with_a_sentence(built):
    head, _ = built
    activate(head)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    head.head.data.vertices[0].select = True
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_mode(type="VERT")
    bpy.ops.mesh.delete(type="VERT")
    bpy.ops.object.mode_set(mode="OBJECT")
    head.head.mien_identity.control_jaw_width = 1.0  # no exception, no key
    assert LIVE not in head.head.data.shape_keys.key_blocks
    with pytest.raises(RuntimeError, match="other vertices"):
        bpy.ops.mien.randomise_identity()
