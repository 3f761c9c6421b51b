"""The preview's own arithmetic: light, crops, tones."""

from __future__ import annotations

import bpy
import numpy as np
import pytest


def test_harmonics_are_orthonormal(load):
    """On the sphere, by quadrature: exact for products of two degree-4 functions."""
    light = load("blender_addon.preview.photo_light")
    nodes, weights = np.polynomial.legendre.leggauss(12)
    around = 2 * np.pi * (np.arange(24) + 0.5) / 24
    z, phi = np.meshgrid(nodes, around, indexing="ij")
    radius = np.sqrt(1 - z**2)
    basis = light.harmonics(np.stack([radius * np.cos(phi), radius * np.sin(phi), z], -1), 25)
    gram = np.einsum("i,ijb,ijc->bc", weights * 2 * np.pi / 24, basis, basis)
    np.testing.assert_allclose(gram, np.eye(25), atol=1e-12)


def test_harmonics_are_the_renderers(load):
    torch = pytest.importorskip("torch")
    from neural_backend.rendering.light import sh_basis

    directions = np.random.default_rng(3).normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    ours = load("blender_addon.preview.photo_light").harmonics(directions, 25)
    np.testing.assert_allclose(ours, sh_basis(torch.tensor(directions), 4).numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("axis", "place"),
    [
        ("front", (0.75, 0.5)),  # (u, v) of Blender's equirectangular picture; -Y is three quarters along
        ("left", (0.5, 0.5)),  # +X, the middle
        ("up", (0.5, 1.0)),
    ],
)
def test_photo_light_comes_from_where_it_came(load, axis, place):
    """One degree-1 lobe along an axis of the head is brightest at that axis in the sky."""
    coefficients = np.zeros((4, 3))
    coefficients[0] = 1.0
    coefficients[{"up": 1, "front": 2, "left": 3}[axis]] = 0.5  # the order is y, z, x
    picture = load("blender_addon.preview.photo_light").sky_picture(coefficients, height=32)[..., 0]
    row, column = np.unravel_index(picture.argmax(), picture.shape)
    u, v = (column + 0.5) / 64, (row + 0.5) / 32
    assert abs(v - place[1]) < 0.05
    assert axis == "up" or abs(u - place[0]) < 0.05


def test_sky_in_cycles_lights_the_right_side(built, load):
    """A lamp at the subject's left, painted as a sky: in the render the right half of the picture is the bright one."""
    head, _ = built
    tiles, stage = load("blender_addon.preview.tiles"), load("blender_addon.preview.stage")
    light = load("blender_addon.preview.photo_light")
    coefficients = np.zeros((9, 3))
    coefficients[0], coefficients[3] = 0.6, 0.6
    with tiles.studio(head, samples=4) as renderer:
        renderer.light(())
        stage.image_sky(renderer.world, light.sky_image(coefficients), azimuth=90, normalise=False)
        stage.aim(renderer.camera, renderer.framing, 0)
        picture = renderer.render({}, 48, 48)
    covered = picture[..., 3] > 0.9
    luminance = picture[..., :3].mean(-1)
    left, right = luminance[:, :24][covered[:, :24]].mean(), luminance[:, 24:][covered[:, 24:]].mean()
    assert right > 1.5 * left
    assert len(bpy.data.scenes) == 1 and not bpy.data.worlds


def test_crop_reaches_out_of_the_picture(load):
    preview = load("blender_addon.preview")
    picture = np.ones((40, 60, 3), np.float32)
    square = preview._crop(picture, -10, -10, 40, 40)
    assert square.shape == (40, 40, 3)
    assert np.all(square[:10] < 0.5) and np.all(square[10:, 10:] == 1.0)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (20, 30), (13, 64)])
def test_resize_keeps_means_and_ramps(load, height, width):
    resize = load("blender_addon.preview.pictures").resize
    ramp = np.linspace(0, 1, 30, dtype=np.float32)[None, :, None] * np.ones((20, 1, 3), np.float32)
    small = resize(ramp, height, width)
    assert small.shape == (height, width, 3)
    assert small.mean() == pytest.approx(0.5, abs=1e-3)
    assert np.all(np.diff(small[0, :, 0]) >= -1e-6)


def test_pictures_survive_writing(load, tmp_path):
    pictures = load("blender_addon.preview.pictures")
    picture = np.random.default_rng(0).random((12, 17, 3)).astype(np.float32)
    pictures.write_png(tmp_path / "a.png", picture)
    np.testing.assert_allclose(pictures.read_picture(tmp_path / "a.png")[..., :3], picture, atol=0.51 / 255)


def test_tones_are_srgb_below_the_knee(load):
    pictures = load("blender_addon.preview.pictures")
    linear = np.linspace(0, 0.6, 50)
    np.testing.assert_allclose(pictures.to_linear(pictures.to_display(linear)), linear, atol=1e-4)
    bright = pictures.to_display(np.linspace(0, 20, 200))
    assert np.all(np.diff(bright) >= 0) and bright.max() <= 1.0


def test_a_hat_stays_the_photos_and_dark_eyes_are_covered(load):
    """Above the brows the overlay gives way to what is far darker than the forehead; below it never does."""
    preview = load("blender_addon.preview")
    tile = 160
    landmarks = np.zeros((68, 2))
    landmarks[8] = [80, 140]  # chin
    landmarks[17:27] = [80, 70]  # brows
    rendered = np.full((tile, tile, 4), 0.3, np.float32)
    rendered[..., 3] = 1.0
    picture = np.broadcast_to(load("blender_addon.preview.pictures").to_display(rendered[..., :3]), (tile, tile, 3))
    assert preview._bare(rendered, picture, landmarks).min() == 1
    dark = picture.copy()
    dark[:45] = 0.05  # a hat
    dark[90:100] = 0.05  # glasses
    shown = preview._bare(rendered, dark, landmarks)
    assert shown[:30].max() == 0
    assert shown[75:].min() == 1
    assert shown[60, 80] > 0.9  # bare forehead between hat and brows
