"""Maps of a head whose albedo is known, photographed (by this file) under two lights."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from neural_backend.fitting.delight import transfers
from neural_backend.fitting.glasses_frames import frames
from neural_backend.fitting.result import FitResult, PhotoFit
from neural_backend.fitting.textures import ReflectanceMaps, make_maps, plain_projection
from neural_backend.fitting.unwrap import SkinAtlas
from neural_backend.geometry.normals import vertex_normals_numpy
from neural_backend.head.template import HeadTemplate
from neural_backend.models.reflectance_prior import ReflectancePrior
from neural_backend.perception.image import photo_from_linear
from neural_backend.protocol.errors import Cancelled
from neural_backend.rendering.camera import Camera
from neural_backend.rendering.light import sh_basis
from neural_backend.rendering.rasterizer import interpolate, rasterize

SIZE = 256


@dataclass
class Shot:
    fit: FitResult
    photo: object
    albedo: np.ndarray  # [V_skin, 3]


def directed_light(direction, strength):
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    lobe = sh_basis(torch.tensor(direction[None], dtype=torch.float32), 3).numpy()[0]
    lobe = lobe * np.array([1] + [0.9] * 3 + [0.7] * 5 + [0.4] * 7)
    light = strength * lobe[:, None] * np.ones((1, 3))
    light[0] += 2.2
    return light


def photograph(light, yaw=0.0, size=360) -> Shot:
    template, prior = HeadTemplate.load(), ReflectancePrior.load()
    level, count = template.levels[1], prior.vertex_count
    vertices = template.vertices
    generator = np.random.default_rng(4)
    coefficients = generator.normal(0, 0.5, len(prior.vertex_log_albedo_modes)).astype(np.float32)
    albedo = prior.albedo(coefficients)
    # A birthmark that the prior does not know: it must survive.
    mark = np.linalg.norm(vertices[:count] - vertices[_cheek(template)], axis=1) < 0.004
    albedo[mark] *= 0.5
    cosine, sine = np.cos(yaw), np.sin(yaw)
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1, -1]) @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    pose[:3, 3] = [0, 0, 0.7] - pose[:3, :3] @ np.array([0, -0.01, 0.03])
    focal = size * 1.9
    camera = Camera(size, size, np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]]), pose)
    normals = vertex_normals_numpy(vertices, level.triangles)
    diffuse, specular = transfers(template, vertices, normals, camera.centre_head, count, 0)
    colour = np.full((len(vertices), 3), 0.5, np.float32)
    colour[:count] = albedo * np.maximum(diffuse @ light, 0.01) + np.maximum(specular @ light, 0)
    pixels, depth = camera.project(vertices.astype(np.float64))
    drawn = rasterize(
        torch.tensor(pixels.astype(np.float32)), torch.tensor(depth.astype(np.float32)),
        torch.tensor(level.triangles.astype(np.int32)), size, size,
    )  # fmt: skip
    picture = interpolate(torch.tensor(colour), torch.tensor(level.triangles), drawn).numpy()
    inside = drawn.mask.numpy()
    picture[~inside] = [0.05, 0.4, 0.05]  # green: any of it on the skin is a fault
    fit = FitResult(
        identity=np.zeros(len(template.identity), np.float32),
        vertices=vertices,
        arkit=template.arkit,
        joint_positions=template.joint_positions,
        albedo=np.zeros(len(prior.vertex_log_albedo_modes), np.float32),
        photos=(PhotoFit(camera, np.zeros(52, np.float32), light[:9], _landmarks(template, camera),
                         inside.astype(np.float32)),),
    )  # fmt: skip
    return Shot(fit, photo_from_linear(np.clip(picture, 0, 1).astype(np.float32)), albedo)


def _cheek(template) -> int:
    corners = template.vertices[template.landmarks68_triangle]
    marks = (corners * template.landmarks68_barycentric[..., None]).sum(1)
    target = 0.5 * marks[13] + 0.5 * marks[31 + 4]
    skin = template.part_vertices("skin")
    return int(skin[np.linalg.norm(template.vertices[skin] - target, axis=1).argmin()])


def _landmarks(template, camera) -> np.ndarray:
    """[478, 3]: the contours that the textures use, from the template's 68 landmarks; the rest at the nose."""
    from neural_backend.perception import landmarks as names

    corners = template.vertices[template.landmarks68_triangle]
    marks = (corners * template.landmarks68_barycentric[..., None]).sum(1)
    pixels, _ = camera.project(marks)
    points = np.tile(np.array([*pixels[30], 0.0]), (478, 1))

    def put(contour, loop):
        places = np.linspace(0, len(loop), len(contour), endpoint=False)
        closed = np.concatenate([loop, loop[:1]])
        for index, place in zip(contour, places, strict=True):
            k = int(place)
            points[index, :2] = closed[k] + (place - k) * (closed[k + 1] - closed[k])

    jaw = pixels[:17]  # from the subject's right to left
    forehead = jaw[[16, 12, 8, 4, 0]] * [1, -1] + [0, 2 * jaw[0, 1]]
    put(names.FACE_OVAL, np.concatenate([forehead, jaw])[::-1])
    put(names.LIPS_OUTER, pixels[48:60])
    put(names.LIPS_INNER, pixels[60:68])
    put(names.RIGHT_EYE, pixels[36:42])
    put(names.LEFT_EYE, pixels[42:48])
    put(names.RIGHT_BROW, np.concatenate([pixels[17:22], pixels[17:22][::-1] + [0, 3]]))
    put(names.LEFT_BROW, np.concatenate([pixels[22:27], pixels[22:27][::-1] + [0, 3]]))
    for index, place in ((2, pixels[33]), (132, jaw[3]), (361, jaw[13])):
        points[index, :2] = place
    return points


@pytest.fixture(scope="module")
def lit() -> list[tuple[Shot, ReflectanceMaps]]:
    shots = [photograph(directed_light(d, 4.0)) for d in ((0.9, 0.3, 0.5), (-0.8, 0.5, 0.6))]
    return [(shot, make_maps(shot.fit, [shot.photo], SIZE)) for shot in shots]


def seen(*all_maps: ReflectanceMaps) -> np.ndarray:
    return np.logical_and.reduce([maps.confidence > 0.75 for maps in all_maps])


def test_same_head_under_two_lights(lit):
    (one, a), (two, b) = lit
    mask = seen(a, b)
    assert mask.sum() > 2000
    projections = [plain_projection(shot.fit, shot.photo, SIZE)[0] for shot in (one, two)]
    ours = np.abs(np.log(a.diffuse[mask]) - np.log(b.diffuse[mask])).mean()
    plain = np.abs(np.log(projections[0][mask] + 1e-3) - np.log(projections[1][mask] + 1e-3)).mean()
    assert ours < 0.5 * plain


def test_shading_is_gone_and_the_birthmark_stays(lit):
    template = HeadTemplate.load()
    shot, maps = lit[0]
    atlas = SkinAtlas.make(template, SIZE)
    truth = atlas.image(atlas.from_vertices(shot.albedo))
    mask = seen(maps)
    # Tone and light cannot be told apart from one photo: compare after matching the mean.
    error = np.log(maps.diffuse[mask]) - np.log(truth[mask])
    assert np.abs(error - error.mean(0)).mean() < 0.12
    cheek = np.zeros(prior_count(), np.float32)
    cheek[np.linalg.norm(template.vertices[: len(cheek)] - template.vertices[_cheek(template)], axis=1) < 0.003] = 1
    middle = atlas.image(atlas.from_vertices(cheek)) > 0.5
    ring = np.zeros(prior_count(), np.float32)
    distance = np.linalg.norm(template.vertices[: len(ring)] - template.vertices[_cheek(template)], axis=1)
    ring[(distance > 0.010) & (distance < 0.014)] = 1
    around = atlas.image(atlas.from_vertices(ring)) > 0.6
    assert maps.diffuse[middle].mean() < 0.87 * maps.diffuse[around].mean()


def prior_count() -> int:
    return ReflectancePrior.load().vertex_count


def test_no_background_in_the_skin(lit):
    """Skin is redder than green everywhere; the background is green."""
    for _, maps in lit:
        assert (maps.diffuse[..., 0] > 0.95 * maps.diffuse[..., 1]).all()


def test_maps_are_complete_and_in_range(lit):
    for _, maps in lit:
        for image in (maps.diffuse, maps.specular, maps.roughness, maps.normal, maps.confidence):
            assert image.shape[:2] == (SIZE, SIZE) and image.dtype == np.float32 and np.isfinite(image).all()
        assert 0.003 <= maps.diffuse.min() and maps.diffuse.max() <= 0.95
        assert 0.012 < maps.specular.min() and maps.specular.max() < 0.06
        assert 0.2 < maps.roughness.min() and maps.roughness.max() < 0.75
        length = np.linalg.norm(maps.normal * 2 - 1, axis=-1)
        assert np.abs(length - 1).max() < 0.01
        assert abs(sum(maps.coverage.values()) - 1) < 1e-3
        assert maps.coverage["seen"] > 0.3


def test_lips_are_smoother_than_cheeks(lit):
    atlas = SkinAtlas.make(HeadTemplate.load(), SIZE)
    regions = ReflectancePrior.load().regions
    lips = atlas.image(atlas.from_vertices(regions["lips"])) > 0.9
    cheeks = atlas.image(atlas.from_vertices(regions["cheeks"])) > 0.9
    maps = lit[0][1]
    assert maps.roughness[lips].mean() < maps.roughness[cheeks].mean() - 0.05


def test_the_other_side_is_mirrored():
    shot = photograph(directed_light((0.2, 0.4, 1.0), 3.0), yaw=0.7)
    maps = make_maps(shot.fit, [shot.photo], SIZE)
    assert maps.coverage["mirrored"] > 0.05
    away = (maps.confidence > 0.3) & (maps.confidence < 0.6)
    assert (away & (maps.confidence[:, ::-1] > 0.75)).sum() > 0.5 * away.sum()


def test_same_seed_same_maps(lit):
    shot, maps = lit[0]
    again = make_maps(shot.fit, [shot.photo], SIZE)
    np.testing.assert_array_equal(again.diffuse, maps.diffuse)
    np.testing.assert_array_equal(again.normal, maps.normal)
    other = make_maps(shot.fit, [shot.photo], SIZE, seed=1)
    assert not np.array_equal(other.normal, maps.normal)


def test_progress_may_cancel(lit):
    def stop(stage, done, text=""):
        if done > 0.35:
            raise Cancelled

    with pytest.raises(Cancelled):
        make_maps(lit[0][0].fit, [lit[0][0].photo], SIZE, progress=stop)


def test_photos_must_belong_to_the_fit(lit):
    shot = lit[0][0]
    with pytest.raises(ValueError, match="give the fitted photos"):
        make_maps(shot.fit, [], SIZE)
    small = photo_from_linear(np.zeros((64, 64, 3), np.float32))
    with pytest.raises(ValueError, match="differ"):
        make_maps(shot.fit, [small], SIZE)


def test_two_photos_see_more_than_one():
    import dataclasses

    light = directed_light((0.2, 0.4, 1.0), 3.0)
    left, right = photograph(light, yaw=0.7), photograph(light, yaw=-0.7)
    both = dataclasses.replace(left.fit, photos=left.fit.photos + right.fit.photos)
    one = make_maps(left.fit, [left.photo], SIZE)
    two = make_maps(both, [left.photo, right.photo], SIZE)
    assert two.coverage["seen"] > one.coverage["seen"] + 0.1
    mask = one.confidence > 0.9
    change = np.log(two.diffuse[mask] / one.diffuse[mask])
    # Two photos say more about the level of light, so the tone may move; the pattern may not.
    assert np.abs(change.mean()) < 0.25 and np.abs(change - change.mean(0)).mean() < 0.05


def test_frames_need_a_bridge():
    """Dark bars through both eyes to the temples count as glasses only when they also cross the nose."""
    template, prior = HeadTemplate.load(), ReflectancePrior.load()
    atlas = SkinAtlas.make(template, 512)
    vertices = template.vertices[: prior.vertex_count]
    texel_mm = float(np.median(atlas.texel_mm(template.vertices)[atlas.outer]))
    place = atlas.smooth(vertices) * 1000
    height = vertices[prior.regions["lids"] > 0.5][:, 1].mean() * 1000
    bar = (np.abs(place[:, 1] - height) < 1.5) & (place[:, 2] > 0) & atlas.outer
    beside = bar & (np.abs(place[:, 0]) > 10)
    weight = np.ones(len(place), np.float32)
    found = [frames(atlas, prior, np.where(line, -1.2, 0.0), weight, vertices, texel_mm) for line in (bar, beside)]
    on_cheekbone = beside & (np.abs(place[:, 0]) < 55) & (np.abs(place[:, 0]) > 48)
    assert on_cheekbone.sum() > 20
    assert found[0][on_cheekbone].mean() > 0.8
    assert found[0][np.abs(place[:, 1] - height) > 40].max() < 0.01
    assert found[1].max() == 0
