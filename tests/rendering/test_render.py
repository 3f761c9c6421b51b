"""render_head as a whole: orientation, energy, gradients, maps. Its pictures are held against Cycles in test_cycles."""

import math

import pytest
import torch

from neural_backend.geometry.normals import vertex_normals
from neural_backend.rendering.light import EnvironmentLight, SphericalHarmonicLight
from neural_backend.rendering.projection import TensorCamera, intrinsics_matrix, rigid_motion
from neural_backend.rendering.rasterizer import rasterize
from neural_backend.rendering.render import Material, material_ids, render_head
from neural_backend.rendering.silhouette import find_outline_pairs, silhouette_edges
from neural_backend.rendering.subsurface import SurfaceDiffusion
from neural_backend.rendering.texture import mip_pyramid, sample_mipmap, sample_texture
from neural_backend.rendering.visibility import compute_transfer

SKIN = Material.uniform((0.5, 0.4, 0.3), 0.028, 0.45)
MATTE = Material.uniform((0.5, 0.4, 0.3), 0.0, 0.5)


def white(degree=2):
    return SphericalHarmonicLight(torch.eye((degree + 1) ** 2)[:, :1].expand(-1, 3) * math.sqrt(4 * math.pi))


@pytest.fixture(scope="session")
def scene(make_view):
    view = make_view(96)
    camera = TensorCamera(96, 96, view.intrinsics, view.camera_from_head)
    return view, camera


def draw(scene, material=MATTE, light=None, **options):
    view, camera = scene
    return render_head(
        view.vertices,
        view.triangles,
        view.uv,
        view.triangle_uv,
        material,
        options.pop("camera", camera),
        light or white(),
        **options,
    )


def test_furnace_without_shadows(scene):
    """Under white light everywhere a matte surface shows its albedo."""
    image = draw(scene, shadows=False)
    inside = image[..., 3] > 0.999
    assert inside.float().mean() > 0.2
    assert torch.allclose(image[inside][:, :3], MATTE.diffuse.expand(int(inside.sum()), 3), atol=1e-3)
    assert (image[..., :3] <= image[..., 3:] * MATTE.diffuse + 1e-4).all()  # premultiplied at the outline


def test_shadows_and_bounces_are_between(scene):
    plain = draw(scene, shadows=False)[..., :3].mean()
    shadowed = draw(scene, degree=2, bounces=0)[..., :3].mean()
    bounced = draw(scene, degree=2, bounces=2)[..., :3].mean()
    assert shadowed < bounced < plain


def test_light_from_above_and_from_the_left(scene):
    view, _ = scene
    for axis, index in ((1, 1), (0, 3)):  # Y_1-1 is along y, Y_11 along x
        coefficients = torch.zeros(4, 3)
        coefficients[0], coefficients[index] = 1, 1
        image = draw(scene, light=SphericalHarmonicLight(coefficients), shadows=False)
        row, column = (image[..., 3] > 0.999).nonzero().T
        value = image[row, column, 0]
        # The first tenth along the picture against all: the crown, and the subject's left, on the picture's right.
        place = row if axis == 1 else -column
        first = place <= torch.quantile(place.float(), 0.1)
        assert value[first].mean() > 1.15 * value.mean(), axis


def test_specular_adds_light_at_limbs(scene):
    matte, skin = draw(scene, shadows=False), draw(scene, SKIN, shadows=False)
    inside = matte[..., 3] > 0.999
    assert (skin[inside] - matte[inside])[:, 2].max() > 0.05  # grazing Fresnel
    assert skin[inside][:, :3].max() <= 1.001  # never more than the light


@pytest.mark.parametrize("which", ["light", "shape", "turn", "focal"])
def test_gradient_of_the_picture(scene, which):
    """The whole chain (normals, projection, transfer, shading) against finite differences of the picture.

    Pixels that change the triangle they see, and their neighbours, are left out: what happens there is the business of
    `antialias`, tested in test_silhouette.
    """
    view, camera = scene
    normals = vertex_normals(view.vertices, view.triangles)
    transfer = compute_transfer(view.vertices, view.triangles, normals, degree=2, rays=48)
    edges = silhouette_edges(view.triangles)
    coefficients = white().coefficients + 0.3 * torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    wave = 0.5 * torch.sin(40 * view.vertices[:, [1, 2, 0]])  # smooth: noise would fold triangles
    size = {"light": 0.05, "shape": 1e-4, "turn": 1e-3, "focal": 0.05}[which]

    def parts(step):
        vertices, turn, focal, light = view.vertices, torch.zeros(3), camera.intrinsics[0, 0], coefficients
        if which == "light":
            light = light * (1 + step * torch.tensor([1.0, 0.5, -1.0]))
        if which == "shape":
            vertices = vertices + step * wave
        if which == "turn":
            turn = step * torch.tensor([0.3, 1.0, 0.2])
        if which == "focal":
            focal = focal + step
        intrinsics = intrinsics_matrix(focal, 96, 96)
        moved = TensorCamera(96, 96, intrinsics, camera.camera_from_head @ rigid_motion(turn, torch.zeros(3)))
        return vertices, moved, SphericalHarmonicLight(light)

    def seen(step):
        vertices, moved, _ = parts(step)
        return rasterize(*moved.project(vertices), view.triangles, 96, 96).triangle

    def picture(step):
        vertices, moved, light = parts(step)
        image = render_head(
            vertices,
            view.triangles,
            view.uv,
            view.triangle_uv,
            SKIN,
            moved,
            light,
            transfer=transfer,
            edges=edges,
            bounce_albedo=0.4,
        )
        return image[..., :3].sum(-1)

    middle = seen(0.0)
    changed = (seen(size) != middle) | (seen(-size) != middle) | (middle < 0)
    pixels, depth = camera.project(view.vertices)
    fragments = rasterize(pixels, depth, view.triangles, 96, 96)
    first = find_outline_pairs(pixels, depth, fragments, edges).first
    changed.view(-1)[first] = True
    kept = torch.nn.functional.max_pool2d(changed.float()[None], 3, 1, 1)[0] == 0
    assert kept.sum() > 300
    step = torch.tensor(0.0, requires_grad=True)
    (gradient,) = torch.autograd.grad((picture(step) * kept).sum(), step)
    with torch.no_grad():
        numeric = ((picture(torch.tensor(size)) - picture(torch.tensor(-size))) * kept).sum() / (2 * size)
    assert abs(numeric - gradient) < 0.02 * abs(numeric) + 1e-3, (numeric, gradient)


def test_maps_and_their_orientation(scene):
    """A map that holds its own UV comes out as the UV that the rasterizer interpolates."""
    size = 256
    v, u = torch.meshgrid(1 - (torch.arange(size) + 0.5) / size, (torch.arange(size) + 0.5) / size, indexing="ij")
    texture = torch.stack([u, v, torch.zeros_like(u)], -1)
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05
    assert torch.allclose(sample_texture(texture, points)[:, :2], points, atol=1e-4)
    levels = mip_pyramid(texture)
    assert len(levels) == 5 and levels[-1].shape[0] == 16
    assert torch.allclose(sample_mipmap(levels, points, torch.full((200,), 1.5))[:, :2], points, atol=0.02)
    mapped = Material(texture, torch.zeros(1), torch.full((1,), 0.5), torch.tensor([0.5, 0.5, 1.0]).expand(8, 8, 3))
    image = draw(scene, mapped, shadows=False)
    flat = draw(scene, Material(texture, torch.zeros(1), torch.full((1,), 0.5)), shadows=False)
    assert torch.allclose(image, flat, atol=2e-3)  # a flat normal map changes nothing
    assert image[..., 0].max() > 0.5


def test_normal_map_turns_the_shading(scene):
    """Normals bent along +U darken or brighten as a bent surface would: the mean changes sign with the map."""
    light = torch.zeros(4, 3)
    light[0], light[3] = 1, 1
    means = []
    for sign in (-1, 1):
        tilt = torch.tensor([0.5 + sign * 0.25, 0.5, 0.5 + 0.433]).expand(8, 8, 3)
        material = Material(torch.ones(3), torch.zeros(1), torch.ones(1), tilt)
        means.append(draw(scene, material, SphericalHarmonicLight(light), shadows=False)[..., 0].mean())
    flat = Material(torch.ones(3), torch.zeros(1), torch.ones(1))
    middle = draw(scene, flat, SphericalHarmonicLight(light), shadows=False)[..., 0].mean()
    assert abs(means[0] - means[1]) > 0.02 * middle


def test_subsurface_softens_red_most(scene):
    view, _ = scene
    diffusion = SurfaceDiffusion(view.vertices.numpy(), view.triangles.numpy())
    light = torch.zeros(4, 3)
    light[0], light[3] = 1, 1.2
    material = Material.uniform((0.5, 0.5, 0.5), 0.0, 0.5, scatters=True)
    options = {"light": SphericalHarmonicLight(light), "degree": 1, "bounces": 0}
    sharp, soft = draw(scene, material, **options), draw(scene, material, subsurface=diffusion, **options)
    change = (soft - sharp).abs()[..., :3].mean((0, 1))
    assert change[0] > change[1] > change[2] > 0


def test_environment_and_its_harmonics_agree_on_matte(scene):
    environment = torch.rand(8, 16, 3, generator=torch.Generator().manual_seed(0))
    environment = torch.nn.functional.interpolate(environment.permute(2, 0, 1)[None], (64, 128), mode="bilinear")[0]
    probe = EnvironmentLight(environment.permute(1, 2, 0))
    ours = draw(scene, MATTE, probe, degree=4, bounces=0)
    smooth = draw(scene, MATTE, SphericalHarmonicLight(probe.sh(4)), degree=4, bounces=0)
    assert torch.allclose(ours, smooth, atol=0.02)


def test_materials_by_part(scene, template):
    view, _ = scene
    which = material_ids(template.levels[0])
    assert set(which.tolist()) >= {0, 1} and (which >= -1).all()
    materials = [Material.uniform(c, 0.0) for c in ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (0.5, 0.5, 0))]
    kept = torch.from_numpy(which >= 0)
    image = render_head(
        view.vertices,
        view.triangles[kept],
        view.uv,
        view.triangle_uv[kept],
        materials,
        scene[1],
        white(),
        triangle_material=torch.from_numpy(which)[kept],
        shadows=False,
    )
    assert image[..., 0].sum() > 20 * image[..., 1].sum() > 0  # mostly skin, some eye


def test_supersampling_keeps_the_picture(scene):
    assert (draw(scene, supersample=2) - draw(scene)).abs().mean() < 0.01
