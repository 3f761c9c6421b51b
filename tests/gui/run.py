"""The real-window test: a real Blender under Xvfb, a real backend, a real mouse. See tests/gui/README.md.

    python tests/gui/run.py [--root DIR] [--out DIR] [--only-root] [--part NAME ...]

Exit codes: 0 passed, 1 something is wrong, 77 this machine cannot run it (one sentence says why).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import debian_root

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 2400
NOT_POSSIBLE = 77
#: What must not stand in Blender's console; the one error that is asked for is the killed backend's.
# Blender's count of memory blocks may end at -1, written without its sign: a miscount at exit, no leak.
COMPLAINTS = re.compile(
    r"Traceback \(most recent call last\)|Segmentation|SIGSEGV"
    r"|^Error: (?!The neural backend was ended|Not freed memory blocks: 42949672)",
    re.MULTILINE,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=REPOSITORY / ".gui" / "root", help="the Debian with Blender")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out" / "gui", help="screenshots, logs, table")
    parser.add_argument("--venv", type=Path, default=REPOSITORY / ".venv", help="the Python of the backend")
    parser.add_argument("--only-root", action="store_true", help="prepare the Debian and stop")
    parser.add_argument("--part", nargs="*", default=[], help="run only these parts of tests/gui/window/main.py")
    options = parser.parse_args()
    root, out = options.root.resolve(), options.out.resolve()
    try:
        debian_root.check_machine()
        out.mkdir(parents=True, exist_ok=True)
        if not debian_root.is_complete(root):
            print(f"Making a Debian with Blender in {root} (about 340 MB to download) ...", flush=True)
            debian_root.make(root, out / "root.log")
        if options.only_root:
            return 0
        mounts = python_mounts(options.venv)
        return run(root, out, options.venv, mounts, options.part)
    except debian_root.NotPossibleError as sentence:
        print(sentence)
        return NOT_POSSIBLE


def python_mounts(venv: Path) -> list[Path]:
    """What of this machine the venv's Python needs, to be seen at the same place inside the root."""
    python = venv / "bin" / "python"
    if not python.exists():
        raise debian_root.NotPossibleError(f"There is no backend's Python at {python}: run make setup first.")
    script = "import sys, sysconfig; print(sys.prefix); print(sys.base_prefix); print(sysconfig.get_path('stdlib'))"
    prefix, base, library = subprocess.check_output([python, "-c", script], text=True).split()
    if base not in {"/usr", "/usr/local"}:
        return [Path(prefix).resolve(), Path(base)]
    # A system's Python cannot be mounted as a whole over the other system's /usr: its own files only.
    executable = python.resolve()
    shared = [*Path(base).glob(f"lib/**/lib{executable.name}.so*")]
    return [Path(prefix).resolve(), executable, Path(library), *shared]


def run(root: Path, out: Path, venv: Path, mounts: list[Path], parts: list[str]) -> int:
    """One Blender from its start to its end; prints its table."""
    with tempfile.TemporaryDirectory(prefix="mien-gui-") as scratch:
        for name in ("tmp", "home"):
            (Path(scratch) / name).mkdir()
        code = run_blender(root, out, Path(scratch), venv, mounts, parts)
        for log in Path(scratch).glob("home/blender/**/logs/*.log"):
            shutil.copy(log, out)
    console = out / "console.log"
    text = console.read_text(encoding="utf-8", errors="replace")
    table = out / "table.md"
    print(table.read_text(encoding="utf-8") if table.exists() else "There is no table.")
    complaints = [text[match.start() :].splitlines()[0] for match in COMPLAINTS.finditer(text)]
    for line in complaints:
        print(f"FAILED: Blender's console says: {line}")
    print(f"Screenshots and logs: {out}")
    if code or complaints or not table.exists():
        print(f"The real-window test failed (Blender ended with {code}); the end of {console}:")
        print("\n".join(text.splitlines()[-25:]))
        return 1
    return 0


def run_blender(root: Path, out: Path, scratch: Path, venv: Path, mounts: list[Path], parts: list[str]) -> int:
    """Blender's exit code; its console goes to console.log."""
    forget_last_run(out)
    command = [
        "unshare", "--mount", "--pid", "--net", "--fork", "--kill-child",
        "bash", str(REPOSITORY / "tests/gui/enter.sh"), str(root), str(REPOSITORY), str(out), str(scratch),
        str(venv.absolute()), ",".join(parts), *map(str, mounts),
    ]  # fmt: skip
    with open(out / "console.log", "wb") as sink:
        try:
            return subprocess.run(command, stdout=sink, stderr=sink, timeout=SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            print(f"The real-window test took more than {SECONDS} s and was stopped.")
            return 1


def forget_last_run(out: Path) -> None:
    """Remove the last run's pictures and table, by its own list: the folder may hold other things."""
    places = out / "places.json"
    if places.exists():
        for name in json.loads(places.read_text(encoding="utf-8")):
            (out / Path(name).name).unlink(missing_ok=True)
    for path in (places, out / "table.md"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
