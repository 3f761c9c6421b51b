"""Imports run one way: operators -> blender_addon -> neural_backend.protocol; the backend never sees Blender."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("neural_backend", "blender_addon", "operators")


def imported_modules(path: Path) -> list[tuple[int, str]]:
    """(line, absolute dotted name) of every import in a file, at any depth; relative ones resolved from the root."""
    found = []
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - (node.level - 1)]
                prefix = ".".join([*base, *([node.module] if node.module else [])])
            else:
                prefix = node.module or ""
            found.append((node.lineno, prefix))
            found += [(node.lineno, f"{prefix}.{alias.name}" if prefix else alias.name) for alias in node.names]
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def offences(paths: list[Path], forbidden) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imported_modules(path)
        if forbidden(name)
    ]


def starts(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


#: The one door where backend code runs inside a bpy process of its own: Cycles scripts of the light stage.
CYCLES_SCRIPTS = ROOT / "neural_backend" / "lightstage"


def test_backend_never_imports_blender():
    paths = [path for path in files("neural_backend") if CYCLES_SCRIPTS not in path.parents]
    assert paths
    assert not offences(paths, lambda name: starts(name, "bpy", "mathutils", "blender_addon", "operators"))


def test_light_stage_imports_bpy_only_inside_functions():
    for path in CYCLES_SCRIPTS.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(starts(name, "bpy", "mathutils") for name in names), path


def test_protocol_is_standard_library_only():
    paths = files("neural_backend/protocol")
    assert paths
    allowed = set(sys.stdlib_module_names)
    assert not offences(
        paths, lambda name: name.split(".")[0] not in allowed and not starts(name, "neural_backend.protocol")
    )


def test_blender_side_sees_only_the_protocol():
    def forbidden(name: str) -> bool:
        if starts(name, "neural_backend"):
            return not starts(name, "neural_backend.protocol") and name != "neural_backend"
        return starts(name, "torch", "warp", "cv2", "scipy", "safetensors", "trimesh", "skimage", "PIL")

    assert not offences(files("blender_addon") + files("operators"), forbidden)


def test_blender_addon_never_imports_operators():
    assert not offences(files("blender_addon"), lambda name: starts(name, "operators"))


@pytest.mark.parametrize("folder", ["blender_addon", "operators"])
def test_extension_uses_relative_imports_of_itself(folder):
    for path in files(folder):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not any(starts(name, *FOLDERS) for name in names), f"{path}: {names}"


def test_root_module_imports_nothing_at_top_level():
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
