"""The dense field network: where a rough fit of a head is wrong, at every pixel of the face.

It looks at a photo of a face and, drawn over it, at the head that landmarks alone have fitted: its normals and which
point of the template each pixel sees. For each cell of a coarse grid it says how far that point really lies from there
in the picture, which way the skin really faces, and how sure it is of both. Fitting takes that as measurements.

Comparing a picture with a model of it, rather than reading shape off the picture alone, is the idea of learned
descent (Adler and Oktem, "Solving ill-posed inverse problems using iterative deep neural networks", 2017); predicting
dense points with their own uncertainty for a model fit is Wood et al., "3D face reconstruction with dense landmarks",
2022. The network is a U-Net (Ronneberger et al. 2015) of residual blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

PICTURE_SIDE = 256  # pixels of the crop, about a millimetre each
MODEL_SIDE = 128  # pixels of the drawn model
FIELD_SIDE = 64  # cells of the answer
MODEL_CHANNELS = 7  # normal 3, template point 3, covered 1
LOG_PRECISION = (-3.0, 2.0)  # of positions, in crop pixels: errors of 20 to 0.14 pixels
LOG_NORMAL_PRECISION = (-1.0, 4.0)  # of unit vectors
NORMAL_LOSS = 15.0  # pixels of flow that a normal off by one counts as


@dataclass(frozen=True)
class DenseFieldConfig:
    widths: tuple[int, ...] = (40, 72, 112, 160)  # at 64, 32, 16, 8 pixels
    blocks: tuple[int, ...] = (0, 1, 2, 2)


@dataclass(frozen=True)
class DenseFields:
    """The network's answer, on the grid of cells."""

    flow: Tensor  # [B, 2, 64, 64] crop pixels from where the model's point is drawn to where it really is
    whitener: Tensor  # [B, 3, 64, 64] (a, b, c): rows (a, 0), (b, c) make the flow's error standard normal
    normal: Tensor  # [B, 3, 64, 64] unit, true normal of the point drawn there, in the crop's axes
    sharpness: Tensor  # [B, 64, 64] one over the standard deviation of the normal, per axis


class Block(nn.Module):
    """Two convolutions and a skip (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Conv(width, width), Conv(width, width, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Conv(nn.Module):
    """3x3 convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, activate: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        return F.relu(x) if self.activate else x


class DenseFieldNet(nn.Module):
    def __init__(self, config: DenseFieldConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DenseFieldConfig()
        widths = config.widths
        # Space to depth: full convolutions at 256 and 128 pixels would cost more than all the rest.
        patch = 3 * (PICTURE_SIDE // FIELD_SIDE) ** 2 + MODEL_CHANNELS * (MODEL_SIDE // FIELD_SIDE) ** 2
        self.join = nn.Sequential(
            nn.Conv2d(patch, widths[0], 1), nn.ReLU(), *(Block(widths[0]) for _ in range(config.blocks[0]))
        )
        self.down = nn.ModuleList(
            nn.Sequential(Conv(a, b, stride=2), *(Block(b) for _ in range(count)))
            for a, b, count in zip(widths, widths[1:], config.blocks[1:], strict=False)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.merge = nn.ModuleList(Conv(a, a) for a in widths[-2::-1])
        self.head = nn.Conv2d(widths[0], 9, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        picture: Tensor,  # [B, 3, 256, 256] sRGB 0..1
        model: Tensor,  # [B, 7, 128, 128] see `fitting.dense_view.draw_model`
    ) -> DenseFields:
        assert picture.shape[1:] == (3, PICTURE_SIDE, PICTURE_SIDE), picture.shape
        assert model.shape[1:] == (MODEL_CHANNELS, MODEL_SIDE, MODEL_SIDE), model.shape
        patches = F.pixel_unshuffle(2 * picture - 1, PICTURE_SIDE // FIELD_SIDE)  # (B, 48, 64, 64)
        points = F.pixel_unshuffle(model, MODEL_SIDE // FIELD_SIDE)  # (B, 28, 64, 64)
        x = self.join(torch.cat([patches, points], 1))  # (B, 40, 64, 64)
        levels = []
        for down in self.down:
            levels.append(x)
            x = down(x)  # ... (B, 160, 8, 8)
        for up, merge, skip in zip(self.up, self.merge, levels[::-1], strict=True):
            x = merge(F.interpolate(up(x), scale_factor=2, mode="nearest") + skip)
        raw = self.head(x)  # (B, 9, 64, 64)
        flow, u, v, b, turn, w = raw.split([2, 1, 1, 1, 3, 1], 1)
        u, v = (0.5 * x for x in (u, v))
        u, v = u.clamp(*LOG_PRECISION), v.clamp(*LOG_PRECISION)
        whitener = torch.cat([u.exp(), b * (0.5 * (u + v)).exp(), v.exp()], 1)
        drawn = F.avg_pool2d(model[:, :3], MODEL_SIDE // FIELD_SIDE)
        normal = F.normalize(drawn + turn, dim=1, eps=1e-4)
        return DenseFields(flow, whitener, normal, (1.0 + w[:, 0]).clamp(*LOG_NORMAL_PRECISION).exp())


def field_losses(
    fields: DenseFields,
    flow: Tensor,  # [B, 2, 64, 64] truth
    normal: Tensor,  # [B, 3, 64, 64] truth, unit
    weight: Tensor,  # [B, 64, 64] what each cell counts, 0 where there is no truth
) -> tuple[Tensor, Tensor]:
    """(how far the answers are off, Gaussian negative log-likelihood of their errors), weighted means over the cells.

    The likelihood trains the uncertainties alone: its gradient to the answers is stopped. Divided by a variance that is
    still large, it would hardly move them (Stirn et al., "Faithful heteroscedastic regression", 2023).
    """
    total = weight.sum().clamp_min(1e-6)

    def mean(values: Tensor) -> Tensor:
        return (values * weight).sum() / total

    off = F.smooth_l1_loss(fields.flow, flow, reduction="none", beta=1.0).sum(1)
    turned = F.smooth_l1_loss(fields.normal, normal, reduction="none", beta=0.05).sum(1)
    a, b, c = fields.whitener.unbind(1)
    away = (fields.flow - flow).detach()
    whitened = torch.stack([a * away[:, 0], b * away[:, 0] + c * away[:, 1]], 1)
    of_flow = 0.5 * whitened.square().sum(1) - a.log() - c.log()
    squared = (fields.normal - normal).detach().square().sum(1)
    of_normal = 0.5 * fields.sharpness.square() * squared - 2 * fields.sharpness.log()
    return mean(off + NORMAL_LOSS * turned), mean(of_flow + of_normal)
