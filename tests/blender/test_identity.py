"""The identity controls: live sliders, Apply, reset, chance, files, mixtures."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest

LIVE = "Identity (unapplied)"


def positions(data) -> np.ndarray:
    result = np.empty(len(data) * 3, np.float32)
    data.foreach_get("co", result)
    return result.reshape(-1, 3)


def evaluated(thing) -> np.ndarray:
    bpy.context.view_layer.update()
    return positions(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices)


def shapes(mesh) -> np.ndarray:
    """[53, V, 3] Basis, and the displacements of the 52."""
    blocks = mesh.data.shape_keys.key_blocks
    rest = positions(blocks[0].data)
    return np.stack([rest, *[positions(block.data) - rest for block in blocks[1:53]]])


def the_head(load):
    return load("blender_addon.head.objects").heads_in(bpy.context.scene)[0]


@pytest.fixture
def model(load):
    return load("blender_addon.identity.model").identity_model()


@pytest.fixture
def second(built, load, copied_package):
    """Another person: same topology, another identity, shape and lids."""
    head = json.loads((copied_package / "head.json").read_text())
    rng = np.random.default_rng(11)
    codes = rng.normal(scale=0.8, size=80).astype(np.float32)
    model = load("blender_addon.identity.model").identity_model()
    frames = load("blender_addon.head.frames")
    with np.load(copied_package / "mesh.npz") as file:
        arrays = {name: file[name] for name in file.files}
    old = np.zeros(80, np.float32)
    old[: len(head["identity"])] = head["identity"]
    for level in (0, 1):
        moved = frames.from_blender(model.displacement(level, codes - old).reshape(-1, 3))
        arrays[f"vertices_{level}"] = arrays[f"vertices_{level}"] + moved
    np.savez(copied_package / "mesh.npz", **arrays)
    head["identity"], head["name"] = codes.tolist(), "Second"
    (copied_package / "head.json").write_text(json.dumps(head))
    return load("blender_addon.head.build").build_head(bpy.context, copied_package)


def activate(head) -> None:
    bpy.context.view_layer.objects.active = head.head


# -- live ------------------------------------------------------------------------------------------------------------


def test_a_head_knows_its_identity(built, load):
    head, package = built
    codes = load("blender_addon.identity.codes")
    np.testing.assert_allclose(codes.codes_of(head.head)[: len(package.identity)], package.identity)
    assert codes.lid_rest_of(head.head) == package.lid_rest


def test_a_slider_moves_every_level_by_the_model(built, load, model):
    head, _ = built
    direction = load("blender_addon.identity.controls").CONTROL["nose_width"].direction
    head.head.mien_identity.control_nose_width = 1.5
    head.head.mien_identity.mode_07 = -1.0
    codes = 1.5 * direction
    codes[7] -= 1.0
    for mesh in (head.head, *head.lods):
        mesh.hide_viewport = False
        level = load("blender_addon.identity.model").level_of(len(mesh.data.vertices))
        expected = model.displacement(level, codes).reshape(-1, 3)
        blocks = mesh.data.shape_keys.key_blocks
        np.testing.assert_allclose(positions(blocks[LIVE].data) - positions(blocks[0].data), expected, atol=1e-6)
    moved = evaluated(head.head) - positions(head.head.data.vertices)
    np.testing.assert_allclose(moved, model.displacement(1, codes).reshape(-1, 3), atol=1e-6)
    assert np.abs(moved).max() > 1e-3


@pytest.mark.parametrize("index", range(26))
def test_every_control_moves_the_head_and_back(built, load, index):
    head, _ = built
    controls = list(load("blender_addon.identity.controls").CONTROL)
    assert len(controls) == 26
    before = evaluated(head.head)
    setattr(head.head.mien_identity, f"control_{controls[index]}", 2.0)
    moved = np.linalg.norm(evaluated(head.head) - before, axis=1)
    assert 1e-3 < moved.max() < 0.05, controls[index]
    setattr(head.head.mien_identity, f"control_{controls[index]}", 0.0)
    np.testing.assert_allclose(evaluated(head.head), before, atol=1e-7)


def test_all_52_shapes_do_the_same_on_the_edited_head(built, load):
    head, package = built
    before = shapes(head.head)
    head.head.mien_identity.control_jaw_width = 2.0
    head.head.mien_identity.control_eye_spacing = -2.0
    np.testing.assert_array_equal(shapes(head.head), before)
    rest = evaluated(head.head)
    for name in ("jawOpen", "eyeBlinkLeft", "eyeLookUpRight", "mouthSmileLeft"):
        blocks = head.head.data.shape_keys.key_blocks
        blocks[name].value = 1.0
        expected = before[list(blocks.keys()).index(name)]
        np.testing.assert_allclose(evaluated(head.head) - rest, expected, atol=2e-6)
        blocks[name].value = 0.0


def test_a_live_edit_is_one_undo_step(built, load):
    head, _ = built
    head.head.mien_identity.control_chin_length = 1.0
    bpy.ops.ed.undo_push(message="one")
    once = positions(head.head.data.shape_keys.key_blocks[LIVE].data)
    head.head.mien_identity.control_chin_length = 2.0
    bpy.ops.ed.undo_push(message="two")
    bpy.ops.ed.undo()
    again = the_head(load)
    assert again.head.mien_identity.control_chin_length == 1.0
    np.testing.assert_array_equal(positions(again.head.data.shape_keys.key_blocks[LIVE].data), once)


def test_reset_drops_what_is_not_applied(built):
    head, _ = built
    before = evaluated(head.head)
    head.head.mien_identity.control_ear_size = 2.0
    head.head.mien_identity.mode_00 = 1.0
    assert bpy.ops.mien.reset_identity() == {"FINISHED"}
    assert LIVE not in head.head.data.shape_keys.key_blocks and LIVE not in head.lods[0].data.shape_keys.key_blocks
    assert head.head.mien_identity.control_ear_size == 0.0 and head.head.mien_identity.mode_00 == 0.0
    np.testing.assert_array_equal(evaluated(head.head), before)


def test_chance_is_the_seeds_and_as_strong_as_asked(built, load):
    head, _ = built
    live, codes = load("blender_addon.identity.live"), load("blender_addon.identity.codes")
    results = []
    for arguments in (
        {"seed": 4},
        {"seed": 5},
        {"seed": 4},
        {"seed": 4, "strength": 1.0},
        {"seed": 4, "around": "AVERAGE"},
    ):
        assert bpy.ops.mien.randomise_identity(**arguments) == {"FINISHED"}
        results.append(live.wanted_codes(head.head))
    base = codes.codes_of(head.head)
    np.testing.assert_allclose(results[0], results[2], atol=1e-6)
    assert np.abs(results[0] - results[1]).max() > 0.1
    np.testing.assert_allclose(results[3] - base, 2 * (results[0] - base), atol=1e-5)
    np.testing.assert_allclose(results[4], results[0] - base, atol=1e-5)
    assert 0.3 < np.std(results[0] - base) < 0.7


# -- apply -----------------------------------------------------------------------------------------------------------


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


class Window:
    """Stands in for the window that a modal operator needs: timers, handlers, status."""

    def __init__(self):
        self.timers, self.handlers, self.status = [], [], None
        self.window = self.window_manager = self.workspace = self

    def event_timer_add(self, seconds, window):
        self.timers.append(seconds)
        return seconds

    def event_timer_remove(self, timer):
        self.timers.remove(timer)

    def modal_handler_add(self, operator):
        self.handlers.append(operator)

    def status_text_set(self, text):
        self.status = text

    def __getattr__(self, name):
        return getattr(bpy.context, name)


@pytest.fixture
def windowed(load):
    """(operator, window): Apply as the window runs it, its reports kept."""
    cls = load("operators.apply_identity").MIEN_OT_apply_identity
    names = ("execute", "invoke", "modal", "cancel", "_start", "_put", "_fail", "_close")
    operator = type("Operator", (), {name: vars(cls)[name] for name in names})()
    operator.reports = []
    operator.report = lambda kind, text: operator.reports.append((kind, text))
    return operator, Window()


def event(kind: str):
    return type("Event", (), {"type": kind})()


def test_in_a_window_apply_never_waits_and_finishes(built, load, windowed):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    wanted = load("blender_addon.identity.live").wanted_codes(head.head)
    operator, window = windowed
    assert operator.invoke(window, None) == {"RUNNING_MODAL"}
    assert window.handlers and window.timers and "Esc" in window.status
    assert not bpy.ops.mien.apply_identity.poll()  # one at a time
    assert operator.modal(window, event("MOUSEMOVE")) == {"PASS_THROUGH"}
    assert operator.modal(window, event("TIMER")) == {"PASS_THROUGH"}
    folder = operator._finishing.folder
    operator._finishing.wait()
    assert operator.modal(window, event("TIMER")) == {"FINISHED"}
    assert not window.timers and window.status is None and not folder.exists()
    np.testing.assert_allclose(load("blender_addon.identity.codes").codes_of(head.head), wanted, atol=1e-5)


def test_sliders_moved_meanwhile_are_not_lost(built, load, windowed):
    head, _ = built
    activate(head)
    live, codes = load("blender_addon.identity.live"), load("blender_addon.identity.codes")
    head.head.mien_identity.control_jaw_width = 1.0
    first = live.wanted_codes(head.head)
    operator, window = windowed
    operator.invoke(window, None)
    head.head.mien_identity.control_jaw_width = 2.0
    second = live.wanted_codes(head.head)
    operator._finishing.wait()
    assert operator.modal(window, event("TIMER")) == {"FINISHED"}
    np.testing.assert_allclose(codes.codes_of(head.head), first, atol=1e-5)
    np.testing.assert_allclose(live.wanted_codes(head.head), second, atol=1e-4)


def test_esc_stops_apply_and_leaves_the_head(built, windowed):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    before = shapes(head.head)
    operator, window = windowed
    operator.invoke(window, None)
    process, folder = operator._finishing.process, operator._finishing.folder
    assert operator.modal(window, event("ESC")) == {"CANCELLED"}
    assert process.poll() is not None and not folder.exists() and not window.timers
    np.testing.assert_array_equal(shapes(head.head), before)
    assert bpy.ops.mien.apply_identity.poll()


def test_a_head_deleted_meanwhile_is_said(built, windowed):
    head, _ = built
    activate(head)
    head.head.mien_identity.control_jaw_width = 1.0
    operator, window = windowed
    operator.invoke(window, None)
    for thing in (head.head, head.rig, *head.lods, *head.cameras):
        bpy.data.objects.remove(thing)
    operator._finishing.wait()
    assert operator.modal(window, event("TIMER")) == {"CANCELLED"}
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


# -- files, mixtures, export -----------------------------------------------------------------------------------------


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
