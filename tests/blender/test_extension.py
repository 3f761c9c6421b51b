"""The extension as users get it: validated, built, installed, enabled and disabled; its operators and its sidebar."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import addon_utils
import bpy
import pytest
from backend_helpers import backend_python
from conftest import ROOT

COMMAND = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"


def run_tool(*arguments: str) -> str:
    done = subprocess.run([sys.executable, str(COMMAND), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    run_tool("validate", str(ROOT))
    folder = tmp_path_factory.mktemp("built")
    run_tool("build", "--source-dir", str(ROOT), "--output-dir", str(folder))
    (built,) = folder.glob("*.zip")
    return built


def test_archive_holds_both_halves_and_no_more(archive):
    names = zipfile.ZipFile(archive).namelist()
    assert {"__init__.py", "blender_manifest.toml", "blender_addon/headless.py", "operators/__init__.py"} <= set(names)
    assert "neural_backend/protocol/arkit.py" in names
    others = [name for name in names if "/" in name and not name.startswith(("blender_addon/", "operators/"))]
    assert not [name for name in others if not name.startswith("neural_backend/")]
    unwanted = ("neural_backend/training/", "neural_backend/lightstage/", "neural_backend/evaluation/")
    assert not [name for name in names if name.startswith(unwanted)]
    assert not [name for name in names if name.endswith((".pyc", ".md")) and "LICEN" not in name]
    assert "neural_backend/weights/LICENSES.md" in names
    assert archive.stat().st_size < 100_000_000


def test_the_backend_in_the_archive_starts(archive, tmp_path):
    """All that a fit imports ships."""
    zipfile.ZipFile(archive).extractall(tmp_path / "mien")
    modules = (
        "service", "fitting.fit", "fitting.textures", "fitting.picture", "head.anatomy_maps", "tasks.inspect",
        "tasks.render_volume", "models.vrmm.vrmm", "rendering.volume", "cli",
    )  # fmt: skip
    # An editable install would lend what the archive lacks.
    script = "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
    script += "import neural_backend\n" + "".join(f"import neural_backend.{name}\n" for name in modules)
    script += "neural_backend.cli.build_parser()\n"
    script += "neural_backend.fitting.fit.load_models('cpu')\nprint(neural_backend.__file__)"
    environment = {"PATH": "", "PYTHONPATH": str(tmp_path / "mien"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [backend_python(), "-c", script], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout


def test_installed_archive_builds_a_head(archive, package_path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    preferences = bpy.context.preferences
    repository = next((entry for entry in preferences.extensions.repos if entry.module == "user_default"), None)
    assert repository is not None
    bpy.ops.extensions.package_install_files(
        filepath=str(archive), repo=repository.module, enable_on_install=True, overwrite=True
    )
    module = f"bl_ext.{repository.module}.mien"
    assert module in preferences.addons.keys()  # the operator says FINISHED whatever happens
    assert bpy.ops.mien.import_head(filepath=str(package_path)) == {"FINISHED"}
    assert any(len(mesh.shape_keys.key_blocks) == 53 for mesh in bpy.data.meshes)
    # The installed files alone can edit a head and finish it.
    assert bpy.ops.mien.randomise_identity(seed=1) == {"FINISHED"}
    assert bpy.ops.mien.apply_identity() == {"FINISHED"}
    addon_utils.disable(module, default_set=True)


def test_three_times_on_and_off(extension):
    before = {name for name in dir(bpy.types) if name.startswith("MIEN_")}
    assert len(before) >= 12
    for _ in range(3):
        addon_utils.disable(extension.__name__, default_set=True)
        assert not [name for name in dir(bpy.types) if name.startswith("MIEN_")]
        assert addon_utils.enable(extension.__name__, default_set=True)
        assert {name for name in dir(bpy.types) if name.startswith("MIEN_")} == before


def test_a_failed_registration_leaves_nothing(load):
    registration = load("blender_addon.registration")
    place = {"bl_space_type": "VIEW_3D", "bl_region_type": "UI", "bl_label": "Good", "draw": lambda self, context: None}
    good = type("MIEN_PT_good", (bpy.types.Panel,), place)
    bad = type("MIEN_PT_bad", (), {})
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        registration.register_classes([good, bad])
    assert not hasattr(bpy.types, "MIEN_PT_good")


def test_import_is_one_undo_step(extension, package_path):
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.mien.import_head("EXEC_DEFAULT", True, filepath=str(package_path)) == {"FINISHED"}
    assert len(bpy.data.meshes) == 2
    bpy.ops.ed.undo()
    assert not bpy.data.meshes and not bpy.data.armatures and not bpy.data.objects
    bpy.ops.ed.redo()
    assert len(bpy.data.meshes) == 2
    assert any(thing.get("mien_role") == "head" for thing in bpy.data.objects)


def test_import_says_what_is_wrong(extension, tmp_path):
    with pytest.raises(RuntimeError, match="not a head package"):
        bpy.ops.mien.import_head(filepath=str(tmp_path))
    assert not bpy.data.objects


@pytest.mark.parametrize("kind", ["fbx", "glb"])
def test_export_operators_write(built, tmp_path, kind):
    path = tmp_path / f"head.{kind}"
    assert getattr(bpy.ops.mien, f"export_{kind}")(filepath=str(path)) == {"FINISHED"}
    assert path.stat().st_size > 100_000


def test_export_needs_a_head(extension):
    assert not bpy.ops.mien.export_fbx.poll()
    assert not bpy.ops.mien.reset_expression.poll()


def test_photo_button_shows_the_photo(built):
    head, package = built
    assert bpy.ops.mien.show_photo(camera=head.cameras[1].name) == {"FINISHED"}
    scene = bpy.context.scene
    assert scene.camera == head.cameras[1]
    assert (scene.render.resolution_x, scene.render.resolution_y) == (
        package.photos[1].width,
        package.photos[1].height,
    )
    blocks = head.head.data.shape_keys.key_blocks
    assert blocks["mouthSmileLeft"].value == pytest.approx(0.7)
    assert bpy.ops.mien.reset_expression() == {"FINISHED"}
    assert all(block.value == 0 for block in blocks if block.name != "Basis")


#: Buttons that are there only while something runs, after it failed, or in the preferences.
SHOWN_IN_TIME = {
    f"mien.{name}"
    for name in (
        "cancel_install", "cancel_job", "check_backend", "clear_pins", "collect_head", "collect_take", "dismiss_work",
        "open_preferences", "show_log",
    )
}  # fmt: skip
#: What the file browser's operators hand over to.
BEHIND_THE_BROWSER = {"mien.build_head", "mien.write_export"}


class RecordingLayout:
    """Stands in for the layout that only a window can make; keeps what a panel draws."""

    def __init__(self):
        self.sliders, self.operators, self.menus, self.labels = [], [], [], []

    def column(self, **_):
        return self

    row = box = grid_flow = column

    def separator(self, **_):
        pass

    def label(self, text="", **_):
        self.labels.append(text)

    def menu(self, idname, **_):
        assert hasattr(bpy.types, idname)
        self.menus.append(idname)

    def template_icon(self, **_):
        pass

    progress = template_icon

    def template_list(self, *_, **__):
        pass

    def operator(self, idname, **_):
        """Properties that only take what the operator has."""
        self.operators.append(idname)
        group, name = idname.split(".")
        known = getattr(getattr(bpy.ops, group), name).get_rna_type().properties.keys()  # raises if there is none

        def put(properties, key, value):
            assert key in known, (idname, key)

        return type("Properties", (), {"__setattr__": put})()

    def prop(self, data, name, **_):
        assert hasattr(data, name)
        if name == "value":
            self.sliders.append(data.name)
        elif type(data).__name__ in ("MienIdentity", "MienExpression"):
            self.sliders.append(name)


def draw_all(classes) -> RecordingLayout:
    layout = RecordingLayout()
    for panel in classes:
        if not issubclass(panel, (bpy.types.Panel, bpy.types.Menu)):
            continue
        assert not hasattr(panel, "poll") or panel.poll(bpy.context)
        panel.draw(type("Panel", (), {"layout": layout})(), bpy.context)
    return layout


def test_sidebar_offers_every_slider_once(built, load):
    panels = load("blender_addon.panels")
    names = load("neural_backend.protocol.arkit").ARKIT_NAMES
    head, _ = built
    properties = load("blender_addon.head_properties")
    identity = {name for name in properties.MienIdentity.__annotations__}
    for symmetric in (False, True):  # stand-ins for the sliders of both sides have the same names
        head.head.mien_expression.symmetric = symmetric
        layout = draw_all(panels.CLASSES)
        assert sorted(layout.sliders) == sorted([*names, "symmetric", *identity])
    head.head.mien_identity.control_chin_length = 1.0
    assert "Not applied: lids and teeth are approximate" in " ".join(draw_all(panels.CLASSES).labels)  # it wraps
    assert {"MIEN_MT_presets", "MIEN_MT_identities"} <= set(layout.menus)
    made = {f"mien.{name.removeprefix('MIEN_OT_')}" for name in dir(bpy.types) if name.startswith("MIEN_OT_")}
    expected = made - SHOWN_IN_TIME - BEHIND_THE_BROWSER
    assert expected <= set(layout.operators), expected - set(layout.operators)
    assert {"mien.import_head", "mien.export_fbx", "mien.export_glb", "mien.show_photo"} <= set(layout.operators)
