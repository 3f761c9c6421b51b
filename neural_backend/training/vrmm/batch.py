"""What one training step looks at."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B pictures of B heads, each under its own light."""

    subjects: tuple[str, ...]  # B names
    encoder_rgb: Tensor  # [B, N, 3, s, s] the encoder's views under the same light, linear, premultiplied
    encoder_alpha: Tensor  # [B, N, s, s]
    rgb: Tensor  # [B, 3, H, W] the picture to match, linear, premultiplied
    alpha: Tensor  # [B, H, W]
    background: Tensor  # [B, 3] linear
    intrinsics: Tensor  # [B, 3, 3] pixels
    camera_from_world: Tensor  # [B, 4, 4] metres
    encoder_intrinsics: Tensor  # [B, 3, 3] of the first encoder view at s pixels
    encoder_camera_from_world: Tensor  # [B, 4, 4]
    light_directions: Tensor  # [B, G, 3] world
    light_radii_rad: Tensor  # [B, G]
    light_radiance: Tensor  # [B, G, 3] of the drawn combination
    world_from_head: Tensor | None  # [B, 4, 4]; None where geometry is withheld: E_T finds it
    vertices: Tensor | None  # [B, N0, 3] metres, head frame
    arkit: Tensor | None  # [B, 52]
    gaze_rad: Tensor | None  # [B, 2]

    @property
    def size(self) -> int:
        return len(self.subjects)

    def to(self, device: torch.device | str) -> Batch:
        moved = {
            item.name: getattr(self, item.name).to(device)
            for item in fields(self)
            if isinstance(getattr(self, item.name), Tensor)
        }
        return replace(self, **moved)

    def __getitem__(self, part: slice) -> Batch:
        """The pictures of a slice."""
        return Batch(
            *(None if getattr(self, item.name) is None else getattr(self, item.name)[part] for item in fields(self))
        )


@dataclass(frozen=True)
class Readings:
    """Pictures of M captures for the encoders alone, and what these should read in them."""

    encoder_rgb: Tensor  # [M, N, 3, s, s] linear, premultiplied
    encoder_alpha: Tensor  # [M, N, s, s]
    arkit: Tensor  # [M, 52]
    gaze_rad: Tensor  # [M, 2]
    world_from_head: Tensor  # [M, 4, 4]


@dataclass(frozen=True)
class Heads:
    """Known geometry of M captures, without pictures."""

    subjects: tuple[str, ...]  # M names
    vertices: Tensor  # [M, N0, 3] metres, head frame
    arkit: Tensor  # [M, 52]
    gaze_rad: Tensor  # [M, 2]
