"""Time and accuracy of the raymarcher here: `python -m neural_backend.evaluation.volume_speed` prints tables.

1,024 boxes of 8^3 voxels on a head-sized ellipsoid, steps of 1/256 of the volume. Wall and processor milliseconds are
the best of several runs, since others may share the machine; processor time adds up all threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from ..rendering.volume import DEFAULT_STEP_M, Primitives, TensorCamera, march, march_twin
from ..rendering.volume.example import front_camera, shell_of_boxes

#: Name and density: the second stops a ray within 4 mm, as a trained head does; the first takes a third of it per wall.
DENSITIES = (("thin", 10.0), ("solid", 80.0))
INPUTS = ("positions", "rotations", "scales", "payload")


def best(action: Callable[[], object], device: torch.device, repeats: int) -> tuple[float, float]:
    """Milliseconds of wall and processor time of the fastest run after one that warms up."""
    wall, processor = [], []
    for _ in range(repeats + 1):
        started, used = time.perf_counter(), time.process_time()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return 1e3 * min(wall[1:]), 1e3 * min(processor[1:])


def channels_last(primitives: Primitives) -> Primitives:
    """The same boxes with the payload laid out as the marcher reads it, as the model makes it."""
    payload = primitives.payload.permute(0, 1, 3, 4, 5, 2).contiguous().permute(0, 1, 5, 2, 3, 4)
    return Primitives(primitives.positions, primitives.rotations, primitives.scales, payload)


def gradients(function, primitives: Primitives, camera: TensorCamera) -> list[torch.Tensor]:
    inputs = [getattr(primitives, name).detach().clone().requires_grad_() for name in INPUTS]
    rgb, alpha = function(Primitives(*inputs), camera, DEFAULT_STEP_M)
    (rgb.square().mean() + alpha.mean()).backward()
    return [x.grad for x in inputs]


def print_times(device: torch.device, repeats: int) -> None:
    print("| volume | pixels | forward, wall | processor | forward and backward, wall | processor |")
    print("|---|---|---|---|---|---|")
    for name, density in DENSITIES:
        primitives = channels_last(shell_of_boxes(density=density)).to(device)
        for size in (128, 256, 512):
            camera = front_camera(size).to(device)
            with torch.no_grad():
                forward = best(lambda c=camera, p=primitives: march(p, c, DEFAULT_STEP_M), device, repeats)
            both = best(lambda c=camera, p=primitives: gradients(march, p, c), device, max(2, repeats // 2))
            cells = " | ".join(f"{value:.0f} ms" for value in (*forward, *both))
            print(f"| {name} | {size}^2 | {cells} |", flush=True)


def print_accuracy(device: torch.device) -> None:
    print("| volume | PSNR against the twin | gradient cosine: " + ", ".join(INPUTS) + " |")
    print("|---|---|---|")
    for name, density in DENSITIES:
        primitives, camera = shell_of_boxes(density=density).to(device), front_camera(64).to(device)
        with torch.no_grad():
            ours, twin = march(primitives, camera, DEFAULT_STEP_M), march_twin(primitives, camera, DEFAULT_STEP_M)
        error = torch.cat([(a - b).flatten() for a, b in zip(ours, twin, strict=True)]).square().mean()
        pairs = zip(gradients(march, primitives, camera), gradients(march_twin, primitives, camera), strict=True)
        cosines = [
            float(torch.nn.functional.cosine_similarity(a.flatten().double(), b.flatten().double(), 0))
            for a, b in pairs
        ]
        print(f"| {name} | {float(-10 * torch.log10(error)):.0f} dB | {', '.join(f'{c:.6f}' for c in cosines)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=8)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print_accuracy(device)
    print()
    print_times(device, arguments.repeats)


if __name__ == "__main__":
    main()
