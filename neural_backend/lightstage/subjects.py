"""Known heads as geometry: who is drawn, and how their face and its accessories move. No Blender here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from ..geometry.similarity import align_points
from ..head.template import HeadTemplate
from ..protocol.arkit import ARKIT_INDEX
from .makehuman import MakeHuman
from .proxies import Proxy, Surface

#: Lids rest on the eyeball with this much room, metres.
LID_CLEARANCE = 0.0004
#: eyeLook* shapes are full at this rotation of the eye.
FULL_GAZE = np.radians(30.0)
#: 'makehuman': MakeHuman's own head. 'sculpted': MakeHuman's variation about its mean, on our mean head. 'prior': a
#: sample of our identity modes with a smooth displacement.
KINDS = ("makehuman", "sculpted", "prior")
#: MakeHuman's mean is taken over this many heads of fixed seeds.
MEAN_OF = 48
#: Skin vertices of the template's level 0, which come first in every level.
LEVEL0_SKIN = 4410
SKIN_PARTS = ("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")


@dataclass(frozen=True)
class Eyeball:
    """A sphere; the iris is painted on it by the renderer."""

    centre: np.ndarray  # [3] metres
    radius: float  # metres


@dataclass(frozen=True)
class Subject:
    """One known person, neutral."""

    kind: str  # one of KINDS
    seed: int
    skin: np.ndarray  # [17595, 3] level-1 skin vertices, metres, template frame
    base_vertices: np.ndarray  # [19158, 3] MakeHuman's base mesh with helpers, metres, template frame
    eyes: tuple[Eyeball, Eyeball]  # left, right
    identity: np.ndarray | None = None  # [K] coefficients of a prior sample
    targets: dict[str, float] = field(default_factory=dict)  # MakeHuman's targets
    female: float = 0.5
    age: float = 0.3


@dataclass(frozen=True)
class Posed:
    """A subject with an expression."""

    skin: np.ndarray  # [17595, 3] metres
    gaze: tuple[float, float]  # radians: turned to the subject's left, upwards
    expression: np.ndarray  # [52] ARKit weights


class Casting:
    """Draws subjects of both kinds and moves them."""

    def __init__(self, template: HeadTemplate, makehuman: MakeHuman):
        self.template = template
        self.makehuman = makehuman
        level = template.levels[1]
        self.skin_count = makehuman.cut.subdivision.matrix.shape[0]
        faces = level.faces_of(*SKIN_PARTS)
        if len(faces) != len(makehuman.cut.subdivision.quads) or level.quads[faces].max() >= self.skin_count:
            raise ValueError("The template's level-1 skin is not the subdivided MakeHuman cut: rebuild the template.")
        self.skin_quads = level.quads[faces]  # [17552, 4]
        self.arkit = template.arkit[:, : self.skin_count]
        lids = [f"eye_{side}_{k:02d}" for side in ("left", "right") for k in range(4, 10)]
        self.lid_vertices = np.unique(np.concatenate([level.curves[name] for name in lids]))
        self.rim = np.unique(template.levels[0].curves["neck_rim"])
        self.neighbours = _edges(self.skin_quads)

    def makehuman_subject(self, seed: int) -> Subject:
        """A sculpted MakeHuman head: not in the prior's span."""
        head = self.makehuman.draw(np.random.default_rng([seed, 11]))
        eyes = tuple(self._socket_eye(head.base_vertices, side) for side in "lr")
        skin = self._clear_of_eyes(self.makehuman.skin_level1(head.base_vertices), eyes)
        return Subject("makehuman", seed, skin, head.base_vertices, eyes, None, head.targets, head.female, head.age)

    def subject(self, kind: str, seed: int) -> Subject:
        """A person of one of KINDS."""
        return {"makehuman": self.makehuman_subject, "sculpted": self.sculpted_subject, "prior": self.prior_subject}[
            kind
        ](seed)

    def sculpted_subject(self, seed: int) -> Subject:
        """MakeHuman's variation on our mean head.

        MakeHuman's mean face differs from the mean of scans (its nose stands 6 mm less far out): that is its
        modellers' style and not a person. Here each head keeps only how it differs from MakeHuman's mean.
        """
        head = self.makehuman.draw(np.random.default_rng([seed, 11]))
        mean = self.template.vertices[: self.skin_count]
        move = self.makehuman.skin_level1(head.base_vertices) - self.makehuman_mean
        lids = self.lid_vertices
        eyes = []
        for side, joint in ((1, 3), (-1, 4)):
            vertices = self.template.vertices.astype(np.float64)
            eye = self._fitted_eye(vertices, self.template.joint_positions[joint], "left" if side > 0 else "right")
            own = lids[side * mean[lids, 0] > 0]
            eyes.append(Eyeball(eye.centre + move[own].mean(0), eye.radius))
        skin = self._clear_of_eyes(mean + move, (eyes[0], eyes[1]))
        base = self._warped_base(skin)
        return Subject("sculpted", seed, skin, base, (eyes[0], eyes[1]), None, head.targets, head.female, head.age)

    @cached_property
    def makehuman_mean(self) -> np.ndarray:
        """[17595, 3] mean of MakeHuman heads drawn with seeds that no subject has."""
        heads = (self.makehuman.draw(np.random.default_rng([seed, 41])) for seed in range(MEAN_OF))
        return np.mean([self.makehuman.skin_level1(head.base_vertices) for head in heads], axis=0)

    def prior_subject(self, seed: int) -> Subject:
        """A sample of our own prior with a random smooth displacement it cannot express."""
        generator = np.random.default_rng([seed, 13])
        identity = generator.normal(size=len(self.template.identity)).astype(np.float32)
        vertices = self.template.shape(identity).astype(np.float64)
        joints = self.template.joints(identity)
        skin = vertices[: self.skin_count]
        bump = smooth_displacement(self.template.vertices[: self.skin_count], generator)
        # The lids stay on the eyeballs: the displacement fades out around the eyes.
        distance = np.min([np.linalg.norm(skin - joints[k], axis=1) for k in (3, 4)], axis=0)
        skin = skin + bump * np.clip((distance - 0.016) / 0.015, 0, 1)[:, None]
        eyes = tuple(self._fitted_eye(vertices, joints[3 + k], part) for k, part in enumerate(("left", "right")))
        skin = self._clear_of_eyes(skin, eyes)
        female = float(generator.random() < 0.5)
        base = self._warped_base(skin)
        return Subject("prior", seed, skin, base, eyes, identity, {}, female, float(generator.beta(0.9, 1.4)))

    def pose(self, subject: Subject, expression: np.ndarray, gaze: tuple[float, float]) -> Posed:
        """Apply ARKit weights ([52]) with the eyeLook shapes that belong to the gaze.

        The template's own displacements serve both kinds of subject; lids are kept off the eyeballs afterwards.
        """
        weights = with_gaze(expression, gaze)
        skin = subject.skin + np.tensordot(weights, self.arkit, 1)
        return Posed(self._clear_of_eyes(skin, subject.eyes), gaze, weights)

    def attached(self, subject: Subject, posed: Posed, proxy: Proxy) -> Surface:
        """An accessory that rides on the skin (brows, lashes): moved by the displacement of the nearest skin."""
        surface = proxy.fit(subject.base_vertices)
        candidates = self.lid_vertices if "lash" in proxy.name else np.arange(self.skin_count)
        distance, nearest = cKDTree(subject.skin[candidates]).query(surface.vertices, k=4)
        weight = 1 / (distance + 1e-4)
        move = (posed.skin - subject.skin)[candidates[nearest]]  # [N, 4, 3]
        moved = surface.vertices + (move * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
        return surface.moved(moved)

    def in_jaw(self, subject: Subject, posed: Posed, surface: Surface, lower: np.ndarray) -> Surface:
        """Teeth and tongue: `lower` ([N] 0..1) follows the chin's rigid motion, the rest stays with the skull."""
        chin = self.chin
        moved = align_points(subject.skin[chin], posed.skin[chin], with_scale=False).apply(surface.vertices)
        return surface.moved(surface.vertices + lower[:, None] * (moved - surface.vertices))

    @property
    def chin(self) -> np.ndarray:
        """Skin that the jawbone carries: the front of the chin."""
        mean, lip = self.template.vertices[: self.skin_count], self.template.levels[1].curves["mouth_00"]
        bottom = self.template.vertices[lip][:, 1].min()
        jaw = (mean[:, 1] < bottom) & (mean[:, 1] > bottom - 0.03) & (np.abs(mean[:, 0]) < 0.025) & (mean[:, 2] > 0.07)
        return np.flatnonzero(jaw)

    def _socket_eye(self, base: np.ndarray, side: str) -> Eyeball:
        """MakeHuman's eye helper as a sphere: its targets move lids and helper together."""
        quads = self.makehuman.base.quads[self.makehuman.base.groups == f"helper-{side}-eye"]
        points = base[np.unique(quads)]
        low, high = points.min(0), points.max(0)
        radius = float((high - low)[:2].mean() / 2)
        centre = (low + high) / 2
        # The helper bulges at the cornea: the sphere ends 0.8 mm behind it.
        centre[2] = high[2] - 0.0008 - radius
        return Eyeball(centre, radius)

    def _fitted_eye(self, vertices: np.ndarray, joint: np.ndarray, side: str) -> Eyeball:
        points = vertices[self.template.part_vertices(f"eye_{side}")]
        back = points[points[:, 2] < joint[2]]
        system = np.c_[2 * back, np.ones(len(back))]
        solved = np.linalg.lstsq(system, (back**2).sum(1), rcond=None)[0]
        centre = solved[:3]
        return Eyeball(centre, float(np.sqrt(solved[3] + centre @ centre)))

    def _clear_of_eyes(self, skin: np.ndarray, eyes: tuple[Eyeball, Eyeball]) -> np.ndarray:
        """Push lid vertices that dip into an eyeball out along the radius."""
        skin = skin.copy()
        for eye in eyes:
            lids = self.lid_vertices[np.linalg.norm(skin[self.lid_vertices] - eye.centre, axis=1) < 2 * eye.radius]
            offset = skin[lids] - eye.centre
            distance = np.linalg.norm(offset, axis=1, keepdims=True)
            ahead = offset[:, 2:] > 0.3 * distance
            wanted = np.where(ahead, np.maximum(distance, eye.radius + LID_CLEARANCE), distance)
            skin[lids] = eye.centre + offset / distance * wanted
        return skin

    def _warped_base(self, skin: np.ndarray) -> np.ndarray:
        """MakeHuman's average base mesh, helpers included, carried onto a given skin."""
        cut = self.makehuman.cut
        average = self.makehuman.average
        source, target = average[cut.vertex_ids], skin[: len(cut.vertex_ids)]
        chosen = farthest_points(source, 260)
        warp = RBFInterpolator(source[chosen], (target - source)[chosen], kernel="linear", smoothing=1e-7)
        base = average.copy()
        high = average[:, 1] > source[:, 1].min() - 0.02
        base[high] += warp(average[high])
        base[cut.vertex_ids] = target
        # Below the neck: the rim's motion, whole near the rim and its mean far away.
        rim_move = (target - source)[self.rim]
        below = np.flatnonzero(~high)
        distance, nearest = cKDTree(source[self.rim]).query(average[below])
        fade = np.exp(-distance / 0.05)[:, None]
        base[below] += fade * rim_move[nearest] + (1 - fade) * rim_move.mean(0)
        return base


def with_gaze(expression: np.ndarray, gaze: tuple[float, float]) -> np.ndarray:
    """[52] ARKit weights with the eyeLook shapes that belong to a gaze (radians, to the subject's left and upwards)."""
    weights = np.asarray(expression, np.float32).copy()
    yaw, pitch = gaze
    for side, sign in (("Left", 1), ("Right", -1)):
        weights[ARKIT_INDEX[f"eyeLookOut{side}"]] = np.clip(sign * yaw / FULL_GAZE, 0, 1)
        weights[ARKIT_INDEX[f"eyeLookIn{side}"]] = np.clip(-sign * yaw / FULL_GAZE, 0, 1)
        weights[ARKIT_INDEX[f"eyeLookUp{side}"]] = np.clip(pitch / FULL_GAZE, 0, 1)
        weights[ARKIT_INDEX[f"eyeLookDown{side}"]] = np.clip(-pitch / FULL_GAZE, 0, 1)
    return weights


def _edges(quads: np.ndarray) -> np.ndarray:
    sides = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    return np.unique(np.sort(sides, axis=1), axis=0)


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """[count] indices: each next point is the farthest from those chosen before."""
    chosen = [int(points[:, 2].argmax())]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def smooth_displacement(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """[N, 3] metres: random Fourier features at two scales, mostly mirror symmetric."""
    total = np.zeros_like(points, dtype=np.float64)
    amplitude = generator.uniform(0.3, 1.6) * 1e-3
    for wavelength, share in ((0.09, 0.8), (0.04, 0.45)):
        frequency = generator.normal(size=(24, 3)) * (2 * np.pi / wavelength) / np.sqrt(3)
        phase = generator.uniform(0, 2 * np.pi, 24)
        gain = generator.normal(size=(24, 3)) * np.sqrt(2 / 24)

        def field_at(at: np.ndarray, frequency=frequency, phase=phase, gain=gain) -> np.ndarray:
            return np.cos(at @ frequency.T + phase) @ gain

        mirror = np.array([-1.0, 1.0, 1.0])
        there, across = field_at(points), field_at(points * mirror) * mirror
        total += amplitude * share * (0.85 * (there + across) / np.sqrt(2) + 0.5 * (there - across) / np.sqrt(2))
    return total


#: Everyday expressions as (shape, low, high); left and right shapes are drawn together.
EXPRESSIONS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "smile": (("mouthSmile", 0.3, 0.9), ("cheekSquint", 0.1, 0.5), ("eyeSquint", 0.0, 0.4), ("mouthUpperUp", 0.0, 0.3)),
    "open_smile": (
        ("mouthSmile", 0.5, 0.9), ("jawOpen", 0.1, 0.35), ("cheekSquint", 0.2, 0.6), ("mouthUpperUp", 0.1, 0.5),
        ("mouthLowerDown", 0.1, 0.4),
    ),
    "surprise": (("browInnerUp", 0.3, 0.9), ("browOuterUp", 0.2, 0.8), ("eyeWide", 0.2, 0.8), ("jawOpen", 0.1, 0.5)),
    "frown": (("browDown", 0.2, 0.9), ("mouthFrown", 0.1, 0.8), ("noseSneer", 0.0, 0.4), ("eyeSquint", 0.0, 0.5)),
    "talk": (("jawOpen", 0.05, 0.4), ("mouthFunnel", 0.0, 0.4), ("mouthLowerDown", 0.0, 0.4), ("mouthUpperUp", 0, 0.3)),
    "pucker": (("mouthPucker", 0.2, 0.8), ("cheekPuff", 0.0, 0.3)),
    "press": (("mouthPress", 0.1, 0.7), ("mouthRollLower", 0.0, 0.4), ("mouthDimple", 0.0, 0.5)),
    "raised_brow": (("browOuterUp", 0.0, 0.7), ("browInnerUp", 0.0, 0.5), ("mouthStretch", 0.0, 0.3)),
}  # fmt: skip


def draw_expression(generator: np.random.Generator, share: float = 0.6, kind: str | None = None) -> np.ndarray:
    """[52] ARKit weights: neutral but for half-closed lids, or with probability `share` one of EXPRESSIONS."""
    weights = np.zeros(len(ARKIT_INDEX), np.float32)
    if kind is None and generator.random() < share:
        kind = str(generator.choice(list(EXPRESSIONS)))
    for name, low, high in EXPRESSIONS.get(kind, ()):
        value = generator.uniform(low, high)
        for full in (name, name + "Left", name + "Right"):
            if full in ARKIT_INDEX:
                weights[ARKIT_INDEX[full]] = np.clip(value * generator.uniform(0.85, 1.15), 0, 1)
    blink = 1.0 if generator.random() < 0.02 else generator.uniform(0, 0.15)
    for side in ("Left", "Right"):
        weights[ARKIT_INDEX[f"eyeBlink{side}"]] = blink
    return weights
