"""Time and memory of Fit from Photo: `python -m neural_backend.evaluation.speed PHOTO...` prints a table.

Cold is a new process (imports, weights, kernels); loaded is the second fit in one process. Photos are resized to one
megapixel, so that tables of different photos can be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

_LOADED = """
import json, sys, time
from neural_backend.tasks.fit import FitRequest, run
photo, output, quality, maps = sys.argv[1:5]
request = FitRequest((photo,), output, quality=quality, map_size=int(maps) or None)
run(request)
started = time.perf_counter()
report = run(request).report
print(json.dumps({"seconds": time.perf_counter() - started, "stages": report["seconds"]}))
"""


def one_megapixel(photo: Path, folder: Path) -> Path:
    """A copy of the photo at 1 MP."""
    image = cv2.imread(str(photo))
    factor = math.sqrt(1_000_000 / (image.shape[0] * image.shape[1]))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    path = folder / f"{photo.stem}.png"
    cv2.imwrite(str(path), cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation))
    return path


def run_measured(command: list[str]) -> tuple[float, float, str]:
    """(wall seconds, peak memory in GB, stdout) of a command that must succeed."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:  # a file never fills up, as a second pipe would
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # the finished child's own peak, which subprocess does not tell
        seconds = time.perf_counter() - started
        if status:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command[:6])} failed: {errors.read()[-800:]}")
    return seconds, usage.ru_maxrss / 1e6, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--qualities", nargs="+", default=["draft", "standard"])
    parser.add_argument("--maps", type=int, default=0, help="map size (default: the quality's own)")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores\n")
    print("| photo | quality | loaded s | cold s | peak GB | stages when loaded, s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for original in arguments.photos:
            photo = one_megapixel(original, Path(scratch))
            for quality in arguments.qualities:
                options = [str(photo), scratch, quality, str(arguments.maps)]
                _, peak, output = run_measured([sys.executable, "-c", _LOADED, *options])
                loaded = json.loads(output.strip().splitlines()[-1])
                command = [sys.executable, "-m", "neural_backend.cli", "fit", str(photo), "-o", scratch]
                command += ["--quality", quality, "--no-blender"] + (
                    ["--maps", str(arguments.maps)] if arguments.maps else []
                )
                cold, _, _ = run_measured(command)
                stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in loaded["stages"].items())
                print(
                    f"| {original.stem} | {quality} | {loaded['seconds']:.1f} | {cold:.1f} | {peak:.2f} | {stages} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
