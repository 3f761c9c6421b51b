"""A small interpreter for the converted TFLite networks: an op list and its constants become one torch module.

The four networks together use some twenty-five ops; values keep TFLite's layout (NHWC), so a permuted view is torch's
channels-last and convolutions copy nothing. Everything is differentiable.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors import safe_open
from torch import Tensor, nn

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "perception.safetensors"


class GraphNet(nn.Module):
    """One converted network.

    Args:
        graph: the op list of `training.tflite_graph.read_tflite`.
        constants: tensors by the id (as text) that the ops refer to.
    """

    def __init__(self, graph: dict[str, Any], constants: dict[str, Tensor]) -> None:
        super().__init__()
        self.inputs, self.outputs, self.ops = graph["inputs"], graph["outputs"], graph["ops"]
        self.input_shape = tuple(graph["shapes"][str(self.inputs[0])])
        self.constant_ids = [int(key) for key in constants]
        for key, value in constants.items():
            self.register_buffer(f"c{key}", value.float() if value.is_floating_point() else value)
        last_use = {i: step for step, op in enumerate(self.ops) for i in op["in"]}
        self.frees = [[] for _ in self.ops]  # values no longer needed after each op
        for i, step in last_use.items():
            if i not in self.constant_ids and i not in self.outputs:
                self.frees[step].append(i)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        """inputs and outputs in TFLite's order and layout (images [N, H, W, C])."""
        values: dict[int, Tensor] = {i: getattr(self, f"c{i}") for i in self.constant_ids}
        values.update(zip(self.inputs, inputs, strict=True))
        for op, frees in zip(self.ops, self.frees, strict=True):
            values[op["out"]] = run_op(op, [values[i] if i >= 0 else None for i in op["in"]])
            for i in frees:
                values.pop(i, None)
        return [values[i] for i in self.outputs]


def load_graph(name: str, device: str | torch.device = "cpu", path: Path = WEIGHTS) -> GraphNet:
    """One of the networks in `perception.safetensors`: face_detector, face_landmarks_detector, face_blendshapes,
    selfie_segmentation."""
    with safe_open(path, framework="pt") as file:
        graph = json.loads(file.metadata()["graphs"])[name]
        prefix = f"{name}."
        constants = {key[len(prefix) :]: file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
    return GraphNet(graph, constants).to(device).eval().requires_grad_(False)


def _same(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int]) -> list[int]:
    """TFLite's SAME padding for an NCHW tensor, as F.pad wants it (the odd pixel goes right and down)."""
    pads: list[int] = []
    for size, k, s, d in (
        (x.shape[3], kernel[1], stride[1], dilation[1]),
        (x.shape[2], kernel[0], stride[0], dilation[0]),
    ):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return pads


def _convolve(op: dict[str, Any], x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    depthwise = op["op"] == "depthwise_conv_2d"
    w = weight.permute(3, 0, 1, 2) if depthwise else weight.permute(0, 3, 1, 2)  # [O, I, k, k]
    x = x.permute(0, 3, 1, 2)
    padding: Any = 0
    if op["same"]:
        left, right, top, bottom = _same(x, list(w.shape[2:]), op["stride"], op["dilation"])
        if (left, top) == (right, bottom):
            padding = (top, left)
        else:
            x = F.pad(x, (left, right, top, bottom))
    groups = x.shape[1] if depthwise else 1
    return F.conv2d(x, w, bias, op["stride"], padding, op["dilation"], groups).permute(0, 2, 3, 1)


def _pool(op: dict[str, Any], x: Tensor) -> Tensor:
    x = x.permute(0, 3, 1, 2)
    if op["op"] == "average_pool_2d":
        if op["kernel"] != list(x.shape[2:]):
            raise NotImplementedError("only global average pooling")
        return x.mean((2, 3), keepdim=True).permute(0, 2, 3, 1)
    if op["same"]:
        x = F.pad(x, _same(x, op["kernel"], op["stride"], [1, 1]), value=-torch.inf)
    return F.max_pool2d(x, op["kernel"], op["stride"]).permute(0, 2, 3, 1)


def run_op(op: dict[str, Any], inputs: list[Tensor | None]) -> Tensor:
    """One op of a graph with the activation that it carries."""
    y, kind = _run(op, inputs), op.get("activation")
    return y if kind is None else y.clamp(0, 6) if kind == "relu6" else F.relu(y)


def _run(op: dict[str, Any], a: list[Tensor | None]) -> Tensor:
    x = a[0]
    match op["op"]:
        case "conv_2d" | "depthwise_conv_2d":
            return _convolve(op, x, a[1], a[2] if len(a) > 2 else None)
        case "transpose_conv_bias":  # weight [O, k, k, I]
            y = F.conv_transpose2d(x.permute(0, 3, 1, 2), a[1].permute(3, 0, 1, 2), a[2], op["stride"])
            return y.permute(0, 2, 3, 1)
        case "max_pool_2d" | "average_pool_2d":
            return _pool(op, x)
        case "add":
            return x + a[1]
        case "sub":
            return x - a[1]
        case "mul":
            return x * a[1]
        case "div":
            return x / a[1]
        case "squared_difference":
            return (x - a[1]) ** 2
        case "prelu":
            return F.prelu(x.permute(0, 3, 1, 2), a[1].flatten()).permute(0, 2, 3, 1)
        case "relu":
            return F.relu(x)
        case "hard_swish":
            return F.hardswish(x)
        case "logistic":
            return torch.sigmoid(x)
        case "neg":
            return -x
        case "sqrt":
            return torch.sqrt(x)
        case "rsqrt":
            return torch.rsqrt(x)
        case "mean":
            return x.mean(op["axes"], keepdim=op["keep"])
        case "sum":
            return x.sum(op["axes"], keepdim=op["keep"])
        case "transpose":
            return x.permute(op["order"])
        case "reshape":
            shape = op["shape"]  # a leading 1 is the batch
            if shape[0] == 1:
                shape = [x.shape[0] if -1 in shape else -1, *shape[1:]]
            return x.reshape(shape)
        case "pad":  # TFLite lists (before, after) first axis first, torch last axis first
            pairs = list(zip(op["pads"][::2], op["pads"][1::2], strict=True))
            return F.pad(x, [n for pair in reversed(pairs) for n in pair])
        case "concatenation":
            return torch.cat(a, op["axis"])
        case "resize_bilinear":
            y = F.interpolate(x.permute(0, 3, 1, 2), size=op["size"], mode="bilinear", align_corners=False)
            return y.permute(0, 2, 3, 1)
        case "strided_slice":
            return x[tuple(s if isinstance(s, int) else slice(*s) for s in op["slices"])]
    raise NotImplementedError(op["op"])
