"""Refine: finish a head whose identity was edited in Blender. Needs numpy and the template, neither torch nor scipy.

    python -m neural_backend.tasks.refine REQUEST.npz RESULT.npz

The request holds `identity` [K], `vertices` [V, 3], `arkit` [52, V, 3], `shown_identity` [K] and `lid_rest` []; a
mixture also the same of the other head, with the prefix `other_`, and `share` []. Packages' frame, metres. The result
holds `vertices`, `arkit`, `joint_positions` and `lid_rest`. Exit codes: 0 done, 2 wrong arguments, 3 the request cannot
be used, 1 a bug; the last line of standard error says why.
"""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..head.personalise import PersonalHead
from ..head.refine import refine
from ..head.template import HeadTemplate
from ..protocol.errors import MienError
from .progress import Progress, silent


@dataclass(frozen=True)
class RefineRequest:
    request: Path  # .npz, see above
    result: Path  # .npz to write


def run(request: RefineRequest, progress: Progress = silent) -> Path:
    """Write the finished head to `request.result` and return that path.

    Raises:
        MienError: the request cannot be read, or is of another template.
    """
    progress("refine", 0.0)
    try:
        with np.load(request.request, allow_pickle=False) as file:
            given = {name: file[name] for name in file.files}
        shown, shown_identity, lid_rest = _head(given, "")
        other, rest = None, lid_rest
        if "share" in given:
            share = float(np.clip(given["share"], 0.0, 1.0))
            second = _head(given, "other_")
            other = (*second, share)
            rest = (1 - share) * lid_rest + share * second[2]
        head = refine(HeadTemplate.load(), given["identity"], shown, shown_identity, lid_rest, other)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
        sentence = f"The edited head cannot be finished ({error}): import the head again."
        raise MienError("bad_request", sentence) from error
    np.savez(
        request.result,
        vertices=head.vertices,
        arkit=head.arkit,
        joint_positions=head.joint_positions,
        lid_rest=np.float32(rest),
    )
    progress("refine", 1.0)
    return request.result


def _head(given: dict[str, np.ndarray], prefix: str) -> tuple[PersonalHead, np.ndarray, float]:
    """A head as it stands in Blender, the identity it was made from, how far its lids rest."""
    vertices = np.asarray(given[f"{prefix}vertices"], np.float32)
    arkit = np.asarray(given[f"{prefix}arkit"], np.float32)
    head = PersonalHead(vertices, arkit, np.zeros((5, 3), np.float32), (1.0, 1.0))
    return head, np.asarray(given[f"{prefix}shown_identity"], np.float32), float(given[f"{prefix}lid_rest"])


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m neural_backend.tasks.refine REQUEST.npz RESULT.npz", file=sys.stderr)
        return 2
    try:
        run(RefineRequest(Path(arguments[0]), Path(arguments[1])))
        return 0
    except MienError as error:
        print(error.sentence, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
