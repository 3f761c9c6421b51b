"""A Debian with Blender in a folder: the real program, with a window, on any Debian-like machine.

The wheels of bpy have no window and blender.org is not a package registry; Debian's own package is, from trixie on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

SUITE = "trixie"
PACKAGES = (
    "blender", "libgl1-mesa-dri", "libegl1", "libgl1", "xvfb", "xdotool", "imagemagick", "python3-numpy",
    "python3-requests",
)  # fmt: skip
NEEDED = ("usr/bin/blender", "usr/bin/Xvfb", "usr/bin/xdotool", "usr/bin/import")


class NotPossibleError(Exception):
    """One sentence: why this machine cannot run the test."""


def is_complete(root: Path) -> bool:
    # Links there are absolute (/etc/alternatives/...) and lead nowhere outside the root: only their presence counts.
    return all(os.path.lexists(root / name) for name in NEEDED)


def check_machine() -> None:
    """Raises NotPossibleError: no root, or no private mounts (most containers)."""
    if os.geteuid() != 0:
        raise NotPossibleError("The real-window test needs root (it mounts and changes root): run it as root.")
    if shutil.which("unshare") is None or shutil.which("chroot") is None:
        raise NotPossibleError("The real-window test needs unshare and chroot (packages util-linux and coreutils).")
    trial = ["unshare", "--mount", "--pid", "--net", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        raise NotPossibleError("The real-window test needs a mount namespace of its own, which this machine forbids.")


def mirror() -> str:
    """The Debian mirror that this machine is configured for.

    Raises:
        NotPossibleError: none is.
    """
    folder = Path("/etc/apt")
    lines: list[str] = []
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        if path.suffix in {".list", ".sources"} and path.is_file():
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        words = re.sub(r"\[[^]]*\]", "", line).split()
        if words and words[0] in {"URIs:", "deb"}:
            for address in words[1:]:
                if re.search(r"/debian/?$", address):
                    return address
    raise NotPossibleError("The real-window test needs a Debian mirror in /etc/apt, for Blender's package.")


def make(root: Path, log: Path) -> None:
    """Download Debian and Blender into `root`: about 340 MB, 1.6 GB on disk, two minutes.

    A folder that is there already is left alone, whatever it holds: it may be somebody's.

    Raises:
        NotPossibleError: the folder is taken, no debootstrap, no mirror, or the download failed.
    """
    if os.path.lexists(root):
        raise NotPossibleError(f"{root} is there but holds no Debian with Blender: name another folder by GUI_ROOT.")
    address = mirror()
    if shutil.which("debootstrap") is None:
        _run(["apt-get", "update", "-qq"], log, "debootstrap is missing and could not be installed")
        _run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"],
            log,
            "debootstrap is missing and could not be installed",
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    unfinished.chmod(0o755)
    try:
        _fill(unfinished, address, log)
        unfinished.rename(root)
    finally:
        if unfinished.exists():  # made above; what was mounted in it is gone with its namespace
            shutil.rmtree(unfinished)


def _fill(unfinished: Path, address: str, log: Path) -> None:
    _run(["debootstrap", "--variant=minbase", SUITE, str(unfinished), address], log, "debootstrap failed")
    (unfinished / "etc/apt/apt.conf.d/99gui").write_text(
        'APT::Install-Recommends "false";\nAcquire::Check-Valid-Until "false";\n', encoding="utf-8"
    )
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", unfinished / "etc" / name)
    for proxy in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy(proxy, unfinished / "etc/apt/apt.conf.d")
    install = f"apt-get update -qq && apt-get install -y -qq {' '.join(PACKAGES)} && apt-get clean"
    script = 'mount -t proc proc "$1/proc"; chroot "$1" env DEBIAN_FRONTEND=noninteractive sh -c "$2"'
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    _run([*namespace, "sh", "-c", script, "install", str(unfinished), install], log, "Blender could not be installed")
    if not is_complete(unfinished):
        raise NotPossibleError(f"Debian's packages came without one of {', '.join(NEEDED)}: see {log}.")


def _run(command: list[str], log: Path, problem: str) -> None:
    with open(log, "ab") as sink:
        done = subprocess.run(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise NotPossibleError(f"No Blender with a window for the real-window test: {problem}; see {log}.")
