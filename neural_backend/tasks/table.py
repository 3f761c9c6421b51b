"""What the server can be asked for: request kind -> lane, stages, and the task behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ..protocol import messages
from . import capture, fit, inspect, solve_again
from .progress import Progress


@dataclass(frozen=True)
class Task:
    lane: str  # "compute" or "preview"
    weights: dict[str, float]  # stage -> usual share of the time
    run: Callable[[messages.Message, Progress], dict]  # the values of Result


def _fit(message: messages.Fit, progress: Progress) -> dict:
    names = [entry.name for entry in dataclasses.fields(fit.FitRequest) if entry.name != "again"]
    request = fit.FitRequest(**{name: getattr(message, name) for name in names})
    outcome = fit.run(request, progress)
    return {"package": str(outcome.package), "seconds": outcome.report["seconds"]}


def _solve_again(message: messages.SolveAgain, progress: Progress) -> dict:
    names = [entry.name for entry in dataclasses.fields(solve_again.SolveRequest)]
    outcome = solve_again.run(solve_again.SolveRequest(**{name: getattr(message, name) for name in names}), progress)
    return {"package": str(outcome.package), "seconds": outcome.report["seconds"]}


def _inspect(message: messages.Inspect, progress: Progress) -> dict:
    return dataclasses.asdict(inspect.run(message.photo, message.device, progress))


def _capture(message: messages.CaptureExpression, progress: Progress) -> dict:
    names = [entry.name for entry in dataclasses.fields(capture.CaptureRequest)]
    outcome = capture.run(capture.CaptureRequest(**{name: getattr(message, name) for name in names}), progress)
    return dataclasses.asdict(outcome) | {"take": str(outcome.take), "gaps": [list(gap) for gap in outcome.gaps]}


TASKS: dict[str, Task] = {
    messages.Fit.kind: Task("compute", fit.STAGE_WEIGHTS, _fit),
    messages.SolveAgain.kind: Task("compute", solve_again.STAGE_WEIGHTS, _solve_again),
    messages.CaptureExpression.kind: Task("compute", capture.STAGE_WEIGHTS, _capture),
    messages.Inspect.kind: Task("preview", inspect.STAGE_WEIGHTS, _inspect),
}
