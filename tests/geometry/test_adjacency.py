import numpy as np
import trimesh

from neural_backend.geometry.adjacency import connected_parts, cotangent_laplacian, find_edges, uniform_laplacian


def test_edges_of_a_closed_mesh():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    edges = find_edges(sphere.faces)
    assert len(edges.vertices) == len(sphere.edges_unique)
    assert not edges.boundary.any()
    for (a, b), opposite, faces in zip(edges.vertices, edges.opposite, edges.triangles, strict=True):
        for third, face in zip(opposite, faces, strict=True):
            assert {a, b, third} == set(sphere.faces[face])


def test_boundary_and_repeated_corners():
    edges = find_edges(np.array([[0, 1, 2], [2, 1, 3], [0, 2, 2]]))
    assert len(edges.vertices) == 5
    assert edges.boundary.sum() == 3  # 0-2 is shared with the degenerate second half of a triangle written as a quad


def test_laplacians():
    sphere = trimesh.creation.icosphere(subdivisions=3)
    smooth = uniform_laplacian(sphere.faces, len(sphere.vertices))
    assert np.abs(smooth @ np.ones(len(sphere.vertices))).max() < 1e-5
    stiffness, area = cotangent_laplacian(sphere.vertices, sphere.faces)
    assert abs(area.sum() - sphere.area) < 1e-6
    # On the unit sphere the coordinates are eigenfunctions of the Laplacian with eigenvalue 2.
    away = np.abs(sphere.vertices) > 0.3
    ratio = (stiffness @ sphere.vertices)[away] / (area[:, None] * sphere.vertices)[away]
    assert np.median(np.abs(ratio - 2)) < 0.03


def test_parts():
    two = np.array([[0, 1, 2], [3, 4, 5]])
    labels = connected_parts(two, 7)
    assert len(set(labels)) == 3 and labels[0] == labels[2] != labels[3]
