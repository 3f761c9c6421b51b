"""Draw the curves of one or several runs that went on from each other.

python -m neural_backend.training.surface_points.curves RUN/curve.csv [RUN/curve.csv ...] -o curves.png
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

PANELS = {
    "places": ("loss of places", "learned from"),
    "held_out_px": ("distance, crop pixels", "people left out"),
    "identity": ("squared shape error / mean head's", "learned from"),
    "held_out_identity": ("squared shape error / mean head's", "people left out"),
}


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("curves", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(1, len(PANELS), figsize=(3.6 * len(PANELS), 3.2), layout="constrained")
    start = 0
    for path in arguments.curves:
        with path.open(newline="") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        for axis, (name, (label, who)) in zip(axes, PANELS.items(), strict=True):
            axis.plot([start + row["step"] for row in rows], [row[name] for row in rows], marker=".")
            axis.set(xlabel="step", title=f"{label}\n({who})", ylim=(0, None))
            axis.grid(alpha=0.3)
        start += int(rows[-1]["step"])
    figure.savefig(arguments.output, dpi=80)


if __name__ == "__main__":
    main()
