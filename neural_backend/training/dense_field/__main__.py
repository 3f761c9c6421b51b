"""Train the dense field network: `python -m neural_backend.training.dense_field --examples FOLDER --run FOLDER`.

Seeded and resumable: the run's folder has a checkpoint, log.csv and curves.png from the first evaluation on; the best
weights go to weights/dense_field.safetensors when all steps are done.
"""

from __future__ import annotations

import argparse
import copy
import csv
import logging
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ...fitting.dense_fields import DENSE_FIELD_FILE
from ...head.template import metadata_entry
from ...models.dense_field import FIELD_SIDE, MODEL_SIDE, DenseFieldNet, field_losses
from .augment import mirrored, photographed

log = logging.getLogger(__name__)

EMA = 0.998
SECOND = 0.35  # share of examples that show a second look's start
HELD_OUT_EVERY = 11  # every eleventh person is never trained on (odd, as even people are all samples of the prior)
#: The face on the mean head, decimetres: what fitting is after. Other cells count OFF_FACE.
FACE_HEIGHT_DM, FACE_DEPTH_DM = (-0.95, 0.90), 0.30
OFF_FACE = 0.1
Examples = tuple[Tensor, Tensor, Tensor]  # picture uint8, model float16, truth float16


def is_held_out(subject: str) -> bool:
    """Is a person ("prior_100012") kept out of training?"""
    return int(subject.rsplit("_", 1)[1]) % HELD_OUT_EVERY == 0


def read_examples(folder: Path) -> tuple[Examples, Examples]:
    """(training, held out) examples of a folder; all pictures of one person are on one side."""
    files = sorted(folder.glob("shard_*.npz"))
    if not files:
        raise SystemExit(f"No examples in {folder}: make them with 'python -m {__package__}.examples'.")
    columns: dict[str, list[np.ndarray]] = {"picture": [], "model": [], "truth": [], "subject": []}
    for file in files:
        with np.load(file, allow_pickle=False) as data:
            for key, values in columns.items():
                values.append(data[key])
    held = torch.from_numpy(np.array([is_held_out(str(name)) for name in np.concatenate(columns["subject"])]))
    whole = [torch.from_numpy(np.concatenate(columns[key])) for key in ("picture", "model", "truth")]
    return tuple(part[~held] for part in whole), tuple(part[held] for part in whole)


def batch_of(examples: Examples, rows: Tensor, second: Tensor, device: torch.device) -> Examples:
    """The chosen pictures ([B]) with the landmark fit or, where `second` ([B] bool), the one nearer the truth."""
    picture, models, truths = examples
    model, truth = models[rows, second.long()], truths[rows, second.long()]
    return picture[rows].to(device).float() / 255, model.to(device).float(), truth.to(device).float()


def cell_weight(model: Tensor, truth: Tensor) -> Tensor:
    """[B, 64, 64] what the cells count: the face whole, neck, scalp and ears a little, the background nothing."""
    place = torch.nn.functional.avg_pool2d(model[:, 3:6], MODEL_SIDE // FIELD_SIDE)  # decimetres on the mean head
    (low, high), behind = FACE_HEIGHT_DM, FACE_DEPTH_DM
    face = (place[:, 1] > low) & (place[:, 1] < high) & (place[:, 2] > behind)
    return truth[:, 5] * torch.where(face, 1.0, OFF_FACE)


@torch.no_grad()
def measure(net: DenseFieldNet, examples: Examples, device: torch.device) -> dict[str, float]:
    """On held-out people: losses, and root mean squares over the face beside those of the landmark fit itself."""
    net.eval()
    sums, cells = np.zeros(6), 0.0
    for rows in torch.arange(len(examples[0])).split(16):
        picture, model, truth = batch_of(examples, rows, torch.zeros(len(rows), dtype=torch.bool), device)
        fields = net(picture, model)
        flow, normal, weight = truth[:, :2], truth[:, 2:5], cell_weight(model, truth)
        losses = field_losses(fields, flow, normal, weight)
        drawn = torch.nn.functional.avg_pool2d(model[:, :3], MODEL_SIDE // FIELD_SIDE)
        face = (weight == 1).float()
        squares = [
            ((values - wanted).square().sum(1) * face).sum()
            for values, wanted in ((fields.flow, flow), (0 * flow, flow), (fields.normal, normal), (drawn, normal))
        ]
        count = float(face.sum())
        sums += [*(float(x) * count for x in losses), *(float(x) for x in squares)]
        cells += count
    net.train()
    off, likelihood, *squares = sums / cells
    flow, flow_before, normal, normal_before = np.sqrt(squares)
    return {
        "off": off, "likelihood": likelihood,
        "flow_px": flow, "flow_px_before": flow_before, "normal": normal, "normal_before": normal_before,
    }  # fmt: skip


def train(arguments: argparse.Namespace) -> None:
    device = torch.device(arguments.device)
    training, held_out = read_examples(arguments.examples)
    log.info("%d examples, %d held out", len(training[0]), len(held_out[0]))
    torch.manual_seed(arguments.seed)
    net = DenseFieldNet().to(device, memory_format=torch.channels_last)
    smooth = copy.deepcopy(net).eval()  # exponential moving average of the weights: what is measured and shipped
    optimizer = torch.optim.AdamW(net.parameters(), lr=arguments.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, arguments.rate, arguments.steps + 1, pct_start=0.08, final_div_factor=200
    )
    arguments.run.mkdir(parents=True, exist_ok=True)
    checkpoint, rows = arguments.run / "checkpoint.pt", []
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        smooth.load_state_dict(state["smooth"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        start, rows = state["step"], state["rows"]
    running, began = [], time.perf_counter()
    for step in range(start, arguments.steps):
        generator = torch.Generator().manual_seed(arguments.seed * 1_000_003 + step)  # resumed runs draw the same
        chosen = torch.randint(len(training[0]), (arguments.batch,), generator=generator)
        second = torch.rand(arguments.batch, generator=generator) < SECOND
        picture, model, truth = batch_of(training, chosen, second, torch.device("cpu"))
        picture = photographed(picture, generator)
        flips = torch.rand(arguments.batch, generator=generator) < 0.5
        picture, model, truth = (x.to(device) for x in mirrored(picture, model, truth, flips))
        fields = net(picture, model)
        loss = sum(field_losses(fields, truth[:, :2], truth[:, 2:5], cell_weight(model, truth)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        running.append(float(loss.detach()))
        keep = min(EMA, (1 + step) / (10 + step))
        with torch.no_grad():
            for own, new in zip(smooth.state_dict().values(), net.state_dict().values(), strict=True):
                own.copy_(torch.lerp(own, new, 1 - keep) if own.is_floating_point() else new)
        if (step + 1) % arguments.every == 0 or step + 1 == arguments.steps:
            row = {"step": step + 1, "train": float(np.mean(running)), **measure(smooth, held_out, device)}
            row = {key: float(value) for key, value in row.items()}  # numpy numbers cannot be resumed from
            rows.append(row)
            running.clear()
            seconds = (time.perf_counter() - began) / (step + 1 - start)
            log.info("%s  %.2f s a step", " ".join(f"{k} {v:.3f}" for k, v in row.items()), seconds)
            state = {
                "net": net.state_dict(), "smooth": smooth.state_dict(), "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(), "step": step + 1, "rows": rows,
            }  # fmt: skip
            partial = checkpoint.with_suffix(".partial")
            torch.save(state, partial)
            partial.replace(checkpoint)
            write_curves(rows, arguments.run)
            save(smooth, arguments.run / "dense_field.safetensors", step + 1, len(training[0]))
    save(smooth, arguments.output, arguments.steps, len(training[0]))


def save(net: DenseFieldNet, path: Path, steps: int, examples: int) -> None:
    weights = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    metadata = {"steps": metadata_entry(steps), "examples": metadata_entry(examples)}
    save_file(weights, str(path), metadata=metadata)


def write_curves(rows: list[dict[str, float]], folder: Path) -> None:
    """log.csv and curves.png: the loss on both sides, and errors beside the landmark fit's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with open(folder / "log.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    steps = [row["step"] for row in rows]
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.4))
    axes[0].plot(steps, [row["train"] for row in rows], label="training (augmented)")
    axes[0].plot(steps, [row["off"] + row["likelihood"] for row in rows], label="held-out people")
    axes[0].set_title("loss")
    for axis, key, title in ((axes[1], "flow_px", "position, pixels (about mm)"), (axes[2], "normal", "normal")):
        axis.plot(steps, [row[key] for row in rows], label="network, held out")
        axis.plot(steps, [row[f"{key}_before"] for row in rows], "--", label="landmark fit")
        axis.set_title(f"error of {title}")
        axis.set_ylim(0)
    for axis in axes:
        axis.legend()
        axis.set_xlabel("step")
    figure.tight_layout()
    figure.savefig(folder / "curves.png", dpi=90)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--examples", type=Path, required=True, help="folder that `examples` filled")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoint, log and curves")
    parser.add_argument("--output", type=Path, default=DENSE_FIELD_FILE)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--every", type=int, default=200, help="steps between evaluations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    train(arguments)


if __name__ == "__main__":
    main()
