"""Who is captured when: the splits of the virtual light stage, rendered moment by moment. Resumable.

A capture that exists is never rendered again, and depends on seeds alone, not on which process makes it or when. The
order is by moment first, so that any part of the work has every subject.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..rendering.camera import Camera
from ..rendering.light import load_environment
from .appearance import Look, Wardrobe
from .captures import Capture, StageSettings, encode_groups, encode_map, environment_light, write_settings
from .lamp_rig import LampRig
from .performances import Moment, draw_moment
from .rig import HELD_OUT_CAMERAS, draw_lamps, encoder_camera, in_front_of, ring, training_cameras
from .stage import Stage
from .subjects import LEVEL0_SKIN, Casting, Subject

log = logging.getLogger(__name__)

SPLITS = ("train", "held_out", "lights")
#: Goes up when a seed comes to mean another person: a folder must not show two people under one name.
CASTING = 2
#: Other people than the known heads' (known_heads.py), which count from 0, 100,000 and 1,000,000; seeds share none.
PEOPLE_SEED, HELD_OUT_PEOPLE_SEED, PEOPLE_PER_SEED = 3_000_000, 4_000_000, 10_000
#: Of training subjects that come back in the other splits, and moments that training never has.
KNOWN_SUBJECTS, UNSEEN_MOMENT = 4, 1001
SMALL_LAMPS = 4
ENVIRONMENTS = ("city", "courtyard", "interior", "sunset")
#: Hairstyles whose fringe covers the eyes, and what their wearers get instead.
COVERING, INSTEAD = ("bob02", "short03"), ("short01", "short04")
#: Of the people who wear skins that the known heads' calibration leaves out: here nothing is proved with them.
PROOF_SKINS_SHARE = 0.36


@dataclass(frozen=True)
class Plan:
    """One capture to be made, all of it drawn from seeds."""

    name: str
    subject: str
    person_seed: int
    moment: int
    views: tuple[int, ...]  # of the ring; the encoder's camera comes before them
    lights: str  # "lamps", or "direct": small lamps and environments


def plans(split: str, subjects: int, moments: int, views: int, seed: int) -> Iterator[Plan]:
    """What a split consists of, in the order of rendering.

    - `train`: every subject in turn, `views` cameras per moment, the first in front.
    - `held_out`: other people, seen by the encoder's and the held-out cameras; and, as `<subject>` of training, moments
      that training never had, seen by the same.
    - `lights`: training subjects at unseen moments under small lamps and environments, each rendered directly.
    """
    free = training_cameras()
    if split == "train":
        for moment in range(moments):
            for person in range(subjects):
                generator = np.random.default_rng([seed, person, moment, 67])
                chosen = generator.choice(free, views - 1, replace=False)
                yield _plan(
                    "s",
                    person,
                    PEOPLE_SEED + PEOPLE_PER_SEED * seed,
                    moment,
                    tuple(int(view) for view in chosen),
                    "lamps",
                )
        return
    for moment in range(moments):
        if split == "held_out":
            for person in range(subjects):
                yield _plan(
                    "h", person, HELD_OUT_PEOPLE_SEED + PEOPLE_PER_SEED * seed, moment, HELD_OUT_CAMERAS, "lamps"
                )
        for person in range(KNOWN_SUBJECTS):
            lights = "lamps" if split == "held_out" else "direct"
            known = HELD_OUT_CAMERAS if split == "held_out" else HELD_OUT_CAMERAS[:1]
            yield _plan("s", person, PEOPLE_SEED + PEOPLE_PER_SEED * seed, UNSEEN_MOMENT + moment, known, lights)


def _plan(letter: str, person: int, seed: int, moment: int, views: tuple[int, ...], lights: str) -> Plan:
    subject = f"{letter}{person:04d}"
    return Plan(f"{subject}_{moment:04d}", subject, seed + person, moment, views, lights)


def render_split(stage: Stage, rig: LampRig, folder: Path, settings: StageSettings, wanted: list[Plan]) -> None:
    """Render what is missing of `wanted` into `folder`; one log line per capture.

    Raises:
        MienError: the folder holds captures of other settings, which must not be mixed with these.
    """
    write_settings(folder, settings)
    people: dict[int, tuple[Subject, Look]] = {}
    for plan in wanted:
        if (Path(folder) / f"{plan.name}.npz").exists():
            continue
        began = time.perf_counter()
        if plan.person_seed not in people:
            people[plan.person_seed] = cast(stage.casting, stage.wardrobe, plan.person_seed)
        capture = make_capture(stage, rig, plan, *people[plan.person_seed], settings)
        capture.write(folder)
        views = len(capture.cameras)
        log.info("%s: %.1f s, %.1f s per view", plan.name, *[(time.perf_counter() - began) / n for n in (1, views)])


def cast(casting: Casting, wardrobe: Wardrobe, seed: int) -> tuple[Subject, Look]:
    """A person of our own shape prior, dressed: no glasses, nothing over the eyes, lashes that are no eyeliner."""
    subject = casting.subject("prior", seed)
    generator = np.random.default_rng([seed, 37])
    look = wardrobe.draw(generator, subject.female, subject.age, proof=generator.random() < PROOF_SKINS_SHARE)
    hair = str(generator.choice(INSTEAD)) if look.hair in COVERING else look.hair
    return subject, dataclasses.replace(look, glasses=None, hair=hair, lash_opacity=0.6 * look.lash_opacity)


def make_capture(
    stage: Stage, rig: LampRig, plan: Plan, subject: Subject, look: Look, settings: StageSettings
) -> Capture:
    """Build, light and shoot one moment."""
    generator = np.random.default_rng([plan.person_seed, plan.moment, 53])
    moment = draw_moment(generator, neutral=plan.moment == 0)
    posed = stage.casting.pose(subject, moment.weights, moment.gaze_rad)
    stage.build(subject, posed, look, np.random.default_rng([plan.person_seed, 31]))
    size = settings.size
    fixed = [encoder_camera(size), *(ring(size)[view] for view in plan.views)]
    cameras = [in_front_of(camera, moment.world_from_head) for camera in fixed]
    lamps = draw_lamps(generator, len(rig.groups), small=plan.lights == "direct")
    maps = None
    rig.place(lamps, moment.world_from_head)
    shots = [rig.shoot(camera, _render_seed(plan, view)) for view, camera in enumerate(cameras)]
    groups = [shot.groups for shot in shots]
    if plan.lights == "direct":
        maps, surrounded = _surrounded(rig, plan, moment, cameras, generator)
        groups = [np.concatenate([own, more]) for own, more in zip(groups, surrounded, strict=True)]
    coded = [encode_groups(view) for view in groups]
    return Capture(
        subject=plan.subject,
        name=plan.name,
        cameras=tuple(cameras),
        world_from_head=moment.world_from_head,
        light_directions=lamps.directions,
        light_radii_rad=lamps.radii_rad,
        light_radiance=lamps.radiance,
        codes=tuple(codes for codes, _ in coded),
        scales=np.stack([scales for _, scales in coded]),
        alpha_codes=tuple(encode_map(np.round(shot.alpha * 255).astype(np.uint8)) for shot in shots),
        material_codes=tuple(encode_map(shot.material) for shot in shots),
        environments=maps,
        identity=subject.identity,
        expression=posed.expression,
        gaze_rad=np.array(moment.gaze_rad),
        vertices=posed.skin[:LEVEL0_SKIN].astype(np.float32),
    )


def _surrounded(
    rig: LampRig, plan: Plan, moment: Moment, cameras: list[Camera], generator: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """([N, 3, 16, 32] environments in the head's frame, per camera [N, H, W, 3] the pictures under them)."""
    files = rig.stage.environments()
    head_from_world = np.linalg.inv(moment.world_from_head)
    maps, pictures = [], [[] for _ in cameras]
    for number, name in enumerate(ENVIRONMENTS):
        environment = load_environment(files[name], 64).numpy()
        environment = np.roll(environment, int(generator.integers(environment.shape[1])), axis=1)
        environment = environment / max(float(environment.mean()), 1e-6)
        rig.surround(environment, head_from_world)
        maps.append(environment_light(environment, head_from_world))
        for view, camera in enumerate(cameras):
            pictures[view].append(rig.shoot(camera, _render_seed(plan, 100 + 10 * number + view)).groups[0])
    return np.stack(maps), [np.stack(view) for view in pictures]


def _render_seed(plan: Plan, view: int) -> int:
    return int(np.random.default_rng([plan.person_seed, plan.moment, view, 71]).integers(1 << 31))
