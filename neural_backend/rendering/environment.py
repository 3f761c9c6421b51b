"""Light probes for the models that take light on a small lat-long grid: reading, turning, averaging, a few by name.

Pictures are as rendering.light says: row 0 is +Y, the middle column +Z, further right towards -X.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..protocol.errors import MienError
from .light import environment_directions, load_environment


@dataclass(frozen=True)
class Lamp:
    """A round soft box at infinity."""

    yaw_deg: float  # from the front towards the subject's left
    pitch_deg: float  # up
    radius_deg: float
    radiance: tuple[float, float, float]  # linear Rec.709


#: Lamps over a gradient: radiance from below and from above.
_NAMED: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], tuple[Lamp, ...]]] = {
    "studio": (
        (0.05, 0.05, 0.05),
        (0.15, 0.15, 0.16),
        (
            Lamp(40, 30, 22, (6.0, 5.8, 5.5)),
            Lamp(-50, 10, 30, (1.0, 1.05, 1.1)),
            Lamp(-150, 35, 15, (6.0, 6.2, 6.5)),
        ),
    ),
    "overcast": ((0.12, 0.11, 0.1), (0.9, 0.95, 1.05), ()),
    "sunset": ((0.1, 0.08, 0.07), (0.25, 0.3, 0.45), (Lamp(70, 8, 6, (70.0, 36.0, 14.0)),)),
    "side": ((0.01, 0.01, 0.01), (0.02, 0.02, 0.02), (Lamp(90, 0, 20, (9.0, 9.0, 9.0)),)),
}
ENVIRONMENT_NAMES = tuple(_NAMED)
#: Rows of a probe made by name.
_NAMED_HEIGHT = 256


def open_environment(wanted: str) -> Tensor:
    """[H, W, 3] radiance of a named light or of an .exr or .hdr file.

    Raises:
        MienError: bad_environment.
    """
    if wanted in _NAMED:
        return named_environment(wanted)
    if not Path(wanted).suffix:
        names = ", ".join(ENVIRONMENT_NAMES)
        raise MienError(
            "bad_environment", f"There is no light named '{wanted}': give {names}, or an .exr or .hdr file."
        )
    try:
        return load_environment(wanted)
    except (FileNotFoundError, ValueError) as error:
        raise MienError("bad_environment", str(error)) from error


def named_environment(name: str) -> Tensor:
    """[256, 512, 3] radiance of one of ENVIRONMENT_NAMES."""
    below, above, lamps = _NAMED[name]
    directions, _ = environment_directions(_NAMED_HEIGHT, 2 * _NAMED_HEIGHT)
    up = (directions[..., 1:2] + 1) / 2
    picture = torch.tensor(below) * (1 - up) + torch.tensor(above) * up
    for lamp in lamps:
        yaw, pitch = math.radians(lamp.yaw_deg), math.radians(lamp.pitch_deg)
        towards = torch.tensor([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
        angle = torch.rad2deg(torch.arccos((directions @ towards).clamp(-1, 1)))
        inside = ((lamp.radius_deg - angle) / (0.2 * lamp.radius_deg)).clamp(0, 1)  # the outer fifth fades
        picture = picture + inside[..., None] * torch.tensor(lamp.radiance)
    return picture


def average_environment(environment: Tensor, height: int, width: int, turn_rad: float = 0.0) -> Tensor:
    """[H, W, 3] -> [height, width, 3]: each texel the mean radiance over its own solid angle.

    Exact for the picture's texels as they are, whatever the sizes: the sum of radiance times solid angle is kept, so a
    small sun neither vanishes nor flickers as the light turns. `turn_rad` turns the light about +Y from the front (+Z)
    towards the subject's left (+X).
    """
    rows, columns = environment.shape[:2]
    # Solid angle between two parallels goes with the difference of their cosines.
    down = _overlap(_parallels(height), _parallels(rows))
    wanted = torch.arange(width + 1, dtype=torch.float64) / width + turn_rad / (2 * math.pi)
    wanted = wanted - math.floor(float(wanted[0]))  # starts in 0..1, ends below 2
    given = torch.arange(2 * columns + 1, dtype=torch.float64) / columns
    across = _overlap(wanted, given).view(width, 2, columns).sum(1)  # the second round is the first again
    rows_done = (down.to(environment) @ environment.reshape(rows, -1)).view(height, columns, -1)
    return across.to(environment) @ rows_done


def _parallels(rows: int) -> Tensor:
    """[rows + 1] edges of the rows, 0 at +Y to 1 at -Y, in equal solid angles."""
    return (1 - torch.cos(torch.arange(rows + 1, dtype=torch.float64) * (math.pi / rows))) / 2


def _overlap(wanted: Tensor, given: Tensor) -> Tensor:
    """[N, M] the part of each of N intervals that lies in each of M, from their rising edges [N + 1] and [M + 1]."""
    low = torch.maximum(wanted[:-1, None], given[None, :-1])
    high = torch.minimum(wanted[1:, None], given[None, 1:])
    return (high - low).clamp_min(0) / (wanted[1:] - wanted[:-1])[:, None]
