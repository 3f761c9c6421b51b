"""What the server can be asked for: request kind -> lane, stages, and the task behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ..protocol import messages
from . import fit, inspect
from .progress import Progress


@dataclass(frozen=True)
class Task:
    lane: str  # "compute" or "preview"
    weights: dict[str, float]  # stage -> usual share of the time
    run: Callable[[messages.Message, Progress], dict]  # the values of Result


def _fit(message: messages.Fit, progress: Progress) -> dict:
    request = fit.FitRequest(
        photos=message.photos,
        output=message.output,
        name=message.name,
        quality=message.quality,
        map_size=message.map_size,
        device=message.device,
        seed=message.seed,
        keep_photos=message.keep_photos,
    )
    outcome = fit.run(request, progress)
    return {"package": str(outcome.package), "seconds": outcome.report["seconds"]}


def _inspect(message: messages.Inspect, progress: Progress) -> dict:
    return dataclasses.asdict(inspect.run(message.photo, message.device, progress))


TASKS: dict[str, Task] = {
    messages.Fit.kind: Task("compute", fit.STAGE_WEIGHTS, _fit),
    messages.Inspect.kind: Task("preview", inspect.STAGE_WEIGHTS, _inspect),
}
