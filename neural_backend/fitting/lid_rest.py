"""Lids at rest: what part of the photos' lid closure belongs to the person and not to the moment.

The prior's mean face holds its eyes wide open. A calm face in a photo closes them by a tenth or a fifth of a blink; if
that were taken for expression and removed, the neutral head would stare. What every photo and both eyes have in common
becomes the neutral, and the blink goes on from there: the head in each photo and the closed lid stay where they were.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..head.refine import BLINKS, with_lid_rest
from .result import FitResult

MOST = 0.25  # of a blink; more is somebody who was caught with closing eyes


def rest_lids(fit: FitResult) -> FitResult:
    """The same fit with the common lid closure in the neutral head.

    With b the common closure and B the blink's displacement: neutral + b B, blink (1 - b) B, weights (w - b) / (1 - b).
    """
    closures = np.array([photo.expression[list(BLINKS)] for photo in fit.photos])  # [P, 2]
    rest = float(np.clip(closures.min(), 0.0, MOST))
    if rest == 0.0:
        return fit
    vertices, arkit = with_lid_rest(fit.vertices, fit.arkit, rest)
    photos = []
    for photo in fit.photos:
        expression = photo.expression.copy()
        expression[list(BLINKS)] = (expression[list(BLINKS)] - rest) / (1 - rest)
        photos.append(replace(photo, expression=expression))
    report = {**fit.report, "lid_rest": round(rest, 3)}
    return replace(fit, vertices=vertices, arkit=arkit, photos=tuple(photos), report=report)
