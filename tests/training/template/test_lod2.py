"""The third level of detail: what ships is what the script makes, whole, mirrored, and close to the head."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from neural_backend.head.template import PART_NAMES, HeadTemplate
from neural_backend.head.weights_file import read_weights
from neural_backend.training.template import lod2
from neural_backend.training.template.collapse import Collapse


@pytest.fixture(scope="module")
def template():
    return HeadTemplate.load()


@pytest.fixture(scope="module")
def shipped():
    return read_weights(lod2.LOD2_FILE, "level of detail", "'python -m neural_backend.training.template.lod2'")


def test_the_shipped_file_is_what_the_script_makes(template, shipped):
    tensors, metadata = shipped
    assert metadata["topology_sha256"] == lod2.topology_digest()
    made = lod2.make(template)
    assert made.keys() == tensors.keys()
    for name, array in made.items():
        np.testing.assert_array_equal(array, tensors[name], err_msg=name)


def test_vertices_are_the_coarse_levels_own(template, shipped):
    tensors, _ = shipped
    assert set(tensors["vertex_ids"].tolist()) < set(template.levels[0].vertex_ids.tolist())
    assert np.array_equal(np.unique(tensors["triangles"]), np.arange(len(tensors["vertex_ids"])))
    assert len(tensors["vertex_ids"]) < 0.35 * len(template.levels[0].vertex_ids)
    assert {PART_NAMES[part] for part in np.unique(tensors["face_part"])} == set(PART_NAMES) - set(lod2.LEFT_OUT)


def test_faces_mirror_each_other(template, shipped):
    tensors, _ = shipped
    triangles = tensors["vertex_ids"][tensors["triangles"]]
    middle = np.isclose(template.vertices[:, 0], 0.0, atol=1e-7)
    sides = np.sign(np.where(middle, 0.0, template.vertices[:, 0]))[triangles]
    astride = (sides.max(1) > 0) & (sides.min(1) < 0)
    faces = {frozenset(map(int, triangle)) for triangle in triangles}
    missing = [t for t in triangles[~astride] if frozenset(map(int, template.mirror[t])) not in faces]
    assert not missing and astride.sum() <= 20


def test_no_edge_has_three_faces_and_none_is_walked_twice(shipped):
    """Every part of the surface stays a surface, wound one way."""
    triangles = shipped[0]["triangles"]
    directed = Counter((int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3))
    assert max(directed.values()) == 1


def test_no_triangle_of_the_texture_is_turned_or_flat(template, shipped):
    tensors, _ = shipped
    skin = tensors["face_part"] == PART_NAMES.index("skin")
    a, b, c = tensors["uv"][tensors["face_uv"][skin]].transpose(1, 0, 2).astype(float)
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all() or (area < 0).all()


def test_skin_stays_near_in_every_pose(template, shipped):
    for pose, distance in lod2.distances(template, shipped[0]).items():
        assert distance.mean() < 0.5e-3 and np.percentile(distance, 95) < 2e-3, pose


def test_collapse_keeps_borders_and_locked_vertices():
    """A bumpy grid of two parts: rim, seam between the parts and a locked vertex stay; the flat rest goes."""
    n = 9
    y, x = np.mgrid[0:n, 0:n]
    points = np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], 1).astype(float)
    points[5 * n + 6, 2] = 1.0
    corner = (y[:-1, :-1] * n + x[:-1, :-1]).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + n + 1], 1), np.stack([corner, corner + n + 1, corner + n], 1)]
    )
    part = (triangles.max(1) % n > 4).astype(int)
    locked = np.zeros(n * n, bool)
    locked[2 * n + 2] = True
    collapse = Collapse(
        points[None], triangles, triangles, points[:, :2], part, np.ones(n * n), locked, np.zeros(n * n, bool)
    )
    collapse.run(20)
    found, corners, face = collapse.result()
    assert np.array_equal(found, corners)
    kept = set(np.unique(found).tolist())
    assert {0, n - 1, n * (n - 1), n * n - 1, 2 * n + 2, 5 * n + 6} <= kept and len(kept) <= 30
    a, b, c = points[found, :2].transpose(1, 0, 2)
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (area > 0).all() and area.sum() == pytest.approx((n - 1) ** 2)
    for which in (0, 1):  # each part keeps its half of the square
        assert area[part[face] == which].sum() == pytest.approx((n - 1) ** 2 / 2)
