"""What a trained volume is worth: measured on captures that it has not seen, in numbers and in pictures.

Parts: `views` (training subjects, unseen moments and lights, a held-out camera), `subjects` (people it has never seen,
found by inversion), `lights` (small lamps and environments, each rendered directly by Cycles), `transfer` (one's
expression on another), `linearity`. A baseline stands beside the first three: the mean of the training codes at the
same camera and light, which is what a model that knew nobody would show.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...lightstage.captures import Capture, CaptureSet
from ...models.vrmm.vrmm import VRMM
from ...perception.face import FacePerception
from ...protocol.errors import MienError
from .cases import LIGHTS, Case, case_of, environment_cases
from .drawing import draw, expression_of, picture_of
from .inversion import Observation, invert
from .measures import FeatureDistance, Measures, displayed, exposure_of, mean_of, measure
from .transfer import errors_of, transfer

log = logging.getLogger(__name__)

MOST_TRANSFERS = 24


@dataclass(frozen=True)
class Row:
    """One picture that was measured."""

    part: str
    case: Case
    shown: tuple[np.ndarray, np.ndarray]  # rgb, alpha
    measures: Measures
    baseline: Measures


class Evaluation:
    """A model, its captures, and the rows measured so far."""

    def __init__(self, model: VRMM, folder: Path, features: FeatureDistance, seed: int = 0):
        """`folder` holds the splits `held_out` and `lights` of `mien stage`."""
        self.model, self.folder, self.features, self.seed = model.eval(), Path(folder), features, seed
        self.mean_code = model.codes.detach().mean(0)
        self.rows: list[Row] = []

    def add(self, part: str, case: Case, identity: Tensor, expression: Tensor) -> None:
        """Draw a case with its codes and with the mean subject's, and measure both."""
        shown = picture_of(self.model, identity, expression, case.camera, case.light)
        plain = picture_of(self.model, self.mean_code, expression, case.camera, case.light)
        truth = case.rgb, case.alpha
        self.rows.append(
            Row(part, case, shown, measure(*shown, *truth, self.features), measure(*plain, *truth, self.features))
        )

    def views(self) -> None:
        """Training subjects at moments, lights and from a camera that training never had."""
        held_out = CaptureSet.open(self.folder / "held_out")
        for capture in self._captures(held_out, known=True):
            identity = self.model.identity_of([capture.subject])[0].detach()
            expression = self._expression(capture)
            for view in range(1, len(capture.cameras)):  # view 0 is what E_e has seen
                for name in LIGHTS:
                    self.add("views", case_of(capture, view, name, self.seed), identity, expression)

    def subjects(self, steps: int) -> dict[str, tuple[float, ...]]:
        """People never seen: codes by inversion from half the cameras, judged from the others; returns loss curves."""
        held_out = CaptureSet.open(self.folder / "held_out")
        by_subject: dict[str, list[Capture]] = {}
        for capture in self._captures(held_out, known=False):
            by_subject.setdefault(capture.subject, []).append(capture)
        curves = {}
        for subject, captures in by_subject.items():
            fitted = [
                (moment, case_of(capture, view, name, self.seed))
                for moment, capture in enumerate(captures)
                for view in range(len(capture.cameras) // 2)
                for name in ("full", "key")
            ]
            found = self._invert(captures, fitted, steps)
            curves[subject] = found.losses
            for moment, capture in enumerate(captures):
                for view in range(len(capture.cameras) // 2, len(capture.cameras)):
                    for name in LIGHTS:
                        case = case_of(capture, view, name, self.seed)
                        self.add("subjects", case, found.identity, found.expressions[moment])
        return curves

    def lights(self) -> None:
        """Training subjects under small lamps and environments, and the same moments and views under usual lights."""
        direct, usual = CaptureSet.open(self.folder / "lights"), CaptureSet.open(self.folder / "held_out")
        for capture in self._captures(direct, known=True):
            identity = self.model.identity_of([capture.subject])[0].detach()
            expression = self._expression(capture)
            for view in range(1, len(capture.cameras)):
                for part, case in environment_cases(capture, view):
                    self.add(part, case, identity, expression)
                if capture.name in usual.names:  # the same plan, the same moment
                    for name in LIGHTS:
                        case = case_of(usual.read(capture.name), view, name, self.seed)
                        self.add("usual lights", case, identity, expression)

    def transfer(self, perception: FacePerception) -> dict[str, float]:
        """One's expression on the next subject, under another light; the numbers of TransferErrors."""
        held_out = CaptureSet.open(self.folder / "held_out")
        done = []
        for capture in self._captures(held_out, known=True):
            if capture.expression is not None and not capture.expression.any():
                continue  # a neutral face has nothing to transfer
            picture = case_of(capture, 0, "full").rgb, capture.alpha(0)
            others = [name for name in self.model.subjects if name != capture.subject]
            light = case_of(capture, 0, "two colours").light
            for target in others[:: max(1, len(others) // 3)][:3]:
                done.append(
                    transfer(
                        capture.name, picture, target, lambda rgb, alpha: expression_of(self.model, rgb, alpha),
                        lambda name, code, c=capture, sky=light: picture_of(
                            self.model, self.model.identity_of([name])[0].detach(), code, c.cameras[0], sky
                        ),
                        perception,
                    )
                )  # fmt: skip
            if len(done) >= MOST_TRANSFERS:
                break
        if len({each.source for each in done}) < 2:
            sentence = "The held_out captures show fewer than two expressions to transfer: render more moments."
            raise MienError("no_captures", sentence)
        return asdict(errors_of(done))

    @torch.no_grad()
    def linearity(self) -> float:
        """Largest relative error of f(a l1 + b l2) against a f(l1) + b f(l2) over the voxels' colours."""
        generator = torch.Generator().manual_seed(self.seed)
        identity, eye = self.model.codes[:1].detach(), torch.tensor([[0.1, 0.05, 1.2]])
        prepared = self.model.prepare(identity, torch.zeros(1, self.model.config.expression), eye)
        first, second = torch.rand(2, 1, 3, 16, 32, generator=generator)
        colour = [self.model.relight(prepared, light).primitives.payload[:, :, :3]
                  for light in (first, second, 0.3 * first + 1.7 * second)]  # fmt: skip
        mixed = 0.3 * colour[0] + 1.7 * colour[1]
        return float((colour[2] - mixed).abs().max() / mixed.abs().max())

    # --- helpers

    def _captures(self, captures: CaptureSet, known: bool) -> list[Capture]:
        """Captures of subjects that the model has, or has not, been trained on."""
        read = (captures.read(name) for name in captures.names)
        return [capture for capture in read if (capture.subject in self.model.subjects) == known]

    def _expression(self, capture: Capture) -> Tensor:
        case = case_of(capture, 0, "full")
        return expression_of(self.model, case.rgb, case.alpha)

    def _invert(self, captures: Sequence[Capture], fitted: Sequence[tuple[int, Case]], steps: int):
        start = torch.stack([self._expression(capture) for capture in captures])
        exposures = [exposure_of(case.rgb, case.alpha) for _, case in fitted]
        observed = [
            Observation(moment, torch.from_numpy(case.rgb * exposure), torch.from_numpy(case.alpha))
            for (moment, case), exposure in zip(fitted, exposures, strict=True)
        ]

        def render(identity: Tensor, expression: Tensor, chosen: list[int]) -> tuple[Tensor, Tensor]:
            light = np.stack([fitted[index][1].light * exposures[index] for index in chosen])
            cameras = [fitted[index][1].camera for index in chosen]
            return draw(self.model, identity, expression, cameras, torch.from_numpy(light), step_m=0.0025)

        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        return invert(render, self.model.codes.detach(), start, observed, steps, self.seed)


def summary(rows: Sequence[Row]) -> dict[str, dict[str, object]]:
    """Part -> count, mean measures, mean of the baseline's."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.part, []).append(row)
    return {
        part: {
            "pictures": len(found),
            "subjects": len({row.case.subject for row in found}),
            **asdict(mean_of([row.measures for row in found])),
            "baseline_psnr_db": mean_of([row.baseline for row in found]).psnr_db,
        }
        for part, found in parts.items()
    }


def write_report(out: Path, rows: Sequence[Row], extra: dict[str, object]) -> str:
    """Write `rows.csv`, `summary.json` and a sheet per part; the table as text."""
    from .sheets import write_sheet

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    found = summary(rows)
    if not rows:
        (out / "summary.json").write_text(json.dumps({"parts": {}, **extra}, indent=1), encoding="utf-8")
        return "\n".join(f"{name}: {json.dumps(value)}" for name, value in extra.items())
    (out / "summary.json").write_text(json.dumps({"parts": found, **extra}, indent=1), encoding="utf-8")
    with (out / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["part", "capture", "view", "light", *asdict(rows[0].measures), "baseline_psnr_db"])
        for row in rows:
            case = row.case
            values = [round(value, 4) for value in asdict(row.measures).values()]
            baseline = round(row.baseline.psnr_db, 4)
            writer.writerow([row.part, case.capture, case.view, case.light_name, *values, baseline])
    for part in found:
        write_sheet(out / f"{part}.png", [row for row in rows if row.part == part])
    lines = ["| part | subjects | pictures | PSNR dB | mean subject's | SSIM | MAE | features | alpha |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for part, values in found.items():
        lines.append(
            f"| {part} | {values['subjects']} | {values['pictures']} | {values['psnr_db']:.2f} | "
            f"{values['baseline_psnr_db']:.2f} | {values['ssim']:.3f} | {values['mae']:.2f} | "
            f"{values['features']:.3f} | {values['alpha_mae']:.4f} |"
        )
    for name, value in extra.items():
        lines.append(f"{name}: {json.dumps(value)}")
    return "\n".join(lines)


def feature_distance() -> FeatureDistance:
    """The EfficientNet-Lite0 feature distance. The training's loss uses the same net: low numbers flatter.

    Raises:
        MienError: no_weights, where the `train` extra is not installed.
    """
    from ...training.vrmm.perceptual import PerceptualDistance

    distance = PerceptualDistance()

    @torch.no_grad()
    def between(first: np.ndarray, second: np.ndarray) -> float:
        pictures = [torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1)[None] for each in (first, second)]
        return float(distance(*pictures))

    return between


def shown_pair(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """(truth, render) of a row as sRGB 0..1 at the truth's exposure."""
    exposure = exposure_of(row.case.rgb, row.case.alpha)
    return displayed(row.case.rgb, row.case.alpha, exposure), displayed(*row.shown, exposure)
