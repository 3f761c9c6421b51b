"""The losses of a run against its steps: a table to append to and a picture of it."""

from __future__ import annotations

import csv
from pathlib import Path


class Curves:
    """Means over the steps since the last row, in curves.csv; every term has its column."""

    def __init__(self, path: Path):
        self.path = path
        self._sums: dict[str, list[float]] = {}

    def add(self, terms: dict[str, float]) -> None:
        for name, value in terms.items():
            self._sums.setdefault(name, []).append(value)

    def write(self, step: int, seconds: float) -> dict[str, float]:
        """Append one row and start anew; rows beyond `step` (of a run that was stopped before it saved) are dropped."""
        rows = [row for row in read_curves(self.path) if row["step"] < step]
        means = {name: sum(values) / len(values) for name, values in self._sums.items()}
        self._sums = {}
        rows.append({"step": step, "seconds": round(seconds, 1), **means})
        columns = list(dict.fromkeys(name for row in rows for name in row))
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)
        part.replace(self.path)
        return means


def read_curves(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def draw_curves(path: Path, picture: Path) -> None:
    """One small panel per term."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = read_curves(path)
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ("step", "seconds")))
    columns = min(4, max(1, len(names)))
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(3.4 * columns, 2.3 * lines), layout="constrained", squeeze=False
    )
    for axis, name in zip(axes.flat, names, strict=False):
        points = [(row["step"], row[name]) for row in rows if name in row]
        axis.plot(*zip(*points, strict=True), lw=1)
        positive = min(value for _, value in points) > 0
        axis.set(title=name, yscale="log" if positive else "linear")
        axis.grid(alpha=0.3)
    for axis in list(axes.flat)[len(names) :]:
        axis.axis("off")
    figure.savefig(picture, dpi=70)
    plt.close(figure)
