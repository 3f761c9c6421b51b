"""An edited identity -> a finished head: what `personalise` does for a fit, with the artist's own changes kept.

numpy alone, so that Blender's own Python can run it as a process of its own (`python -m neural_backend.tasks.refine`).
"""

from __future__ import annotations

import numpy as np

from ..protocol.arkit import ARKIT_INDEX
from .personalise import PersonalHead, personalise
from .template import HeadTemplate

BLINKS = (ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"])
#: Differences below this are rounding (packages hold the shapes in float16), not somebody's sculpting.
_ROUNDING = 5e-5
#: What keeps its own difference from the model; eyes, lashes and tear line are made anew for the new lids.
_SKIN = ("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")
_MOUTH = ("teeth_upper", "teeth_lower", "gums_upper", "gums_lower", "tongue")


def with_lid_rest(vertices: np.ndarray, arkit: np.ndarray, rest: float) -> tuple[np.ndarray, np.ndarray]:
    """Neutral [V, 3] and shapes [52, V, 3] of the same head whose lids rest `rest` (0..1) of a blink lower."""
    vertices, arkit = vertices.copy(), arkit.copy()
    for blink in BLINKS:
        vertices += rest * arkit[blink]
        arkit[blink] *= 1 - rest
    return vertices, arkit


def refine(
    template: HeadTemplate,
    identity: np.ndarray,  # [<=K] the wanted head's
    shown: PersonalHead,  # the head as it is now, edits included
    shown_identity: np.ndarray,  # [<=K] what `shown` was made from
    lid_rest: float = 0.0,  # of `shown`, and of the result
    other: tuple[PersonalHead, np.ndarray, float, float] | None = None,  # a second head, its identity, lid rest, share
) -> PersonalHead:
    """The finished head of `identity`: eyes behind their lids, sealed blinks, lashes on lids, teeth behind the lips.

    What `shown` has beyond the model (sculpting, corrected shapes) is carried over, and finished with the rest; a
    second head adds its own by its share, 0..1, and takes as much from the first. `identity` is the mixture already.

    Raises:
        ValueError: an array does not fit the template.
    """
    offset, shape_offset = own_differences(template, shown, shown_identity, lid_rest)
    if other is not None:
        second, second_identity, second_rest, share = other
        second_offset, second_shapes = own_differences(template, second, second_identity, second_rest)
        offset = (1 - share) * offset + share * second_offset
        shape_offset = (1 - share) * shape_offset + share * second_shapes
        lid_rest = (1 - share) * lid_rest + share * second_rest
    head = personalise(template, identity, skin_offset=offset, arkit_offset=shape_offset)
    vertices, arkit = with_lid_rest(head.vertices, head.arkit, lid_rest)
    mouth = template.part_vertices(*_MOUTH)
    vertices[mouth] += offset[mouth]
    return PersonalHead(vertices, arkit, head.joint_positions, head.eye_scale)


def own_differences(
    template: HeadTemplate, shown: PersonalHead, identity: np.ndarray, lid_rest: float
) -> tuple[np.ndarray, np.ndarray]:
    """([V, 3], [52, V, 3]) how a head differs from what the model makes of its identity; zero where it does not."""
    if shown.vertices.shape != template.vertices.shape or shown.arkit.shape != template.arkit.shape:
        raise ValueError(f"The head has {len(shown.vertices)} vertices; the template has {len(template.vertices)}.")
    model = personalise(template, identity)
    vertices, arkit = with_lid_rest(model.vertices, model.arkit, lid_rest)
    offset = np.zeros_like(vertices)
    kept = template.part_vertices(*_SKIN, *_MOUTH)
    offset[kept] = shown.vertices[kept] - vertices[kept]
    offset[np.linalg.norm(offset, axis=1) < _ROUNDING] = 0.0
    shapes = shown.arkit - arkit
    for blink in BLINKS:
        shapes[blink] /= max(1 - lid_rest, 0.5)  # lid rest comes on top of the finished head
    riders = np.setdiff1d(np.arange(len(vertices)), kept)
    shapes[:, riders] = 0.0
    shapes[np.abs(shapes).max(2) < _ROUNDING] = 0.0
    return offset, shapes
