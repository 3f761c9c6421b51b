"""Path-traced known heads as training pictures: compact enough to travel, cropped and mirrored on the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ...models.surface_points import SIDE
from .population import Population
from .synthetic import Photos, apply

HELD_OUT = 5  # every fifth person is not learned from


def left_out_of(subjects: np.ndarray) -> set[str]:
    """Every HELD_OUTth person, by name."""
    return set(np.unique(subjects)[::HELD_OUT].tolist())


def people_left_out(path: Path) -> set[str]:
    """Whom training on the packed renders at `path` does not learn from."""
    with np.load(path, allow_pickle=False) as data:
        return left_out_of(data["subject"])


@dataclass(frozen=True)
class Renders:
    """N pictures on a device."""

    picture: Tensor  # [N, 3, H, H] uint8
    places: Tensor  # [N, P, 2] pixels
    face: Tensor  # [N, F, 3] metres
    region: Tensor  # [N, 4] centre, side, angle of perception's crop
    yaw: Tensor  # [N] radians
    held_out: Tensor  # [N] bool
    point_mirror: Tensor  # [P]
    face_mirror: Tensor  # [F]

    @classmethod
    def load(cls, path: Path, population: Population, device: torch.device) -> Renders:
        with np.load(path, allow_pickle=False) as data:
            arrays = {key: data[key] for key in data.files}
        ends = np.cumsum(arrays["size"])
        pictures = [
            cv2.imdecode(arrays["jpeg"][end - size : end], cv2.IMREAD_COLOR)[..., ::-1].transpose(2, 0, 1)
            for size, end in zip(arrays["size"], ends, strict=True)
        ]
        out = np.isin(arrays["subject"], sorted(left_out_of(arrays["subject"])))

        def put(values, dtype=torch.float32) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values)).to(device=device, dtype=dtype)

        return cls(
            put(np.stack(pictures), torch.uint8), put(arrays["places"]), put(arrays["face"]), put(arrays["region"]),
            put(arrays["yaw"]), put(out, torch.bool), put(population.point_mirror, torch.long),
            put(population.face_mirror, torch.long),
        )  # fmt: skip

    def crops(self, rows: Tensor, jitter: float, mirrored: Tensor, generator: torch.Generator | None = None) -> Photos:
        """Crops as perception would take them.

        Args:
            rows: [B]. jitter: 1 is as shaky as Painter's crops, 0 steady. mirrored: [B] bool.
        """
        picture = self.picture[rows].float() / 255
        centre, side, angle = self.region[rows].split([2, 1, 1], 1)
        if jitter:
            noise = torch.randn((len(rows), 4), generator=generator, device=rows.device) * jitter
            centre = centre + 0.025 * side * noise[:, :2]
            side, angle = side * torch.exp(0.06 * noise[:, 2:3]), angle + 0.06 * noise[:, 3:]
        cosine, sine = torch.cos(angle[:, 0]), torch.sin(angle[:, 0])
        turn = (
            torch.stack([torch.stack([cosine, sine], 1), torch.stack([-sine, cosine], 1)], 1) * (SIDE / side)[..., None]
        )
        crop = torch.cat([turn, SIDE / 2 - turn @ centre[..., None]], 2)  # [B, 2, 3] picture to crop
        places = apply(crop, self.places[rows])
        face = self.face[rows]
        inverse = torch.linalg.inv(turn)
        line = torch.arange(SIDE, device=rows.device) + 0.5
        grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).view(1, -1, 2)
        at = (grid - crop[:, None, :, 2]) @ inverse.transpose(1, 2) / picture.shape[-1] * 2 - 1
        picture = F.grid_sample(picture, at.view(-1, SIDE, SIDE, 2), align_corners=False, padding_mode="border")
        flip = mirrored[:, None, None]
        picture = torch.where(flip[..., None], picture.flip(-1), picture)
        other = places[:, self.point_mirror] * places.new_tensor([-1, 1]) + places.new_tensor([SIDE, 0])
        places = torch.where(flip, other, places)
        face = torch.where(flip, face[:, self.face_mirror] * face.new_tensor([-1, 1, 1]), face)
        return Photos(picture, places, face)
