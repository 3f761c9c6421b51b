"""The command line: `mien fit PHOTO... -o OUT`, `mien capture HEAD FOOTAGE... -o OUT`, `mien render SUBJECT -o OUT`,
`mien train MODEL ...`.

The other door to the same tasks is server.py.

Exit codes: 0 done; 2 the command line is wrong; 3 a photo, footage, head, light or weights cannot be used; 4 the output
cannot be written; 5 the fit failed; 6 Blender's files could not be made (the head package is there); 70 a bug of ours;
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import logging
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from .protocol.errors import Cancelled, MienError
from .render_command import add_render, run_render

BLENDER_SCRIPT = Path(__file__).resolve().parent.parent / "blender_addon" / "headless.py"
BLENDER_FILES = ("blend", "fbx", "glb", "preview")

EXIT_USAGE, EXIT_PHOTO, EXIT_WRITE, EXIT_FIT, EXIT_BLENDER, EXIT_BUG, EXIT_INTERRUPTED = 2, 3, 4, 5, 6, 70, 130
_WRITE_CODES = {"cannot_write", "cannot_encode"}
_USAGE_CODES = {"bad_option", "no_photo", "no_cuda", "no_captures"}
_FIT_CODES = {"fit_failed"}


def exit_code(error: MienError) -> int:
    """The process exit code of an error meant for the user."""
    if isinstance(error, Cancelled):
        return EXIT_INTERRUPTED
    if error.code in _USAGE_CODES:
        return EXIT_USAGE
    if error.code in _WRITE_CODES:
        return EXIT_WRITE
    return EXIT_FIT if error.code in _FIT_CODES else EXIT_PHOTO


class BarProgress:
    """A progress bar per run: stages share it by their usual length on two cores."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        from tqdm import tqdm

        self._weights = weights
        self._start = {}
        total = 0.0
        for stage, weight in weights.items():
            self._start[stage] = total
            total += weight
        self._bar = tqdm(
            total=total, bar_format="{desc:<38.38} {percentage:3.0f}% |{bar}| {elapsed}", file=sys.stderr, leave=True
        )

    def __call__(self, stage: str, done: float, text: str = "") -> None:
        if stage in self._start:
            self._bar.n = self._start[stage] + self._weights[stage] * min(max(done, 0.0), 1.0)
        self._bar.set_description_str(f"{stage}: {text}" if text else stage, refresh=True)

    def __enter__(self) -> BarProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


def blender_available() -> bool:
    return importlib.util.find_spec("bpy") is not None and BLENDER_SCRIPT.is_file()


def make_blender_files(package: Path, output: Path, progress: BarProgress, wanted: Sequence[str]) -> list[Path]:
    """Run Blender's half in a process of its own and return the files it wrote.

    Raises:
        MienError: Blender failed; the sentence says why, and its log is kept beside the head.
    """
    command = [sys.executable, str(BLENDER_SCRIPT), str(package), "--out", str(output)]
    command += [f"--{kind}" for kind in wanted]
    log_path = output / "blender.log"
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            try:
                written, reason = [], ""
                for line in process.stdout:
                    message = _json_line(line)
                    if message is None:
                        log.write(line)
                    elif "written" in message:
                        written.append(Path(message["written"]))
                    elif "error" in message:
                        reason = f": {str(message['error']).rstrip('.')}"
                    else:
                        progress("blender", float(message.get("done", 0.0)), str(message.get("text", "")))
                code = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                for unfinished in output.glob(".*.partial.*"):  # Blender's half renames its files when they are whole
                    unfinished.unlink(missing_ok=True)
                raise
        if code:
            log.seek(0)
            log_path.write_text(log.read(), encoding="utf-8")
            raise MienError(
                "blender_failed",
                f"Blender could not make its files from {package.name}{reason}; its log is {log_path}.",
            )
    return written


def _json_line(line: str) -> dict | None:
    """Blender prints much of its own on stdout; only lines that hold a JSON object are the script's."""
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _workshop() -> dict[str, ModuleType]:
    """Command -> module, for what makes models: the extension ships without these packages and commands."""
    places = {"stage": "lightstage.options", "train": "training.command", "evaluate": "evaluation.command"}
    return {
        command: importlib.import_module(f"{__package__}.{place}")
        for command, place in places.items()
        if importlib.util.find_spec(f"{__package__}.{place.partition('.')[0]}") is not None
    }


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mien", description="Photos of a face into a rigged, relightable head.")
    parser.add_argument("--verbose", action="store_true", help="log what happens, and show tracebacks")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="fit a head to one or several photos of one person")
    fit.add_argument("photos", nargs="+", metavar="PHOTO", help="image files, all of the same person")
    fit.add_argument("-o", "--output", required=True, metavar="OUT", help="folder for the head and Blender's files")
    fit.add_argument("--name", help="name of the head (default: the first photo's file name)")
    fit.add_argument("--quality", choices=("draft", "standard", "high"), default="standard")
    fit.add_argument("--maps", type=int, choices=(1024, 2048, 4096), help="texels across (default by quality)")
    fit.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    fit.add_argument("--seed", type=_seed, default=0, help="same photos, options and seed: same head")
    fit.add_argument("--no-photos", action="store_true", help="leave the photos out of the head package")
    fit.add_argument("--no-blender", action="store_true", help="write the head package only")
    fit.add_argument(
        "--only", nargs="+", choices=BLENDER_FILES, default=list(BLENDER_FILES), help="which of Blender's files"
    )
    _add_capture(commands)
    for module in _workshop().values():
        module.add(commands)
    add_render(commands)
    return parser


def _add_capture(commands: argparse._SubParsersAction) -> None:
    capture = commands.add_parser("capture", help="expressions of a fitted head from photos, frames or a video")
    capture.add_argument("head", metavar="HEAD", help="the head package of the person (NAME.head)")
    capture.add_argument("sources", nargs="+", metavar="FOOTAGE", help="a video, a folder of frames, or photos")
    capture.add_argument("-o", "--output", required=True, metavar="OUT", help="folder for the take")
    capture.add_argument("--name", help="name of the take (default: the footage's)")
    capture.add_argument("--frame-rate", type=float, metavar="FPS", help="of a folder of frames (default 25)")
    capture.add_argument("--stride", type=int, default=1, metavar="N", help="look at every Nth frame")
    capture.add_argument("--smoothing", type=float, default=1.0, help="0 none, 1 usual, more is smoother")
    capture.add_argument(
        "--neutral", choices=("clip", "head", "photos"), default="clip",
        help="rest: the clip's calmest frames, nothing (as fitted), or what the head's photos show",
    )  # fmt: skip
    capture.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def _seed(word: str) -> int:
    seed = int(word)
    if seed < 0:  # numpy's generators take none
        raise argparse.ArgumentTypeError("must not be negative")
    return seed


def run_fit(arguments: argparse.Namespace) -> int:
    from .tasks.fit import STAGE_WEIGHTS, FitRequest, run

    request = FitRequest(
        photos=tuple(arguments.photos),
        output=arguments.output,
        name=arguments.name,
        quality=arguments.quality,
        map_size=arguments.maps,
        device=arguments.device,
        seed=arguments.seed,
        keep_photos=not arguments.no_photos,
    )
    with_blender = not arguments.no_blender and blender_available()
    written: list[Path] = []
    with BarProgress(STAGE_WEIGHTS | ({"blender": 60.0} if with_blender else {})) as progress:
        outcome = run(request, progress)
        if with_blender:
            written = make_blender_files(outcome.package, outcome.package.parent, progress, arguments.only)
    print(outcome.package)
    for path in written:
        print(path)
    if not with_blender and not arguments.no_blender:
        print("Blender's files were not made: the bpy module is not installed here.", file=sys.stderr)
    return 0


def run_capture(arguments: argparse.Namespace) -> int:
    from .tasks.capture import STAGE_WEIGHTS, CaptureRequest, run

    request = CaptureRequest(
        head=arguments.head,
        sources=tuple(arguments.sources),
        output=arguments.output,
        name=arguments.name,
        frame_rate=arguments.frame_rate,
        stride=arguments.stride,
        smoothing=arguments.smoothing,
        neutral=arguments.neutral,
        device=arguments.device,
    )
    with BarProgress(STAGE_WEIGHTS) as progress:
        outcome = run(request, progress)
    print(outcome.take)
    for first, last in outcome.gaps:
        print(f"No face from {first:.2f} s to {last:.2f} s: bridged.", file=sys.stderr)
    if outcome.missing:
        sentence = "could not be read, the take ends before them: export the video again."
        print(f"The video's last {outcome.missing} frames {sentence}", file=sys.stderr)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.ERROR, stream=sys.stderr)
    try:
        if arguments.command == "render":
            return run_render(arguments, BarProgress)
        runs = {"fit": run_fit, "capture": run_capture}
        runs |= {command: module.run for command, module in _workshop().items()}
        return runs[arguments.command](arguments)
    except KeyboardInterrupt:
        print("\nStopped; nothing half-written is left.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except MienError as error:
        if arguments.verbose:
            traceback.print_exc()
        print(f"mien: {error.sentence}", file=sys.stderr)
        return EXIT_BLENDER if error.code == "blender_failed" else exit_code(error)
    except Exception as error:  # the edge of the process: one sentence for the user, the rest on request
        if arguments.verbose:
            traceback.print_exc()
        print(
            f"mien: something went wrong inside Mien ({type(error).__name__}: {error}); run it again with "
            "'mien --verbose ...' and report what it prints.",
            file=sys.stderr,
        )
        return EXIT_BUG


if __name__ == "__main__":
    sys.exit(main())
