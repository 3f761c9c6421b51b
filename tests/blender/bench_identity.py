"""How long an identity slider takes: setting it to the evaluated mesh, per level of detail; and what Apply takes.

    python tests/blender/bench_identity.py HEAD.head [--repeats 40]

Prints a table: median and 95th percentile, in milliseconds. Blender's main thread does all of it but the finishing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import bpy
import numpy as np
from mounted import load


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - start)


def report(what: str, milliseconds: list[float]) -> None:
    print(f"| {what} | {np.median(milliseconds):.1f} | {np.percentile(milliseconds, 95):.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", type=Path)
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    properties, registration = load("head_properties"), load("registration")
    registration.register_classes(properties.CLASSES)
    properties.add_properties()
    build, live, finish = load("head.build"), load("identity.live"), load("identity.finish")
    slices_module = load("slices")
    head = build.build_head(bpy.context, options.head, build.BuildOptions(cameras=False))
    state, layer = head.head.mien_identity, bpy.context.view_layer
    (lods,) = [c for c in layer.layer_collection.children[0].children if c.name.endswith("LODs")]
    lods.collection.hide_viewport = False
    print(f"Blender {bpy.app.version_string}\n| step | median ms | p95 ms |\n| --- | --- | --- |")
    report("first use: reads the model", [timed(lambda: setattr(state, "control_jaw_width", 0.1))])
    values = np.random.default_rng(0).uniform(-2, 2, options.repeats)

    def slide(value: float) -> None:
        state.control_jaw_width = float(value)
        layer.update()

    for what, shown in (("level 1 (28,806 vertices)", head.head), ("level 0 (7,489 vertices)", head.lods[0])):
        for mesh in (head.head, *head.lods):
            mesh.hide_viewport = mesh != shown
        layer.update()

        def one_level(value: float, mesh=shown) -> None:
            with live.suspended():
                state.control_jaw_width = float(value)
            live.show_on(mesh, live.pending(head.head), None)
            layer.update()

        report(f"slider to evaluated mesh, {what}", [timed(lambda v=v: one_level(v)) for v in values])
    for mesh in (head.head, *head.lods):
        mesh.hide_viewport = mesh != head.head
    layer.update()
    report("the slider itself: level 1 shown, level 0 kept along", [timed(lambda v=v: slide(v)) for v in values])

    running = [None]

    def sliced(steps) -> object:
        slices = slices_module.Slices(steps)
        times = []
        while not slices.is_done:
            times.append(timed(lambda: slices.advance(0.008)))
        print(f"| ... in {len(times)} slices, the longest | {max(times):.1f} | |")
        return slices.result

    request = sliced(finish.gather(head))
    report("Apply, to start it", [timed(lambda: running.__setitem__(0, finish.start(request)))])
    report("Apply, the process beside", [timed(running[0].wait)])
    result = running[0].take()
    sliced(finish.put(bpy.context, head, request, result))
    report("Blender's evaluation of the new head", [timed(layer.update)])
    running[0].close()


if __name__ == "__main__":
    main()
