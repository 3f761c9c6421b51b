"""The list of photos, the first panel, the buttons beside error sentences; the backend's environment."""

from __future__ import annotations

import ast
import sys
import tomllib
import zipfile
from pathlib import Path

import bpy
import pytest
from backend_helpers import PORTRAIT, add_portrait, backend_python, until
from conftest import ROOT


class Layout:
    """Stands in for the layout that only a window can make; keeps texts and buttons."""

    def __init__(self):
        self.texts, self.buttons, self.bars = [], [], []

    def row(self, **_):
        return self

    column = box = row

    def label(self, text="", icon="NONE", icon_value=0):
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        self.texts.append(text)

    def operator(self, idname, text=None, icon="NONE"):
        group, name = idname.split(".")
        properties = getattr(getattr(bpy.ops, group), name).get_rna_type().properties
        self.buttons.append(idname)

        class Properties:
            def __setattr__(self, key, value):
                assert key in properties, f"{idname} has no {key}"

        return Properties()

    def prop(self, data, name, **_):
        assert hasattr(data, name)

    def progress(self, factor, text):
        assert 0 <= factor <= 1
        self.bars.append(text)

    def template_list(self, *_, **__):
        pass

    template_icon = template_list

    @property
    def text(self):
        return " ".join(self.texts)


def drawn(load) -> Layout:
    layout = Layout()
    panel = load("blender_addon.panels.photos").MIEN_PT_photos
    panel.draw(type("Panel", (), {"layout": layout})(), bpy.context)
    return layout


@pytest.fixture
def made_work(load, tmp_path):
    """made_work(state, ...) puts a work in that state on the panel."""
    session, jobs, work = load("blender_addon.session"), load("blender_addon.jobs"), load("blender_addon.work")
    fit = load("neural_backend.protocol.messages").Fit

    def make(state, **view):
        job = jobs.Job(lambda name: fit(name, (), ""), "made")
        job.change(state=jobs.State[state], **view)
        made = work.Work(job, (str(PORTRAIT),), "Eileen", session.get().file)
        session.get().works.append(made)
        return made

    return make


def test_photos_are_added_once_and_removed(extension, tmp_path):
    add_portrait()
    add_portrait()
    settings = bpy.context.scene.mien_fit
    assert [photo.name for photo in settings.photos] == ["astronaut.png"]
    assert bpy.ops.mien.add_photos(filepath=str(ROOT / "examples" / "grace_hopper.jpg")) == {"FINISHED"}
    assert settings.active_photo == 1
    assert bpy.ops.mien.remove_photo(path=settings.photos[0].path) == {"FINISHED"}
    assert bpy.ops.mien.remove_photo() == {"FINISHED"}
    assert not settings.photos and not bpy.ops.mien.remove_photo.poll()
    with pytest.raises(RuntimeError, match="not a file"):
        bpy.ops.mien.add_photos(filepath=str(tmp_path / "nothing.png"))


def test_photos_are_kept_in_the_file_and_running_is_not(extension, tmp_path, made_work):
    add_portrait()
    made_work("RUNNING")
    path = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert len(bpy.context.scene.mien_fit.photos) == 1
    assert b"RUNNING" not in path.read_bytes()


def test_files_can_be_dropped(extension):
    handler = bpy.types.MIEN_FH_photos
    assert handler.bl_import_operator == "mien.add_photos" and ".jpg" in handler.bl_file_extensions


def test_fit_says_why_it_is_grey(extension, load, monkeypatch):
    fit = load("operators.fit_photos").MIEN_OT_fit_photos
    said = []
    monkeypatch.setattr(fit, "poll_message_set", said.append, raising=False)
    assert not fit.poll(bpy.context) and "Add a photo" in said.pop()
    add_portrait()
    assert not fit.poll(bpy.context) and "Install the neural backend" in said.pop()
    load("blender_addon.preferences").preferences().python_path = backend_python()
    assert fit.poll(bpy.context)
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    assert not fit.poll(bpy.context) and "Object Mode" in said.pop()
    bpy.ops.object.mode_set(mode="OBJECT")


def test_a_vanished_photo_is_said_before_anything_starts(extension, load, tmp_path):
    load("blender_addon.preferences").preferences().python_path = backend_python()
    photo = tmp_path / "me.png"
    photo.write_bytes(PORTRAIT.read_bytes())
    bpy.ops.mien.add_photos(filepath=str(photo))
    photo.unlink()
    with pytest.raises(RuntimeError, match="me.png is not there any more"):
        bpy.ops.mien.fit_photos()
    assert "not there any more" in drawn(load).text
    assert not load("blender_addon.session").get().client.is_running


def test_the_panel_shows_each_state_of_a_work(extension, load, made_work):
    jobs = load("blender_addon.jobs")
    empty = drawn(load)
    assert "Add photos" in empty.text and "mien.install_backend" in empty.buttons
    made_work("WAITING", waiting=2)
    made_work("RUNNING", stage="textures", total=0.6)
    made_work("CANCELLING", stage="textures", total=0.6)
    assert drawn(load).bars == ["Waiting for 2 others", "Taking the light out of the skin", "Stopping"]
    session = load("blender_addon.session")
    session.get().works.clear()
    made_work("FAILED", error=jobs.JobError("no_face", "No face was found in astronaut.png; use another.", 0))
    layout = drawn(load)
    assert "No face was found" in layout.text and "mien.dismiss_work" in layout.buttons
    assert layout.buttons.count("mien.remove_photo") == 2
    session.get().works.clear()
    work = made_work("DONE", values={"package": "x.head"})
    work.watched = True
    assert "Coming into the scene" in drawn(load).text
    work.watched = False
    assert "mien.collect_head" in drawn(load).buttons
    with pytest.raises(RuntimeError, match="not a head package"):
        bpy.ops.mien.collect_head(work=work.id)
    assert bpy.ops.mien.dismiss_work(work=work.id) == {"FINISHED"} and not session.get().works


def test_a_partial_picture_becomes_an_icon(extension, load):
    pictures, partial = load("blender_addon.pictures"), load("neural_backend.protocol.messages").Partial
    pixels = bytes([255, 0, 0, 255] * 6)
    assert pictures.picture("a") == 0
    pictures.show("a", partial("j", "fit", 3, 2, pixels))
    preview = pictures._previews["a"]
    assert tuple(preview.image_size) == (3, 2) and list(preview.image_pixels_float)[:4] == [1, 0, 0, 1]
    pictures.show("a", partial("j", "fit", 2, 2, bytes(16)))
    assert tuple(preview.image_size) == (2, 2)
    pictures.forget("a")
    assert pictures.picture("a") == 0


def error_codes() -> set[str]:
    """The first argument of every MienError, PhotoError, PackageError, Refused and Ending in the code."""
    found = set()
    for folder in ("neural_backend", "blender_addon"):
        for path in (ROOT / folder).rglob("*.py"):
            if {"training", "lightstage", "evaluation"} & set(path.parts) or path.name == "cli.py":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                    if name in ("MienError", "PhotoError", "PackageError", "Refused", "Ending", "_refuse"):
                        found.add(node.args[0].value)
    return {code for code in found if isinstance(code, str) and code.isidentifier()}


def test_every_error_has_its_remedy(extension, load):
    remedies = load("blender_addon.messages").REMEDIES
    codes = error_codes() - {"cancelled"}
    assert len(codes) > 25
    assert sorted(codes - set(remedies)) == []
    for remedy in filter(None, remedies.values()):
        group, name = remedy.operator.split(".")
        getattr(getattr(bpy.ops, group), name).get_rna_type()


# --- the backend's environment


def test_requirements_are_those_of_pyproject(load):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert (
        list(load("blender_addon.backend_env").REQUIREMENTS) == project["project"]["optional-dependencies"]["backend"]
    )


def test_a_python_is_checked(load, tmp_path):
    environment = load("blender_addon.backend_env")
    good = environment.check_python(Path(backend_python()))
    assert good.is_ready and good.torch
    bad = tmp_path / "python"
    bad.write_text("no program")
    assert "does not run" in environment.check_python(bad).problem


def test_installing_needs_access_and_consent(extension, load, monkeypatch):
    operator = load("operators.install_backend").MIEN_OT_install_backend
    said = []
    monkeypatch.setattr(operator, "poll_message_set", said.append, raising=False)
    bpy.context.preferences.system.use_online_access = False
    assert not operator.poll(bpy.context) and "online access" in said.pop()
    bpy.context.preferences.system.use_online_access = True
    assert bpy.ops.mien.install_backend() == {"CANCELLED"}
    assert load("blender_addon.session").get().installer is None


@pytest.fixture
def offline_pip(monkeypatch, tmp_path):
    """pip that finds one small package in a folder, and nothing else anywhere."""
    name = "mien_test_package-1.0"
    with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("mien_test_package.py", "")
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: mien-test-package\nVersion: 1.0\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def make_installer(load, folder, requirement, check=False):
    installer = load("blender_addon.installer").Installer
    return installer(Path(sys.executable), folder / "backend", folder / "install.log", (requirement,), check=check)


def test_an_installation(load, offline_pip):
    environment = load("blender_addon.backend_env")
    installer = make_installer(load, offline_pip, "mien-test-package")
    texts = set()
    until(lambda: texts.add(installer.view.text) or installer.view.is_over, 120)
    assert installer.view.succeeded, installer.view
    assert any(text.startswith("Downloading") for text in texts)
    assert environment.is_installed(offline_pip / "backend")
    assert environment.find_python(offline_pip / "backend").exists()
    assert "Successfully installed mien-test-package" in (offline_pip / "install.log").read_text()


def test_an_installation_that_fails_leaves_nothing(load, offline_pip):
    installer = make_installer(load, offline_pip, "mien-package-that-is-nowhere")
    until(lambda: installer.view.is_over, 120)
    assert "could not be installed" in installer.view.problem and "nowhere" in installer.view.problem
    assert not (offline_pip / "backend" / "venv").exists()


def test_an_incomplete_environment_is_no_success(load, offline_pip):
    installer = make_installer(load, offline_pip, "mien-test-package", check=True)
    until(lambda: installer.view.is_over, 120)
    assert "lacks torch" in installer.view.problem and not (offline_pip / "backend" / "venv").exists()


def test_an_installation_can_be_stopped(load, offline_pip):
    installer = make_installer(load, offline_pip, "mien-test-package")
    until(lambda: "environment" in installer.view.text, 120)
    installer.cancel()
    until(lambda: installer.view.is_over, 20)
    assert installer.view.cancelled and not installer.view.problem
    assert not (offline_pip / "backend" / "venv").exists()
