"""Synthetic photos by the thousand, drawn on one device without a ray traced: heads to learn places from.

Per vertex: albedo from the reflectance prior, light from 128 directions let through as the mean head lets it through,
a highlight per lamp, hair and beard as coloured, lifted skin. Per pixel: colour interpolated over triangles about as
small as pixels, a background of noise, spectacles. Path-traced known heads stand beside these in training, for hair,
skin and glass that look like themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ...geometry.normals import vertex_normals
from ...head.template import PART_NAMES, HeadTemplate
from ...models.reflectance_prior import ReflectancePrior
from ...models.surface_points import SIDE
from .population import Population
from .splat import splat

EYE_CORNER_POINTS = (33, 263)  # of the 468
CROP_EXTENT = 1.5  # of the landmarks' box, as perception.face.roi_of


@dataclass(frozen=True)
class Photos:
    """What the network learns from, in crop pixels."""

    picture: Tensor  # [B, 3, 256, 256] sRGB 0..1
    places: Tensor  # [B, P, 2]
    face: Tensor  # [B, F, 3] neutral face points in the head's frame, metres


class Painter:
    """Draws batches of Photos on `device`."""

    def __init__(self, population: Population, template: HeadTemplate, prior: ReflectancePrior, device: torch.device):
        def put(array, dtype=torch.float32) -> Tensor:
            return torch.as_tensor(array).to(device=device, dtype=dtype)

        self.device = device
        self.mean, self.identity = put(template.vertices), put(template.identity)
        self.arkit = put(template.arkit)
        self.points, self.face = put(population.points, torch.long), put(population.face, torch.long)
        self.triangles = put(population.triangles, torch.long)
        self.lit, self.directions = put(population.lit) / 255, put(population.directions)
        self.expressions = put(population.expressions)
        self.landmark_triangle = put(population.landmark_triangle, torch.long)
        self.landmark_weight = put(population.landmark_barycentric)
        self.log_albedo, self.albedo_modes = put(prior.vertex_log_albedo_mean), put(prior.vertex_log_albedo_modes)
        self.skin_count = prior.vertex_count
        self.regions = {name: put(prior.regions[name]) for name in ("brows", "beard", "interior", "lips")}
        self.part = torch.full((len(template.vertices),), PART_NAMES.index("skin"), device=device)
        level = template.levels[1]
        for part in range(len(PART_NAMES)):
            self.part[put(template.part_vertices(PART_NAMES[part]), torch.long)] = part
        self.part[: self.skin_count] = PART_NAMES.index("skin")
        self.eye_centre = put(template.joint_positions[3:5])
        assert len(level.vertex_ids) == len(template.vertices)

    def draw(self, batch: int, generator: torch.Generator) -> Photos:
        shape = _Draw(self, batch, generator)
        neutral = shape.neutral()
        posed = neutral + torch.einsum("be,evc->bvc", shape.expression(), self.arkit)
        rotation, translation, focal = shape.camera()

        def project(points: Tensor) -> tuple[Tensor, Tensor]:
            seen = torch.einsum("bij,bvj->bvi", rotation, points) + translation[:, None]
            return seen[..., :2] / seen[..., 2:] * focal[:, None, None], seen[..., 2]

        corners = posed[:, self.landmark_triangle]  # [B, 468, 3, 3]
        landmarks, _ = project((corners * self.landmark_weight[None, :, :, None]).sum(2))
        crop = shape.crop(landmarks)  # [B, 2, 3]
        hair, lift = shape.hair(neutral)
        normals = vertex_normals(posed, self.triangles)
        drawn = posed.clone()
        drawn[:, : self.skin_count] += lift[..., None] * F.normalize(
            drawn[:, : self.skin_count] - self._middle(), dim=-1
        )
        normals_drawn = torch.where(
            F.pad(lift, (0, drawn.shape[1] - self.skin_count))[..., None] > 1e-3,
            vertex_normals(drawn, self.triangles), normals,
        )  # fmt: skip
        colour = shape.shade(posed, normals_drawn, rotation, translation, hair)
        pixels, depth = project(drawn)
        pixels = apply(crop, pixels)
        picture, covered = splat(pixels, depth, colour, self.triangles, SIDE)
        places, _ = project(posed[:, self.points])
        places = apply(crop, places)
        picture = torch.where(covered, picture, shape.background())
        eyes, _ = project(self.eye_centre[None] + 0 * translation[:, None])
        picture = shape.spectacles(to_srgb(picture), apply(crop, eyes), crop, focal, translation)
        return Photos(picture.clamp(0, 1), places, neutral[:, self.face])

    def _middle(self) -> Tensor:
        return self.mean.new_tensor([0.0, 0.03, 0.0])


class _Draw:
    """The random choices of one batch."""

    def __init__(self, painter: Painter, batch: int, generator: torch.Generator):
        self.p, self.batch, self.generator = painter, batch, generator

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.rand((self.batch, *shape), generator=self.generator, device=self.p.device)
        return drawn * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        return torch.randn((self.batch, *shape), generator=self.generator, device=self.p.device)

    def some(self, chance: float, *shape: int) -> Tensor:
        return (self.uniform(0, 1, *shape) < chance).float()

    def field(self, wavelength: float, channels: int, waves: int = 24) -> Tensor:
        """[B, S, C] smooth random functions on the mean skin with unit variance."""
        places = self.p.mean[: self.p.skin_count]
        frequency = self.normal(waves, 3) * (2 * math.pi / wavelength / math.sqrt(3))
        phase = torch.einsum("vc,bwc->bvw", places, frequency) + self.uniform(0, 2 * math.pi, 1, waves)
        return torch.cos(phase) @ (self.normal(waves, channels) * math.sqrt(2 / waves))

    def neutral(self) -> Tensor:
        """[B, V, 3]: the prior with what it cannot express."""
        p = self.p
        codes = self.normal(len(p.identity)) * self.uniform(0.7, 1.3, 1)
        vertices = p.mean + torch.einsum("bk,kvc->bvc", codes, p.identity)
        bump = 0.8 * self.field(0.09, 3) + 0.45 * self.field(0.04, 3)
        mirror = p.mean.new_tensor([1.0, 1.0, 1.0])
        skin = p.mean[: p.skin_count]
        distance = torch.cdist(skin, p.eye_centre).amin(1)
        fade = ((distance - 0.016) / 0.015).clamp(0, 1)
        amplitude = self.uniform(0.3, 2.4, 1, 1) * 1e-3
        vertices[:, : p.skin_count] += amplitude * fade[:, None] * bump * mirror
        return vertices

    def expression(self) -> Tensor:
        rows = (self.uniform(0, 1) * len(self.p.expressions)).long().clamp_max(len(self.p.expressions) - 1)
        weights = self.p.expressions[rows]
        return (weights + self.some(0.3, 1) * 0.12 * self.normal(52).clamp_min(0)).clamp(0, 1)

    def camera(self) -> tuple[Tensor, Tensor, Tensor]:
        """([B, 3, 3] rotation, [B, 3] translation, [B] focal length in pixels of a 256 picture)."""
        equivalent = torch.exp(self.uniform(math.log(26), math.log(110)))
        focal = equivalent / 36 * SIDE
        distance = focal * 0.24 / (SIDE * self.uniform(0.4, 0.8))
        frontal = self.some(0.45)
        yaw = torch.where(frontal > 0, 7 * self.normal(), self.uniform(-58, 58))
        pitch, roll = (7 * self.normal()).clamp(-20, 20), 5 * self.normal()
        flip = torch.diag(self.p.mean.new_tensor([1.0, -1.0, -1.0]))
        rotation = _turn(0 * yaw, 0 * yaw, roll) @ flip @ _turn(yaw, pitch, 0 * yaw)
        centre = self.p.mean.new_tensor([0.0, 0.01, 0.06])
        offset = torch.cat([0.02 * self.normal(2), distance[:, None]], 1)
        return rotation, -(rotation @ centre) + offset, focal

    def crop(self, landmarks: Tensor) -> Tensor:
        """[B, 2, 3] picture to crop pixels: perception's region, as shaky as it is on photos."""
        low, high = landmarks.amin(1), landmarks.amax(1)
        across = landmarks[:, EYE_CORNER_POINTS[1]] - landmarks[:, EYE_CORNER_POINTS[0]]
        side = (high - low).amax(1) * CROP_EXTENT * torch.exp(0.06 * self.normal())
        angle = torch.atan2(across[:, 1], across[:, 0]) + 0.06 * self.normal()
        centre = (low + high) / 2 + 0.025 * side[:, None] * self.normal(2)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        turn = torch.stack([torch.stack([cosine, sine], 1), torch.stack([-sine, cosine], 1)], 1)
        turn = turn * (SIDE / side)[:, None, None]
        return torch.cat([turn, SIDE / 2 - turn @ centre[..., None]], 2)

    def hair(self, neutral: Tensor) -> tuple[Tensor, Tensor]:
        """([B, S, 4] hair colour and cover, [B, S] lift in metres)."""
        p = self.p
        skin = p.mean[: p.skin_count]
        slope = torch.deg2rad(self.uniform(15, 75, 1))
        front = torch.where(self.some(0.2, 1) > 0, self.uniform(0.065, 0.095, 1), self.uniform(0.095, 0.135, 1))
        height = (skin[:, 1] - front) * torch.cos(slope) + (0.085 - skin[:, 2]) * torch.sin(slope)
        height = height + 0.006 * self.field(0.05, 1)[..., 0] + 0.003 * self.field(0.012, 1)[..., 0]
        bald = self.some(0.12, 1)
        ears = torch.where(self.some(0.5, 1) > 0, 1.0, ((height - 0.0) > 0.055).float())
        is_ear = ((skin[:, 0].abs() > 0.066) & (skin[:, 2] < 0.03) & (skin[:, 2] > -0.03) & (skin[:, 1] < 0.06)).float()
        cover = torch.sigmoid(height / 0.0015) * (1 - bald) * torch.where(is_ear > 0, ears, 1.0)
        lift = self.uniform(0.001, 0.03, 1) * ((height / 0.02).clamp(0, 1)) * (1 + 0.3 * self.field(0.03, 1)[..., 0])
        lift = lift.clamp_min(0) * (cover > 0.5)
        dark = self.uniform(0, 1, 1, 1)
        brown = p.mean.new_tensor([[0.06, 0.035, 0.02]])
        fair = torch.stack([self.uniform(0.2, 0.6), self.uniform(0.15, 0.5), self.uniform(0.08, 0.4)], 1)[:, None]
        base = torch.where(dark < 0.65, brown * self.uniform(0.15, 2.5, 1, 1), fair)
        grain = torch.exp(0.5 * self.field(0.006, 1) + 0.35 * self.normal(p.skin_count, 1))
        colour = base * grain
        beard = (
            self.some(0.18, 1)
            * self.uniform(0.2, 1, 1)
            * p.regions["beard"]
            * (0.6 + 0.4 * self.uniform(0, 1, p.skin_count))
        )
        brows = self.uniform(0.1, 1.0, 1) * p.regions["brows"] * (0.5 + 0.5 * self.uniform(0, 1, p.skin_count))
        whole = torch.maximum(torch.maximum(cover, beard), brows).clamp(0, 1)
        return torch.cat([colour, whole[..., None]], -1), lift

    def albedo(self, hair: Tensor, posed: Tensor) -> Tensor:
        """[B, V, 3] linear."""
        p = self.p
        codes = self.normal(len(p.albedo_modes)) * self.uniform(0.6, 1.2, 1)
        log = p.log_albedo + torch.einsum("bk,kvc->bvc", codes, p.albedo_modes)
        # What is painted must not be taken for shape: blotches, dark rings, tan, at all sizes.
        for wavelength, strength in ((0.08, 0.15), (0.03, 0.12), (0.01, 0.08), (0.004, 0.06)):
            log = log + self.uniform(0, strength, 1, 1) * self.field(wavelength, 1) * p.mean.new_tensor([0.8, 1.0, 1.1])
        skin = torch.exp(log).clamp(0.005, 0.95)
        skin = torch.lerp(skin, hair[..., :3], hair[..., 3:])
        rest = posed.shape[1] - p.skin_count
        colour = torch.cat([skin, skin.new_full((self.batch, rest, 3), 0.5)], 1)
        name = {name: p.part == PART_NAMES.index(name) for name in PART_NAMES}
        white = self.uniform(0.35, 0.75, 1, 1) * p.mean.new_tensor([1.0, 0.95, 0.9])
        gaze, iris = 0.12 * self.normal(2), torch.exp(self.uniform(-3.2, -1.0, 1, 3))
        for k, side in enumerate(("left", "right")):
            at = F.normalize(p.mean[name[f"eye_{side}"]] - p.eye_centre[k], dim=-1)
            axis = F.normalize(torch.cat([gaze, torch.ones_like(gaze[:, :1])], 1), dim=-1)
            angle = torch.acos((axis @ at.T).clamp(-0.999, 0.999))  # [B, n]
            eye = torch.where(angle[..., None] < 0.5, iris.expand(-1, angle.shape[1], -1), white)
            colour[:, name[f"eye_{side}"]] = torch.where(angle[..., None] < 0.2, eye * 0 + 0.01, eye)
        teeth = name["teeth_upper"] | name["teeth_lower"]
        colour[:, teeth] = self.uniform(0.3, 0.7, 1, 1) * p.mean.new_tensor([1.0, 0.93, 0.8])
        colour[:, name["gums_upper"] | name["gums_lower"] | name["tongue"]] = p.mean.new_tensor([0.35, 0.12, 0.12])
        return colour

    def shade(self, posed: Tensor, normals: Tensor, rotation: Tensor, translation: Tensor, hair: Tensor) -> Tensor:
        """[B, V, 3] linear colour."""
        p = self.p
        light = self.lights()  # [B, D, 3]
        lit = p.lit.clone()
        inner = p.part >= PART_NAMES.index("teeth_upper")
        lit[:, inner] = 0.25  # the mean head's mouth is shut
        lit[:, (p.part >= PART_NAMES.index("eye_left")) & ~inner] = 0.8
        dots = (normals @ p.directions.T).clamp_min(0) * lit.T  # [B, V, D]
        irradiance = dots @ light * (4 / len(p.directions))
        # Light from below the skin goes round corners, the red most.
        wrapped = ((normals @ p.directions.T + 0.3) / 1.3).clamp_min(0) * lit.T
        soft = wrapped @ light * (4 / len(p.directions))
        irradiance = torch.lerp(irradiance, soft, self.uniform(0.1, 0.7, 1, 1) * p.mean.new_tensor([1.0, 0.6, 0.4]))
        colour = self.albedo(hair, posed) * irradiance
        view = F.normalize(-(posed + torch.einsum("bji,bj->bi", rotation, translation)[:, None]), dim=-1)
        strength, strongest = light.sum(-1).topk(6, dim=1)
        exponent = torch.exp(self.uniform(math.log(8), math.log(60), 1))
        gloss = torch.zeros_like(posed[..., 0])
        for k in range(6):
            half = F.normalize(p.directions[strongest[:, k]][:, None] + view, dim=-1)
            lobe = (normals * half).sum(-1).clamp_min(0) ** exponent * (exponent + 4) / 25
            gloss = gloss + lobe * lit[strongest[:, k]] * strength[:, k, None] / 3
        gloss = gloss * self.uniform(0.002, 0.02, 1) * (4 * 128 / len(p.directions)) / 4
        return (colour + gloss[..., None]) * self.uniform(0.6, 1.5, 1, 1)

    def lights(self) -> Tensor:
        """[B, D, 3] radiance: an even part, two broad lobes, up to three lamps; the head's light comes to about one."""
        directions = self.p.directions
        light = self.uniform(0.1, 0.6, 1, 1).expand(-1, len(directions), 3).clone()
        for sharpness, chance, low, high in (
            (1.5, 1, 0.3, 1.5),
            (4, 0.8, 0.2, 2),
            (40, 0.7, 2, 16),
            (60, 0.4, 2, 14),
            (60, 0.2, 2, 10),
        ):
            towards = F.normalize(self.normal(3) + self.p.mean.new_tensor([0.0, 0.5, 0.9]), dim=-1)
            lobe = torch.exp(sharpness * (towards @ directions.T - 1))
            tint = torch.exp(0.15 * self.normal(1, 3))
            light += (self.some(chance, 1) * self.uniform(low, high, 1) * lobe)[..., None] * tint
        return light / light.mean((1, 2), keepdim=True) * torch.exp(0.25 * self.normal(1, 1))

    def background(self) -> Tensor:
        """[B, 3, 256, 256] linear."""
        out = self.uniform(0.02, 0.8, 3, 1, 1) * torch.ones(1, 1, SIDE, SIDE, device=self.p.device)
        for cells, strength in ((3, 0.6), (8, 0.4), (24, 0.3), (80, 0.2)):
            noise = F.interpolate(
                self.normal(3, cells, cells) * 0.5 + self.normal(1, cells, cells), size=SIDE, mode="bilinear"
            )
            out = out * torch.exp(self.some(0.6, 1, 1, 1) * strength * noise)
        return out

    def spectacles(self, picture: Tensor, eyes: Tensor, crop: Tensor, focal: Tensor, translation: Tensor) -> Tensor:
        """Rims and a bridge over a fifth of the faces."""
        scale = torch.linalg.norm(crop[:, 0, :2], dim=1) * focal / translation[:, 2]  # pixels per metre
        grid = torch.stack(torch.meshgrid(*[torch.arange(SIDE, device=picture.device) + 0.5] * 2, indexing="xy"), -1)
        wear = self.some(0.2)[:, None, None]
        width = scale * self.uniform(0.0006, 0.003)
        half = torch.stack([scale * self.uniform(0.02, 0.028), scale * self.uniform(0.014, 0.024)], 1)
        power = self.uniform(2, 5)[:, None, None]
        line = torch.zeros_like(picture[:, 0])
        for k in range(2):
            away = ((grid[None] - eyes[:, k, None, None]) / half[:, None, None]).abs()
            radius = (away ** power[..., None]).sum(-1).clamp_min(1e-6) ** (1 / power)
            rim = (radius - 1).abs() * half.amin(1)[:, None, None]
            line = torch.maximum(line, (1.2 - rim / width[:, None, None].clamp_min(0.7)).clamp(0, 1))
        colour = self.uniform(0, 0.4, 3, 1, 1)
        return torch.lerp(picture, colour.expand_as(picture), (line * wear)[:, None])


def _turn(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """[B] degrees each -> [B, 3, 3] Rz(roll) Rx(pitch) Ry(yaw)."""
    y, x, z = (torch.deg2rad(angle) for angle in (yaw, pitch, roll))
    zero, one = torch.zeros_like(y), torch.ones_like(y)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.stack(rows, 1).view(-1, 3, 3)

    about_y = matrix(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
    about_x = matrix(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
    about_z = matrix(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
    return about_z @ about_x @ about_y


def apply(affine: Tensor, points: Tensor) -> Tensor:
    """[B, 2, 3], [B, N, 2] -> [B, N, 2]."""
    return points @ affine[:, :, :2].transpose(1, 2) + affine[:, None, :, 2]


def to_srgb(linear: Tensor) -> Tensor:
    linear = linear.clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055)
