"""Train the surface point network.

    python -m neural_backend.training.surface_points pack --known-heads FOLDER --data DATA
    python -m neural_backend.training.surface_points train --data DATA --output RUN [--device cuda] [--steps 6000]
    python -m neural_backend.training.surface_points calibrate --known-heads FOLDER --data DATA --run RUN

`pack` needs ray casting and the known heads; `train` needs only DATA (about 40 MB) and runs where the GPU is. It can be
stopped and goes on from RUN/checkpoint.pt. Every fifth person of the known heads is held out.
"""

from __future__ import annotations

import argparse
import csv
import logging
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from ...head.template import WEIGHTS_FOLDER, HeadTemplate
from ...models.reflectance_prior import ReflectancePrior
from ...models.surface_points import SurfacePointConfig, SurfacePointNet
from . import population as people
from .augment import photographed
from .losses import IdentityError, place_loss
from .renders import Renders
from .synthetic import Painter, Photos

log = logging.getLogger(__name__)

RENDERED_SHARE = 0.2  # of each batch is path traced
RENDERED_IDENTITY = 0.25  # their say in the identity: they are few people, which are soon known by heart
LEARNING_RATE, TRUNK_RATE, WARM_UP = 1e-3, 4e-4, 200
AVERAGE = 0.995  # of the weights, per step, once there are enough of them
CHECK_EVERY, SAVE_EVERY = 500, 500


def joined(first: Photos, second: Photos) -> Photos:
    return Photos(*(torch.cat([getattr(first, name), getattr(second, name)]) for name in vars(first)))


def moving_average(average: Tensor, new: Tensor, count: Tensor) -> Tensor:
    """Exponential, shorter at first: the weights training started from are soon forgotten."""
    return torch.lerp(average, new, torch.maximum(1 - AVERAGE + 0 * count, 10 / (20 + count)).to(new.dtype))


class Trainer:
    def __init__(
        self,
        data: Path,
        output: Path,
        device: torch.device,
        batch: int,
        steps: int,
        seed: int,
        start: Path | None = None,
    ):
        torch.set_float32_matmul_precision("high")
        self.output, self.device, self.steps = output, device, steps
        population, template = people.load(data / "population.npz"), HeadTemplate.load()
        self.painter = Painter(population, template, ReflectancePrior.load(), device)
        self.renders = Renders.load(data / "renders.npz", population, device)
        self.learned_from = (~self.renders.held_out).nonzero()[:, 0]
        self.rendered = int(batch * RENDERED_SHARE)
        self.drawn = batch - self.rendered
        self.identity_weight = torch.ones(batch, device=device)
        self.identity_weight[self.drawn :] = RENDERED_IDENTITY
        self.generator = torch.Generator(device).manual_seed(seed)
        torch.manual_seed(seed)
        mean = self.renders.crops(self.learned_from, 0.0, self.learned_from < 0).places.mean(0)
        config = SurfacePointConfig(points=len(population.points), identity=len(template.identity))
        self.net = SurfacePointNet(config, mean.cpu()).to(device)
        if start is not None:
            self.net.load_state_dict(torch.load(start, map_location=device, weights_only=True))
        self.average = torch.optim.swa_utils.AveragedModel(self.net, avg_fn=moving_average)
        trunk = list(self.net.trunk.parameters())
        rest = [p for name, p in self.net.named_parameters() if not name.startswith("trunk.")]
        self.optimiser = torch.optim.AdamW(
            [{"params": rest, "lr": LEARNING_RATE}, {"params": trunk, "lr": TRUNK_RATE}], weight_decay=1e-4
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.identity_error = IdentityError(template, population.face, device)
        self.step = 0
        self.checkpoint = output / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()

    def _rate(self, step: int) -> float:
        return min(1.0, (step + 1) / WARM_UP) * (
            0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        )

    def batch(self) -> Photos:
        with torch.no_grad():
            drawn = self.painter.draw(self.drawn, self.generator)
            rows = torch.randint(len(self.learned_from), (self.rendered,), generator=self.generator, device=self.device)
            mirrored = torch.rand(self.rendered, generator=self.generator, device=self.device) < 0.5
            both = joined(drawn, self.renders.crops(self.learned_from[rows], 1.0, mirrored, self.generator))
            return Photos(photographed(both.picture, self.generator), both.places, both.face)

    def learn(self) -> dict[str, float]:
        photos = self.batch()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            guesses, code = self.net(photos.picture)
        losses = [place_loss(guess, photos.places) for guess in guesses]
        identity = self.identity_error(code, photos.face, self.identity_weight)
        loss = sum(losses) / len(losses) + identity
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.average.update_parameters(self.net)
        self.step += 1
        return {"places": losses[-1].detach(), "identity": identity.detach()}

    @torch.no_grad()
    def check(self) -> dict[str, float]:
        """Held-out people's renders: distances in crop pixels, the identity's squared error over the mean head's."""
        net = self.average.module
        rows = self.renders.held_out.nonzero()[:, 0]
        places, codes, faces = [], [], []
        for some in rows.split(64):
            photos = self.renders.crops(some, 0.0, some < 0)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                guesses, code = net(photos.picture)
            places.append(torch.stack([(g.places - photos.places).norm(dim=-1).mean() for g in guesses]))
            codes.append(code)
            faces.append(photos.face)
        error = self.identity_error(torch.cat(codes), torch.cat(faces))
        coarse, *_, fine = torch.stack(places).mean(0).tolist()
        return {"held_out_coarse": coarse, "held_out_px": fine, "held_out_identity": float(error)}

    def run(self) -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        began, first = time.perf_counter(), self.step
        recent: list[dict[str, Tensor]] = []
        while self.step < self.steps:
            recent.append(self.learn())
            if self.step % CHECK_EVERY == 0 or self.step in (20, 100) or self.step == self.steps:
                row = {"step": self.step} | {k: float(torch.stack([r[k] for r in recent]).mean()) for k in recent[0]}
                row |= self.check()
                row["seconds_per_step"] = (time.perf_counter() - began) / (self.step - first)
                self._log(row)
                recent = []
            if self.step % SAVE_EVERY == 0 or self.step == self.steps:
                self._save()

    def _log(self, row: dict[str, float]) -> None:
        path = self.output / "curve.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        log.info("  ".join(f"{key} {value:.4g}" for key, value in row.items()))

    def _save(self) -> None:
        state = {
            "step": self.step, "net": self.net.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
        }  # fmt: skip
        torch.save(state, self.output / "partial.pt")
        (self.output / "partial.pt").replace(self.checkpoint)
        half = {
            key: value.half() if value.is_floating_point() else value
            for key, value in self.average.module.state_dict().items()
        }
        torch.save(half, self.output / "average.pt")

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"].cpu())
        self.step = state["step"]
        log.info("going on from step %d", self.step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("--known-heads", type=Path, action="append", required=True)
    packing.add_argument("--data", type=Path, required=True)
    training = commands.add_parser("train")
    training.add_argument("--data", type=Path, required=True)
    training.add_argument("--output", type=Path, required=True)
    training.add_argument("--device", default="cpu")
    training.add_argument("--batch", type=int, default=128)
    training.add_argument("--steps", type=int, default=6000)
    training.add_argument("--start", type=Path, help="average.pt of an earlier run, to go on from with a new schedule")
    training.add_argument("--seed", type=int, default=0)
    calibrating = commands.add_parser("calibrate")
    calibrating.add_argument("--known-heads", type=Path, action="append", required=True)
    calibrating.add_argument("--data", type=Path, required=True)
    calibrating.add_argument("--run", type=Path, required=True, help="folder with average.pt")
    calibrating.add_argument("--output", type=Path, default=WEIGHTS_FOLDER / "surface_points.safetensors")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if arguments.command == "calibrate":
        from .calibrate import calibrate

        calibrate(arguments.run, arguments.known_heads, arguments.data, arguments.output)
    elif arguments.command == "pack":
        from ..calibrate_landmarks import calibration_heads
        from .gather import gather, pack

        arguments.data.mkdir(parents=True, exist_ok=True)
        population = gather()
        people.save(population, arguments.data / "population.npz")
        count = pack(calibration_heads(arguments.known_heads), population, arguments.data / "renders.npz")
        log.info("%d renders packed", count)
    else:
        device = torch.device(arguments.device)
        Trainer(
            arguments.data, arguments.output, device, arguments.batch, arguments.steps, arguments.seed, arguments.start
        ).run()


if __name__ == "__main__":
    main()
