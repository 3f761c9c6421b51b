"""Live identity: one shape key that carries the unapplied change, so that Basis and the 52 shapes stay untouched.

The 52 shapes are displacements; added to a moved head they still do what they did. Apply (apply.py) folds the change
into every key and finishes the head.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..head.objects import HeadObjects, head_of
from .codes import codes_of
from .controls import CONTROL, MODE_COUNT, combined
from .model import IdentityError, IdentityModel, identity_model, level_of, level_sizes

#: The key of the unapplied change. It is none of Apple's names, and it is gone once the change is applied.
LIVE_KEY = "Identity (unapplied)"

_quiet = 0


class suspended:  # noqa: N801  a context manager, named like contextlib's
    """Inside, setting many sliders does not rebuild the head each time; the caller updates once at the end."""

    def __enter__(self) -> None:
        global _quiet
        _quiet += 1

    def __exit__(self, *_: object) -> None:
        global _quiet
        _quiet -= 1


def on_slider(properties: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """Update callback of every identity slider."""
    head = head_of(properties.id_data)
    if _quiet or head is None or head.head != properties.id_data:
        return
    try:
        show(head)
    except IdentityError:
        # Panels grey the sliders out and say why; a driver or a script that moves them all the same changes nothing.
        return


def pending(head: bpy.types.Object) -> np.ndarray:
    """[K] the change of codes that sliders ask for."""
    state = head.mien_identity
    values = {name: getattr(state, f"control_{name}") for name in CONTROL}
    modes = np.array([getattr(state, f"mode_{index:02d}") for index in range(MODE_COUNT)], np.float32)
    return combined(values, modes)


def mixed_in(head: bpy.types.Object) -> tuple[HeadObjects, float] | None:
    """The other head and its share, if some of it is mixed in."""
    state = head.mien_identity
    if state.mix <= 0.0 or state.mix_with is None:
        return None
    other = head_of(state.mix_with)
    return (other, state.mix) if other is not None and other.head != head else None


def is_edited(head: bpy.types.Object) -> bool:
    """Whether there is anything to apply."""
    return bool(np.any(pending(head))) or mixed_in(head) is not None


def problem(head: HeadObjects) -> str:
    """One sentence why this head's identity cannot be edited; empty when it can."""
    try:
        codes_of(head.head)
        level = level_of(len(head.head.data.vertices))
    except IdentityError as error:
        return str(error)
    if level != len(level_sizes()) - 1:
        return f"{head.head.name} has other vertices than Mien gave it: edit the identity of an untouched import."
    if head.head.mode != "OBJECT":
        return "Leave the edit mode first."
    return ""


def wanted_codes(head: bpy.types.Object) -> np.ndarray:
    """[K] the identity as the sliders show it."""
    codes = codes_of(head)
    mixed = mixed_in(head)
    if mixed is not None:
        other, share = mixed
        codes = (1 - share) * codes + share * codes_of(other.head)
    return (codes + pending(head)).astype(np.float32)


def show(head: HeadObjects) -> None:
    """Bring the live key of the head and of its coarser levels up to date.

    Raises:
        IdentityError: this head cannot be edited.
    """
    sentence = problem(head)
    if sentence:
        raise IdentityError(sentence)
    codes, mixed = pending(head.head), mixed_in(head.head)
    for mesh in (head.head, *head.lods):
        show_on(mesh, codes, mixed)


def show_on(mesh: bpy.types.Object, codes: np.ndarray, mixed: tuple[HeadObjects, float] | None) -> None:
    """Bring the live key of one level up to date, for a change of codes [K] and another head's share."""
    model = identity_model()
    level = level_of(len(mesh.data.vertices))
    if level is None:  # a level of the artist's own making
        return
    positions = basis_of(mesh)  # [3V]
    positions += _change(model, level, codes, mixed, positions)
    key = mesh.data.shape_keys.key_blocks.get(LIVE_KEY)
    if key is None:
        key = mesh.shape_key_add(name=LIVE_KEY, from_mix=False)
        key.slider_min, key.slider_max = 0.0, 1.0
    key.points.foreach_set("co", positions)
    key.value = 1.0
    key.mute = False
    mesh.data.update_tag()


def _change(
    model: IdentityModel, level: int, codes: np.ndarray, mixed: tuple[HeadObjects, float] | None, own: np.ndarray
) -> np.ndarray:
    """[3V] the displacement of one level."""
    change = model.displacement(level, codes)
    if mixed is not None:
        other, share = mixed
        for mesh in (other.head, *other.lods):
            if len(mesh.data.vertices) * 3 == len(own):
                change = change + np.float32(share) * (basis_of(mesh) - own)
                break
    return change


def basis_of(mesh: bpy.types.Object) -> np.ndarray:
    """[3V] float32 the neutral positions, without the unapplied change."""
    points = mesh.data.shape_keys.key_blocks[0].points
    positions = np.empty(len(points) * 3, np.float32)
    points.foreach_get("co", positions)
    return positions


def fold(mesh: bpy.types.Object) -> None:
    """Move every key of one mesh by its unapplied change and remove the live key: for copies that leave Blender."""
    blocks = mesh.data.shape_keys.key_blocks
    key = blocks.get(LIVE_KEY)
    if key is None:
        return
    change = np.empty(len(key.points) * 3, np.float32)
    key.points.foreach_get("co", change)
    change -= basis_of(mesh)
    positions = np.empty_like(change)
    for block in blocks:
        block.points.foreach_get("co", positions)
        block.points.foreach_set("co", positions + change)
    mesh.shape_key_remove(key)


def clear(head: HeadObjects) -> None:
    """All sliders to zero, and the live key away."""
    set_sliders(head.head, np.zeros(MODE_COUNT, np.float32), mix=0.0)
    for mesh in (head.head, *head.lods):
        key = mesh.data.shape_keys.key_blocks.get(LIVE_KEY)
        if key is not None:
            mesh.shape_key_remove(key)


def set_sliders(head: bpy.types.Object, modes: np.ndarray, mix: float | None = None) -> None:
    """Named controls to zero and the raw modes to `modes` [K], without an update of the mesh."""
    state = head.mien_identity
    with suspended():
        for name in CONTROL:
            setattr(state, f"control_{name}", 0.0)
        for index in range(MODE_COUNT):
            setattr(state, f"mode_{index:02d}", float(modes[index]))
        if mix is not None:
            state.mix = mix


def show_codes(head: HeadObjects, codes: np.ndarray) -> None:
    """Let the sliders ask for exactly these codes [K] (mixing ends), and show them.

    Raises:
        IdentityError: this head cannot be edited.
    """
    change = np.asarray(codes, np.float32) - codes_of(head.head)
    set_sliders(head.head, change, mix=0.0)
    show(head)
