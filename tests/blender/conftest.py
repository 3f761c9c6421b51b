"""Tests inside a real Blender: the bpy module of whichever interpreter runs pytest, factory settings for every test.

The extension is mounted from the checkout as Blender mounts it, as bl_ext.<repository>.mien. The package to test with
comes from MIEN_TEST_PACKAGE, or is made once: by this interpreter if it can read the template, else by .venv.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
_SCRATCH = Path(tempfile.mkdtemp(prefix="mien_test_blender_"))
os.environ["BLENDER_USER_RESOURCES"] = str(_SCRATCH / "user")  # before bpy is imported
os.environ.pop("DISPLAY", None)  # EGL without a surface, never a stray X server
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")

bpy = pytest.importorskip("bpy", reason="the bpy module is not installed here")
import addon_utils  # noqa: E402  # there once bpy is

REPOSITORY = "mien_test"
MODULE = f"bl_ext.{REPOSITORY}.mien"


def _mount_folder() -> Path:
    """A repository folder that holds the checkout under the extension's own name, whatever the checkout is called."""
    folder = _SCRATCH / "repository"
    folder.mkdir(exist_ok=True)
    link = folder / "mien"
    if not link.exists():
        link.symlink_to(ROOT, target_is_directory=True)
    return folder


@pytest.fixture
def extension():
    """The enabled extension in an empty factory scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)  # also disables every extension and forgets repositories
    repositories = bpy.context.preferences.extensions.repos
    repository = next((entry for entry in repositories if entry.module == REPOSITORY), None) or repositories.new(
        name=REPOSITORY, module=REPOSITORY, custom_directory=str(_mount_folder())
    )
    repository.use_custom_directory, repository.enabled = True, True
    module = addon_utils.enable(MODULE, default_set=True)
    assert module is not None, "the extension did not register (see standard error)"
    yield module
    addon_utils.disable(MODULE, default_set=True)


@pytest.fixture
def load(extension):
    """load("blender_addon.head.build") -> that module of the mounted extension."""
    return lambda name: importlib.import_module(f"{MODULE}.{name}")


@pytest.fixture
def session(extension, load, tmp_path):
    """The session module, with a backend, heads going to tmp_path/heads."""
    from backend_helpers import backend_environment, backend_python  # imports bpy

    backend_environment()
    preferences = load("blender_addon.preferences").preferences()
    preferences.python_path = backend_python()
    preferences.heads_folder = str(tmp_path / "heads")
    module = load("blender_addon.session")
    yield module
    module.close(6.0)
    shutil.rmtree(load("blender_addon.paths").takes_folder(), ignore_errors=True)


@pytest.fixture(scope="session")
def package_path() -> Path:
    """A head package made from the template; tests must not write into it."""
    given = os.environ.get("MIEN_TEST_PACKAGE")
    if given:
        return Path(given)
    python = sys.executable if importlib.util.find_spec("safetensors") else str(ROOT / ".venv" / "bin" / "python")
    made = subprocess.run(
        [python, str(Path(__file__).with_name("make_package.py")), str(_SCRATCH)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, (
        f"No test package: set MIEN_TEST_PACKAGE to a .head folder, or run 'make setup' first.\n{made.stderr}"
    )
    return Path(made.stdout.strip().splitlines()[-1])


@pytest.fixture
def copied_package(package_path, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(package_path, tmp_path / package_path.name))


@pytest.fixture
def built(load, package_path):
    """(HeadObjects, Package) of the test package in the scene."""
    package = load("blender_addon.head.package").read_package(package_path)
    return load("blender_addon.head.build").build_head(bpy.context, package_path), package


@pytest.fixture
def model(load):
    """The identity model that the sliders use."""
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


_status = [0]


def pytest_sessionfinish(session, exitstatus):
    _status[0] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    shutil.rmtree(_SCRATCH, ignore_errors=True)
    if bpy.app.version < (4, 3, 0):  # bpy 4.2 may crash while the interpreter shuts down
        shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])
