import numpy as np
import pytest
import torch
import trimesh

from neural_backend.geometry.normals import tangent_frames, vertex_normals, vertex_normals_numpy
from neural_backend.head.template import HeadTemplate


@pytest.fixture(scope="module")
def level():
    template = HeadTemplate.load()
    return template.vertices[template.levels[0].vertex_ids], template.levels[0]


def test_normals_of_a_sphere():
    sphere = trimesh.creation.icosphere(subdivisions=3)
    vertices = torch.tensor(sphere.vertices, dtype=torch.float32)
    normals = vertex_normals(vertices, torch.tensor(sphere.faces))
    assert (normals * vertices).sum(-1).min() > 0.999


def test_torch_and_numpy_agree_and_batches_work(level):
    vertices, lod = level
    batch = torch.from_numpy(np.stack([vertices, vertices * [1, 2, 1]]).astype(np.float32))
    normals = vertex_normals(batch, torch.from_numpy(lod.triangles))
    for one, result in zip(batch, normals, strict=True):
        assert np.abs(vertex_normals_numpy(one.numpy(), lod.triangles) - result.numpy()).max() < 1e-3


def test_normals_point_out_of_the_face(level):
    vertices, lod = level
    normals = vertex_normals_numpy(vertices, lod.triangles)
    nose = vertices[:, 2].argmax()
    assert normals[nose, 2] > 0.5


def test_gradient_and_degenerate_triangles():
    vertices = torch.rand(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    triangles = torch.tensor([[0, 1, 2], [1, 2, 3], [3, 4, 5]])
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, triangles), vertices)
    flat = torch.zeros(3, 3, requires_grad=True)
    vertex_normals(flat, torch.tensor([[0, 1, 2]])).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_tangents_follow_uv(level):
    vertices, lod = level
    to = torch.from_numpy
    normals = vertex_normals(to(vertices), to(lod.triangles))
    frames = tangent_frames(to(vertices), normals, to(lod.triangles), to(lod.uv), to(lod.triangle_uv))
    group_normal = torch.zeros_like(frames.tangent)
    group_normal[frames.corner.reshape(-1)] = normals[to(lod.triangles).reshape(-1)]
    assert (frames.tangent * group_normal).sum(-1).abs().max() < 1e-4
    assert torch.allclose(frames.tangent.norm(dim=-1), torch.ones(len(frames.tangent)), atol=1e-4)
    # Against the definition: along the triangle's own dP/du.
    p, uv = vertices[lod.triangles], lod.uv[lod.triangle_uv]
    skin = np.flatnonzero(lod.triangle_part == 0)
    edges = np.stack([p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]], 1)[skin]
    delta = np.stack([uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]], 1)[skin]
    good = np.abs(np.linalg.det(delta)) > 1e-8
    derivative = np.linalg.solve(delta[good], edges[good])  # [n, 2, 3]: dP/du, dP/dv
    derivative /= np.linalg.norm(derivative, axis=-1, keepdims=True)
    tangent = frames.tangent[frames.corner].numpy()[skin][good]  # [n, 3, 3]
    assert np.median((tangent * derivative[:, :1]).sum(-1)) > 0.97
    bitangent = frames.sign[frames.corner].numpy()[skin][good][..., None] * np.cross(
        normals.numpy()[lod.triangles[skin][good]], tangent
    )
    assert np.median((bitangent * derivative[:, 1:]).sum(-1)) > 0.9
