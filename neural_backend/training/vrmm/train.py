"""The training loop of VRMM: resumable, seeded, shared among processes."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from ...head.template import HeadTemplate
from ...models.vrmm.vrmm import VRMM
from ...protocol.errors import MienError
from .curves import Curves, draw_curves
from .dataset import Captures
from .geometry import neutral_heads, teach_geometry
from .objective import Objective, Outcome
from .perceptual import PerceptualDistance
from .processes import Processes
from .reading import teach_reading
from .recipe import Recipe
from .sheet import draw_sheet

log = logging.getLogger(__name__)
CHECKPOINT, WEIGHTS, CURVES, SHEET = "checkpoint.pt", "vrmm.safetensors", "curves.csv", "sheet.png"
ROW_EVERY = 50  # steps
SHEET_ROWS = 5


class Trainer:
    """One run in one folder: checkpoint.pt, vrmm.safetensors, curves.csv and .png, sheet.png."""

    def __init__(
        self,
        recipe: Recipe,
        captures: Path,
        output: Path,
        device: str = "cpu",
        processes: Processes | None = None,
        template: HeadTemplate | None = None,
        start: Path | None = None,
    ):
        """Goes on from the checkpoint in `output` if there is one, else begins from the weights `start` if given.

        Raises:
            MienError: no captures, or checkpoint or weights belong to a model of other sizes.
        """
        self.recipe, self.output = recipe, Path(output)
        self.processes = processes or Processes()
        self.device = f"cuda:{self.processes.local_rank}" if device == "cuda" else device
        self.output.mkdir(parents=True, exist_ok=True)
        self.template = template = template or HeadTemplate.load()
        config = recipe.config
        self.captures = Captures(
            captures, config.encoder_size, config.encoder_views, recipe.crop,
            recipe.cache_mb // self.processes.count, recipe.seed, recipe.withhold, self.device,
        )  # fmt: skip
        self.model = VRMM(config, template, seed=recipe.seed).to(self.device)
        self.average = VRMM(config, template, seed=recipe.seed).to(self.device)
        perceptual = PerceptualDistance().to(self.device) if recipe.weights.perceptual > 0 else None
        autocast = None
        if device == "cuda":
            autocast = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        self.objective = Objective(recipe, perceptual, autocast)
        self.scaler = torch.amp.GradScaler(device, enabled=autocast == torch.float16)
        self.curves = Curves(self.output / CURVES)
        self.step, self.seconds = 0, 0.0
        self._asked_to_stop = False
        self._learn_subjects(self.captures.subjects)
        self.started = False
        self.read = False  # whether E_e and E_T have been taught at the schedule's end
        if (self.output / CHECKPOINT).is_file():
            self._restore()
        elif start is not None:
            self._start_from(start)

    def _learn_subjects(self, names: tuple[str, ...]) -> None:
        """Codes and Adam's memory for subjects that have appeared."""
        known = len(self.model.subjects)
        state = None
        if known:
            state = self.optimiser.state.pop(self.model.codes, None)
        for model in (self.model, self.average):
            model.add_subjects(names, self.recipe.seed)
        if state:
            grown = len(self.model.codes) - known
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.cat([state[name], state[name].new_zeros(grown, state[name].shape[1])])
        if not known:
            encoders = [*self.model.expression_encoder.parameters(), *self.model.transformation_encoder.parameters()]
            apart = {id(parameter) for parameter in [*encoders, self.model.codes]}
            groups = [
                {"params": [p for p in self.model.parameters() if id(p) not in apart], "factor": 1.0},
                {"params": [self.model.codes], "factor": self.recipe.code_rate},
                {"params": encoders, "factor": self.recipe.encoder_rate},
            ]
            self.optimiser = torch.optim.Adam(groups, lr=self.recipe.rate, betas=(0.9, 0.99))
        else:
            self.optimiser.param_groups[1]["params"] = [self.model.codes]
            if state:
                self.optimiser.state[self.model.codes] = state

    def ask_to_stop(self, *_: object) -> None:
        """End `run` after the step under way; fit to be a signal's handler."""
        self._asked_to_stop = True

    def rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to `final`."""
        recipe = self.recipe
        done = min(max(step - recipe.warm_up, 0) / max(recipe.steps - recipe.warm_up, 1), 1.0)
        cosine = recipe.final + (1 - recipe.final) * 0.5 * (1 + math.cos(math.pi * done))
        return recipe.rate * cosine * min(1.0, (step + 1) / recipe.warm_up)

    def teach_geometry(self, steps: int) -> None:
        """Teach D_mesh and the adaptor by geometry alone; the codes too before the first picture, after it they stay.

        Every process does the same, from the same seed.
        """
        neutral = {} if self.recipe.withhold else neutral_heads(self.captures.set, self.template)
        if not neutral or steps < 1:
            return
        fresh = self.step == 0 and not self.started
        teach_geometry(self.model, neutral, self.template, steps, self.recipe.seed, with_codes=fresh)
        taught = [*self.model.mesh_decoder.parameters(), *self.model.arkit_adaptor.parameters()]
        for parameter in taught:  # what Adam remembers of them no longer holds
            self.optimiser.state.pop(parameter, None)
        if fresh:
            self.average.load_state_dict(self.model.state_dict())
        else:
            for name in ("mesh_decoder", "arkit_adaptor"):
                getattr(self.average, name).load_state_dict(getattr(self.model, name).state_dict())

    def teach_reading(self, steps: int, stop: Callable[[], bool] = lambda: False) -> bool:
        """Teach E_e and E_T of the averaged weights by pictures that these make, and go on from the result.

        Every process does the same, from the same seed. Returns whether it came to its end before `stop` said so.

        Raises:
            MienError: the captures' expressions are not known, or the encoders see several views.
        """
        if steps < 1:
            return True
        if not self._can_read:
            raise MienError(
                "bad_option", "--teach-reading needs captures with known expressions and a model of one encoder view."
            )
        curve = teach_reading(self.average, self.captures, steps, self.recipe.march_step_m, self.recipe.seed, stop)
        for name in ("expression_encoder", "transformation_encoder"):
            encoder = getattr(self.model, name)
            encoder.load_state_dict(getattr(self.average, name).state_dict())
            for parameter in encoder.parameters():  # what Adam remembers of them no longer holds
                self.optimiser.state.pop(parameter, None)
        return len(curve) == steps

    @property
    def _can_read(self) -> bool:
        """Whether `reading.teach_reading` has something to teach by."""
        return self.recipe.config.encoder_views == 1 and self.captures.readings(0, range(1), 1) is not None

    def run(self, minutes: float | None = None) -> None:
        """Train until the schedule's end, for `minutes`, or until asked to stop; saves at the end in any case."""
        if self.step == 0 and not self.started:
            self.teach_geometry(self.recipe.geometry_steps)
        start = saved = looked = row = time.monotonic()
        seconds_before = self.seconds
        while self.step < self.recipe.steps:
            outcome = self.advance()
            now = time.monotonic()
            self.seconds = seconds_before + now - start
            if self.processes.first and self.step % ROW_EVERY == 0:
                means = self.curves.write(self.step, self.seconds)
                text = " ".join(f"{name} {value:.4g}" for name, value in means.items())
                log.info("step %d (%.2f s each): %s", self.step, (now - row) / ROW_EVERY, text)
                row = now
            # The first process's clock decides for all.
            save, look, stop = self.processes.broadcast(
                [
                    now - saved > 60 * self.recipe.save_minutes,
                    now - looked > 60 * self.recipe.refresh_minutes,
                    self._asked_to_stop or (minutes is not None and now - start > 60 * minutes),
                ]
            )
            if look:
                self._refresh()
                looked = now
            if save and self.step < self.recipe.steps and not stop:
                self.save()
                saved = row = time.monotonic()
            if stop:
                break
            if not math.isfinite(float(outcome.total.detach())):
                raise MienError("fit_failed", "Training diverged: go on from the checkpoint with a smaller --rate.")
        self.save()

        def out_of_time() -> bool:
            late = self._asked_to_stop or (minutes is not None and time.monotonic() - start > 60 * minutes)
            return self.processes.broadcast([late])[0]

        # The next session's if this one is out of time; only where there is something known to read.
        if self.step >= self.recipe.steps and not self.read and self._can_read and not out_of_time():
            self.read = self.teach_reading(self.recipe.reading_steps, out_of_time)
            self.save()

    def advance(self) -> Outcome:
        """One step."""
        places = self.processes.places(self.recipe.batch)
        batch = self.captures.batch(self.step, places).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.step) * group["factor"]
        self.optimiser.zero_grad(set_to_none=True)
        heads = self.captures.heads(self.step, places, self.recipe.heads) if self.recipe.heads else None
        readings = self.captures.readings(self.step, places, self.recipe.readings)
        outcome = self.objective(self.model, batch, self.step, places.start, heads, readings)
        self.scaler.scale(outcome.total).backward()
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.scaler.unscale_(self.optimiser)
        self.processes.average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        if bool(torch.isfinite(norm)):
            self.scaler.step(self.optimiser)
        else:
            log.warning("step %d: the gradient is not finite, left out", self.step)
        self.scaler.update()
        self.step += 1
        self.read = False  # of a schedule that was made longer
        self._follow()
        self.curves.add({"total": float(outcome.total.detach()), **outcome.terms, "gradient": float(norm)})
        return outcome

    @torch.no_grad()
    def _follow(self) -> None:
        """The average of the weights, exponential, shorter at first: the start is soon forgotten."""
        share = max(1 - self.recipe.average, 1 / (1 + self.step / 3))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), share)

    def _refresh(self) -> None:
        try:
            self.captures.refresh()
        except MienError as error:  # what has been trained on so far is as good as it was
            log.warning("New captures are left out: %s", error)
        # All processes must know the same captures, or they would draw from different lists.
        names, subjects = self.processes.broadcast([self.captures.names, self.captures.subjects])
        self.captures.names = names
        self._learn_subjects(tuple(subjects))

    def save(self) -> None:
        """Checkpoint (a whole file or none), weights for use, curves and sheet."""
        if not self.processes.first:
            return
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "read": self.read,
            "config": self.recipe.config.to_json(),
            "subjects": list(self.model.subjects),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        part = self.output / (CHECKPOINT + ".part")
        torch.save(state, part)
        part.replace(self.output / CHECKPOINT)
        self.average.save(self.output / WEIGHTS, {"step": str(self.step), "recipe": json.dumps(asdict(self.recipe))})
        if self.curves.path.is_file():
            draw_curves(self.curves.path, self.curves.path.with_suffix(".png"))
        value = draw_sheet(self.average, self.captures, self.output / SHEET, SHEET_ROWS, self.recipe.seed, self.device)
        log.info("step %d: saved, %d captures, sheet %.2f dB", self.step, len(self.captures.names), value)

    def _take(self, subjects: tuple[str, ...], weights: dict, average: dict) -> None:
        """Weights of another run: rows of codes follow the order in which subjects appeared there."""
        for model, values in ((self.model, weights), (self.average, average)):
            model.subjects = ()
            model.codes = nn.Parameter(model.codes.data[:0])
            model.add_subjects(subjects, self.recipe.seed)
            model.load_state_dict(values)
        self.optimiser.param_groups[1]["params"] = [self.model.codes]

    def _start_from(self, path: Path) -> None:
        other = VRMM.load(path, self.template)
        if other.config != self.recipe.config:
            raise MienError("bad_option", f"{path.name} is a model of other sizes than the recipe asks for.")
        self._take(other.subjects, other.state_dict(), other.state_dict())
        self._learn_subjects(self.captures.subjects)
        self.started = True

    def _restore(self) -> None:
        state = torch.load(self.output / CHECKPOINT, map_location=self.device, weights_only=True)
        if state["config"] != self.recipe.config.to_json():
            raise MienError(
                "bad_option", f"{self.output} holds a run of a model of other sizes: give another folder with --output."
            )
        self._take(tuple(state["subjects"]), state["model"], state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.read = state.get("read", False)
        self._learn_subjects(self.captures.subjects)
        log.info("going on from step %d", self.step)
