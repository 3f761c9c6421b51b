"""Makes a head package to test Blender with: the template's own head, painted maps, two photos with known cameras.

Needs numpy, safetensors and opencv, not torch. Everything is derived from the shipped template and a fixed seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from neural_backend.head.package import HeadPackage, PackageLevel, PackagePhoto  # noqa: E402
from neural_backend.head.template import (  # noqa: E402
    JOINT_NAMES,
    JOINT_PARENTS,
    PART_NAMES,
    PART_TEXTURE_SET,
    HeadTemplate,
)
from neural_backend.protocol.arkit import ARKIT_INDEX  # noqa: E402

SEED = 7


def look_at(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[4, 4] camera_from_head of an OpenCV camera at `eye` that looks at `target`, head's up being up."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def project(points: np.ndarray, intrinsics: np.ndarray, camera_from_head: np.ndarray) -> np.ndarray:
    """[N, 3] metres -> [N, 2] pixels."""
    in_camera = points @ camera_from_head[:3, :3].T + camera_from_head[:3, 3]
    pixels = in_camera @ intrinsics.T
    return pixels[:, :2] / pixels[:, 2:]


def paint_dots(width: int, height: int, pixels: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 grey picture with a white 3 x 3 dot at each of the [N, 2] pixel positions."""
    picture = np.full((height, width, 3), 60, np.uint8)
    for x, y in np.floor(pixels).astype(int):
        picture[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 255
    return picture


def paint_maps(size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """File -> picture. Plausible values, so that a preview of the test head looks like a head."""
    noise = rng.normal(size=(size, size, 1)).astype(np.float32)
    row, column = np.mgrid[0:size, 0:size] / (size - 1) - 0.5
    radius = np.hypot(row, column)[..., None]

    def grey(value: float, amount: float) -> np.ndarray:
        return np.clip(255 * (value + amount * noise[..., 0]), 0, 255).astype(np.uint8)

    skin = np.clip(np.array([0.76, 0.60, 0.53]) + 0.01 * noise, 0, 1)
    iris = np.where(radius < 0.07, 0.02, np.where(radius < 0.16, np.array([0.30, 0.22, 0.14]), 0.9))
    normal = np.full((size, size, 3), 32768, np.uint16)
    normal[..., 2] = 65535
    lashes = np.full((size, size, 4), 20, np.uint8)
    lashes[..., 3] = np.where(np.sin(40 * np.pi * column) > 0.3, 255, 0)
    return {
        "maps/diffuse.png": (255 * skin).astype(np.uint8),
        "maps/specular.png": grey(0.35, 0.01),
        "maps/roughness.png": grey(0.45, 0.02),
        "maps/normal.png": normal,
        "maps/confidence.png": grey(0.9, 0.0),
        "maps/eye_diffuse.png": (255 * np.broadcast_to(iris, (size, size, 3))).astype(np.uint8),
        "maps/mouth_diffuse.png": np.broadcast_to(np.array([190, 120, 110], np.uint8), (size, size, 3)).copy(),
        "maps/lashes_diffuse.png": lashes,
    }


def make_package(folder: Path, name: str = "Test Head", map_size: int = 256) -> Path:
    """Write `<folder>/<name>.head` and return its path."""
    template = HeadTemplate.load()
    rng = np.random.default_rng(SEED)
    identity = rng.normal(scale=0.6, size=min(20, len(template.identity))).astype(np.float32)
    vertices = template.shape(identity)
    expressions = ({}, {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "jawOpen": 0.15})
    fitted = []
    for expression in expressions:
        weights = np.zeros(len(ARKIT_INDEX), np.float32)
        for key, value in expression.items():
            weights[ARKIT_INDEX[key]] = value
        fitted.append(vertices + np.tensordot(weights, template.arkit, 1))
    landmarks = (vertices[template.landmarks68_triangle] * template.landmarks68_barycentric[..., None]).sum(1)

    images = paint_maps(map_size, rng)
    photos = []
    target = vertices.mean(0)
    views = ((np.array([0.05, 0.02, 0.9]), 480, 600), (np.array([0.35, 0.05, 0.7]), 640, 480))
    for index, ((offset, width, height), expression) in enumerate(zip(views, expressions, strict=True)):
        intrinsics = np.array([[1100.0, 0, width * 0.5 + 13.0], [0, 1100.0, height * 0.5 - 21.0], [0, 0, 1]])
        camera_from_head = look_at(target + offset, target)
        file = f"photos/photo_{index + 1}.png"
        images[file] = paint_dots(width, height, project(landmarks, intrinsics, camera_from_head))
        light = np.zeros((9, 3))
        light[0] = 1.0
        photos.append(PackagePhoto(file, width, height, intrinsics, camera_from_head, dict(expression), light))

    levels = tuple(
        PackageLevel(
            vertices=vertices[level.vertex_ids],
            quads=level.quads.astype(np.int32),
            uv=level.uv,
            face_uv=level.face_uv.astype(np.int32),
            part=level.face_part,
            joint_weights=template.joint_weights[level.vertex_ids],
            arkit=template.arkit[:, level.vertex_ids],
            fitted=np.stack(fitted)[:, level.vertex_ids],
            landmarks68=landmarks,
        )
        for level in template.levels
    )
    used = {PART_TEXTURE_SET[part] for part in set(template.levels[1].face_part.tolist())}
    files = {
        "skin": ("diffuse", "specular", "roughness", "normal", "confidence"),
        "eye": ("diffuse",),
        "mouth": ("diffuse",),
        "lashes": ("diffuse",),
    }
    maps = {
        texture_set: {
            name: f"maps/{name}.png" if texture_set == "skin" else f"maps/{texture_set}_{name}.png" for name in names
        }
        for texture_set, names in files.items()
        if texture_set in used
    }
    package = HeadPackage(
        name=name,
        identity=identity,
        levels=levels,
        part_names=PART_NAMES,
        texture_sets=PART_TEXTURE_SET,
        joint_names=JOINT_NAMES,
        joint_parents=JOINT_PARENTS,
        joint_positions=template.joints(identity),
        landmark_corners=template.landmarks68_triangle,
        landmark_weights=template.landmarks68_barycentric,
        photos=tuple(photos),
        maps=maps,
    )
    return package.write(folder, images)


if __name__ == "__main__":
    print(make_package(Path(sys.argv[1]), *sys.argv[2:3]))
