#!/usr/bin/env bash
# Inside the Debian root: packs and installs the extension as a user would, then runs the steps in a window.
set -euo pipefail
cd "$HOME"
export BLENDER_USER_RESOURCES="$HOME/blender"
export DISPLAY=:79 WIDTH=1600 HEIGHT=1000

"$VENV/bin/python" -c 'import torch, warp, cv2' ||
  { echo "The backend's Python does not run inside this Debian."; exit 4; }
mkdir -p "$BLENDER_USER_RESOURCES" dist
blender --command extension validate "$REPOSITORY"
blender --command extension build --source-dir "$REPOSITORY" --output-dir dist
blender --command extension install-file --repo user_default --enable dist/mien-*.zip

Xvfb "$DISPLAY" -screen 0 "${WIDTH}x${HEIGHT}x24" +extension GLX +render -noreset >"$OUT/xvfb.log" 2>&1 &
xvfb=$!
trap 'kill $xvfb' EXIT
for _ in $(seq 100); do xdotool getdisplaygeometry >/dev/null 2>&1 && break; sleep 0.1; done
blender --window-geometry 0 0 "$WIDTH" "$HEIGHT" --python-exit-code 3 --python "$REPOSITORY/tests/gui/window/main.py"

# Blender has quit, after the last part in the middle of a fit: nothing of the backend may outlive it.
backend() { grep -lz neural_backend.server /proc/[0-9]*/cmdline 2>/dev/null || true; }
for _ in $(seq 50); do [ -z "$(backend)" ] && break; sleep 0.1; done
if [ -n "$(backend)" ]; then echo "The backend outlived Blender by 5 s."; exit 5; fi
if [ -f "$OUT/quit_in_the_middle" ]; then
  unfinished=$(find "$(cat "$OUT/quit_in_the_middle")" -maxdepth 1 -name '.*.writing')
  rm "$OUT/quit_in_the_middle"
  if [ -n "$unfinished" ]; then echo "Half-written heads are left: $unfinished"; exit 6; fi
  echo '| Blender quits in the middle of a fit: no process, no half-written head | | ok |' >>"$OUT/table.md"
fi
