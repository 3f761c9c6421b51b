"""The surface point network: where chosen vertices of the template lie in a photo, how surely, and who it may be.

Dense landmarks with a spread each, trained on synthetic heads alone, are Wood et al., "3D face reconstruction with
dense landmarks", 2022. Here the trunk starts from MediaPipe's landmark network (Apache-2.0), which has seen real faces;
its maps are summed up a pyramid (Lin et al., "Feature pyramid networks", 2017), and each point, first guessed from the
whole crop, is then moved twice by what the finest map shows around it, as in iterative refinement of correspondences.
A second head guesses the identity code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..perception.graph import GraphNet, load_graph, run_op

SIDE = 256  # pixels of the crop
TRUNK_MAPS = {311: 32, 343: 64, 375: 128, 406: 128}  # value ids of the graph and widths: at 64, 32, 16 and 8 pixels
TRUNK_END, END_WIDTH = 468, 128  # at 2 pixels
LOG_SPREAD = (-1.5, 3.5)  # natural log of crop pixels
AROUND = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-2, -2), (2, -2), (-2, 2), (2, 2))  # cells that a point looks at


@dataclass(frozen=True)
class SurfacePointConfig:
    points: int
    identity: int  # length of the code
    width: int = 48  # channels of the finest map
    blocks: int = 3
    embedding: int = 32
    rounds: int = 2


@dataclass(frozen=True)
class PointGuess:
    """One round's answer."""

    places: Tensor  # [B, P, 2] crop pixels
    log_spread: Tensor  # [B, P] natural log of the standard deviation per axis, crop pixels


class Trunk(nn.Module):
    """MediaPipe's landmark network up to its last map, free to learn on."""

    def __init__(self, graph: GraphNet | None = None) -> None:
        super().__init__()
        graph = graph or load_graph("face_landmarks_detector")
        last = next(k for k, op in enumerate(graph.ops) if op["out"] == TRUNK_END)
        self.ops, self.input = graph.ops[: last + 1], graph.inputs[0]
        used = {i for op in self.ops for i in op["in"]}
        self.constants = [i for i in graph.constant_ids if i in used]
        for i in self.constants:
            value = getattr(graph, f"c{i}")
            if value.is_floating_point():
                setattr(self, f"c{i}", nn.Parameter(value.clone()))
            else:
                self.register_buffer(f"c{i}", value.clone())

    def forward(self, picture: Tensor) -> list[Tensor]:
        """[B, 3, 256, 256] 0..1 -> maps at 64, 32, 16, 8 and 2 pixels, [B, C, S, S] each."""
        values: dict[int, Tensor] = {i: getattr(self, f"c{i}") for i in self.constants}
        values[self.input] = picture.permute(0, 2, 3, 1)
        for op in self.ops:
            values[op["out"]] = run_op(op, [values[i] if i >= 0 else None for i in op["in"]])
        return [values[i].permute(0, 3, 1, 2) for i in (*TRUNK_MAPS, TRUNK_END)]


class Block(nn.Module):
    """Two convolutions and a skip (He et al. 2016), with group norm: batches are one at inference."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.GroupNorm(8, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(self.norm(x))))


class SurfacePointNet(nn.Module):
    """Crop of a face -> guesses of the points, round by round, and of the identity code."""

    def __init__(self, config: SurfacePointConfig, mean_places: Tensor, graph: GraphNet | None = None) -> None:
        """
        Args:
            mean_places: [P, 2] crop pixels where the points of training lie on average.
        """
        super().__init__()
        self.config = config
        self.trunk = Trunk(graph)
        width, points = config.width, config.points
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in TRUNK_MAPS.values())
        self.smooth = nn.ModuleList(Block(width) for _ in TRUNK_MAPS)
        # The trunk was made for phones, 16 channels where detail is: a path of its own for edges and shading.
        self.detail = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(32, width, 3, stride=2, padding=1),
            Block(width),
        )
        self.finest = nn.Sequential(*(Block(width) for _ in range(config.blocks)))
        self.register_buffer("mean_places", mean_places.clone())
        self.whole = nn.Sequential(
            nn.Linear(4 * END_WIDTH + 4 * width, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU()
        )  # fmt: skip
        self.first = nn.Linear(256, 3 * points)
        self.embedding = nn.Parameter(0.1 * torch.randn(points, config.embedding))
        self.context = nn.Linear(256, config.embedding)
        look = len(AROUND) * width + config.embedding + 3
        self.refine = nn.ModuleList(
            nn.Sequential(nn.Linear(look, 192), nn.ReLU(), nn.Linear(192, 128), nn.ReLU(), nn.Linear(128, 3))
            for _ in range(config.rounds)
        )
        self.spread = nn.ModuleList(
            nn.Sequential(nn.Linear(3 * points, 160), nn.ReLU(), nn.Linear(160, 2 * points))
            for _ in range(config.rounds)
        )
        self.identity = nn.Sequential(
            nn.Linear(3 * points + 256 + 32 * 16, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
            nn.Linear(256, config.identity),
        )  # fmt: skip
        self.regional = nn.Conv2d(width, 32, 1)
        for last in (self.first, *(m[-1] for m in self.refine), *(m[-1] for m in self.spread), self.identity[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, picture: Tensor) -> tuple[list[PointGuess], Tensor]:
        """[B, 3, 256, 256] sRGB 0..1 -> (guesses from coarse to fine, [B, K] identity code)."""
        assert picture.shape[1:] == (3, SIDE, SIDE), picture.shape
        *maps, end = self.trunk(picture)
        fine = None
        for lateral, smooth, values in zip(self.lateral[::-1], self.smooth[::-1], maps[::-1], strict=True):
            here = lateral(values)
            if fine is not None:
                here = here + F.interpolate(fine, size=here.shape[-2:], mode="bilinear", align_corners=False)
            fine = smooth(here)
        fine = self.finest(fine + self.detail(picture - 0.5))  # [B, W, 64, 64]
        with torch.autocast(picture.device.type, enabled=False):  # half a pixel is too coarse for places
            return self._read(fine.float(), end.float())

    def _read(self, fine: Tensor, end: Tensor) -> tuple[list[PointGuess], Tensor]:
        """[B, W, 64, 64], [B, C, 2, 2] maps -> as `forward`."""
        whole = self.whole(torch.cat([end.flatten(1), F.adaptive_avg_pool2d(fine, 2).flatten(1)], 1))
        batch, count = len(fine), self.config.points
        first = self.first(whole).view(batch, count, 3)
        places, log_spread = self.mean_places + 10 * first[..., :2], 2 + first[..., 2]
        guesses = [PointGuess(places, log_spread.clamp(*LOG_SPREAD))]
        own = (self.embedding + self.context(whole)[:, None]).expand(batch, -1, -1)
        around = places.new_tensor(AROUND) * (SIDE / fine.shape[-1])  # [9, 2] pixels
        for refine, spread in zip(self.refine, self.spread, strict=True):
            at = (places.detach()[:, :, None] + around) / SIDE * 2 - 1  # [B, P, 9, 2]
            seen = F.grid_sample(fine, at, align_corners=False, padding_mode="border")  # [B, W, P, 9]
            seen = seen.permute(0, 2, 3, 1).flatten(2)
            step = refine(torch.cat([seen, own, places.detach() / 128 - 1, log_spread.detach()[..., None]], -1))
            # What the neighbours found moves a point too: all steps together through one hidden layer.
            together = spread(step.flatten(1)).view(batch, count, 2)
            places = places.detach() + 4 * (step[..., :2] + together)
            log_spread = log_spread.detach() + step[..., 2]
            guesses.append(PointGuess(places, log_spread.clamp(*LOG_SPREAD)))
        regions = F.adaptive_avg_pool2d(self.regional(fine), 4).flatten(1)
        found = torch.cat([(places - self.mean_places).detach() / 10, log_spread.detach()[..., None]], -1).flatten(1)
        return guesses, self.identity(torch.cat([found, whole, regions], 1))
