#!/usr/bin/env bash
# Runs in namespaces of its own (mounts, processes, no network) and enters the Debian root; the mounts end with it.
# usage: enter.sh ROOT REPOSITORY OUT SCRATCH VENV PARTS MOUNT...
set -euo pipefail
root=$1 repository=$2 out=$3 scratch=$4 venv=$5 parts=$6
shift 6

show() { # show PATH [ro]: the same place inside the root
  if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$(dirname "$root$1")"; touch "$root$1"; fi
  mount --bind "$1" "$root$1"
  if [ "${2:-}" = ro ]; then mount -o remount,bind,ro "$root$1"; fi
}

mount --make-rprivate /
mount --bind "$root" "$root" # its own mount, so that the folders made below do not end up in a shared root's way
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
mount --bind "$scratch/tmp" "$root/tmp"
mount --bind "$scratch/home" "$root/root"
show "$repository" ro
for path in "$@"; do show "$path" ro; done
show "$out"
exec chroot "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 LIBGL_ALWAYS_SOFTWARE=1 \
  REPOSITORY="$repository" OUT="$out" VENV="$venv" PARTS="$parts" \
  bash "$repository/tests/gui/inside.sh"
