"""How long the volume's decoders take: `python -m neural_backend.evaluation.vrmm_speed [--weights FILE]`.

The least of several repetitions, wall and processor time, for one head on the CPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..head.template import HeadTemplate
from ..models.vrmm.config import SMALL
from ..models.vrmm.vrmm import VRMM

REPETITIONS = 20


def least(work: Callable[[], object]) -> tuple[float, float]:
    """(wall, processor) milliseconds."""
    work()
    wall, processor = [], []
    for _ in range(REPETITIONS):
        began, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return 1e3 * min(wall), 1e3 * min(processor)


@torch.no_grad()
def measure(model: VRMM) -> dict[str, tuple[float, float]]:
    """Of preparing a head (new expression or view), relighting it, and both."""
    draw = torch.Generator().manual_seed(0)
    z_id = torch.randn(1, model.config.identity, generator=draw)
    z_e = torch.randn(1, model.config.expression, generator=draw)
    eye, light = torch.tensor([[0.0, 0.0, 1.0]]), torch.rand(1, 3, 16, 32, generator=draw)
    prepared = model.prepare(z_id, z_e, eye)
    return {
        "prepare": least(lambda: model.prepare(z_id, z_e, eye)),
        "relight": least(lambda: model.relight(prepared, light)),
        "decode": least(lambda: model.decode(z_id, z_e, eye, light)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, help="trained weights; else a fresh small model, which is as fast")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    template = HeadTemplate.load()
    model = VRMM.load(arguments.weights, template) if arguments.weights else VRMM(SMALL, template)
    print("| step | wall, ms | processor, ms |\n|---|---|---|")
    for name, (wall, processor) in measure(model).items():
        print(f"| {name} | {wall:.0f} | {processor:.0f} |")


if __name__ == "__main__":
    main()
