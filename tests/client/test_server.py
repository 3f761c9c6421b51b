"""The real backend process: results, cancels at every stage, a queue, deaths, full disks. Prints what it measures."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from client_helpers import PORTRAIT, ROOT, START_S, addon, environment, fit_job, is_alive, launch, messages, until

from neural_backend.protocol import framing

State = addon("jobs").State


def finished(client, job, seconds=120.0):
    until(lambda: job.is_over, seconds, client)
    return job.view


def reached(client, job, stage, done=0.0):
    def there():
        view = job.view
        assert not job.is_over, view
        return view.stage == stage and view.done >= done

    until(there, 120.0, client)


def memory_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_a_fit_with_its_pictures(real, tmp_path):
    job = real.submit(fit_job(tmp_path / "out", "Eileen"))
    pictures, totals = [], []
    while not job.wait(0.02):
        real.pump()
        view = job.view
        totals.append(view.total)
        if view.partial is not None and (not pictures or pictures[-1] is not view.partial):
            pictures.append(view.partial)
    view = job.view
    assert view.state is State.DONE, view.error
    assert Path(view.values["package"]) == tmp_path / "out" / "Eileen.head"
    assert os.listdir(tmp_path / "out") == ["Eileen.head"]
    assert totals == sorted(totals) and len(set(totals)) > 8
    assert [picture.stage for picture in pictures] == ["fit", "fit", "fit", "write"]
    for picture in pictures:
        assert len(picture.pixels) == 4 * picture.width * picture.height
        assert max(picture.width, picture.height) <= 512 and len(set(picture.pixels[:4000])) > 20
    assert real.welcome.device in ("cpu", "cuda") and real.welcome.torch


#: Somewhere inside each long stretch, not at its beginning.
PLACES = [("fit", 0.0), ("fit", 0.3), ("fit", 0.5), ("fit", 0.9), ("textures", 0.0), ("textures", 0.4),
          ("textures", 0.75), ("write", 0.0), ("write", 0.5)]  # fmt: skip


@pytest.mark.parametrize(("stage", "done"), PLACES)
def test_cancelling_leaves_nothing_and_takes_no_second(real, tmp_path, stage, done, record_property):
    output = tmp_path / "out"
    job = real.submit(fit_job(output))
    reached(real, job, stage, done)
    time.sleep(0.15)
    pid, started = real.pid, time.perf_counter()
    real.cancel(job)
    assert finished(real, job, 5.0).state is State.CANCELLED
    idle = time.perf_counter() - started
    print(f"cancel in {stage} at {done:.0%}: idle after {idle * 1000:.0f} ms")
    record_property("idle_ms", round(idle * 1000))
    assert idle < 1.0 and real.pid == pid  # obeyed, not killed
    assert not output.exists() or not list(output.iterdir())


def test_two_jobs_queue_and_the_waiting_one_can_be_cancelled(real, tmp_path):
    first, second = real.submit(fit_job(tmp_path / "a")), real.submit(fit_job(tmp_path / "b"))
    third = real.submit(fit_job(tmp_path / "c"))
    until(lambda: third.view.waiting == 2, START_S, real)
    assert second.view.waiting == 1 and second.view.state is State.WAITING
    real.cancel(second)
    assert finished(real, second, 10.0).state is State.CANCELLED
    real.cancel(first)
    reached(real, third, "fit", 0.3)
    assert first.view.state is State.CANCELLED
    real.cancel(third)
    finished(real, third)


def test_looking_at_photos_does_not_wait_for_a_fit(real, tmp_path):
    fit = real.submit(fit_job(tmp_path / "out"))
    reached(real, fit, "fit")
    inspect, job = messages().Inspect, addon("jobs").Job
    face = real.submit(job(lambda name: inspect(name, "a", str(PORTRAIT)), "look"))
    none = real.submit(job(lambda name: inspect(name, "b", str(ROOT / "docs/template/eyes.png")), "look"))
    view = finished(real, face)
    assert view.state is State.DONE and view.values["width"] == 512 and view.partial is not None
    assert finished(real, none).error.code in ("no_face", "several_faces")
    assert fit.view.state is State.RUNNING
    real.cancel(fit)
    finished(real, fit)


def test_errors_name_the_photo(real, tmp_path):
    photo = tmp_path / "me.png"
    shutil.copy(PORTRAIT, photo)
    busy = real.submit(fit_job(tmp_path / "busy"))
    job = real.submit(fit_job(tmp_path / "out", photo=photo))
    until(lambda: job.view.waiting == 1, START_S, real)
    photo.unlink()  # vanishes while its turn has not come
    real.cancel(busy)
    error = finished(real, job).error
    assert (error.code, error.photo) == ("missing", 0) and "me.png" in error.text
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(real, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    # root may write anywhere but into /proc
    output = folder / "out" if os.geteuid() else Path("/proc/mien")
    view = finished(real, real.submit(fit_job(output)))
    assert view.error.code == "cannot_write" and str(output) in view.error.text
    assert not list(folder.iterdir())


def test_a_full_disk(tmp_path):
    # No file may grow beyond 300 kB: the maps do. The shell's limit holds for its child.
    command = f"ulimit -f 300; exec {sys.executable} -m neural_backend.server"
    client = addon("client").Client(lambda: launch(tmp_path, "bash", "-c", command))
    view = finished(client, client.submit(fit_job(tmp_path / "out")))
    assert view.error is not None and view.error.code == "cannot_write", view
    assert not list((tmp_path / "out").iterdir())
    client.close(6.0)


def test_a_killed_backend_is_noticed_and_the_next_action_works(real, tmp_path):
    output = tmp_path / "out"
    clean = addon_paths_clean(output, "head")
    job = real.submit(fit_job(output, clean=clean))
    reached(real, job, "write", 0.5)
    until(lambda: list(output.glob(".head-*")), 30, real)
    os.kill(real.pid, signal.SIGKILL)
    started = time.perf_counter()
    view = finished(real, job, 5.0)
    print(f"kill -9 noticed after {(time.perf_counter() - started) * 1000:.0f} ms")
    assert view.error.code == "backend_died" and "signal 9" in view.error.text
    assert time.perf_counter() - started < 1.0
    assert not list(output.iterdir())
    again = real.submit(fit_job(output))
    reached(real, again, "fit")
    real.cancel(again)
    assert finished(real, again).state is State.CANCELLED


def addon_paths_clean(folder, name):
    """As paths.remove_unfinished, which lives beside bpy."""
    return lambda: [shutil.rmtree(path) for path in folder.glob(f".{name}-*.writing")]


def start_by_hand(folder):
    """The process itself, without a client."""
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "neural_backend.server"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment(), cwd=folder, bufsize=0,
        )  # fmt: skip


def replies(process, wanted):
    """Messages up to the first of the wanted kind."""
    while (frame := framing.read(process.stdout)) is not None:
        message = messages().decode(frame, messages().REPLIES)
        if message.kind == wanted:
            return message
    raise AssertionError("the stream ended")


def send(process, message):
    process.stdin.write(framing.pack(messages().encode(message)))


def test_it_ends_with_its_stdin_even_in_the_middle_of_a_fit(tmp_path):
    process = start_by_hand(tmp_path)
    send(process, messages().Hello())
    send(process, messages().Fit("1", (str(PORTRAIT),), str(tmp_path / "out"), "head", "draft", 1024))
    while replies(process, "progress").stage != "write":
        pass
    process.stdin.close()
    assert process.wait(6.0) == 0
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_it_ends_when_it_is_sent_garbage(tmp_path):
    process = start_by_hand(tmp_path)
    process.stdin.write(b"GET / HTTP/1.1\r\n\r\n" * 4)
    assert process.wait(30.0) == 2
    assert "not those of a frame" in (tmp_path / "log").read_text()


def test_it_does_not_outlive_a_killed_parent(tmp_path):
    script = f"""
import subprocess, sys, time
backend = subprocess.Popen([sys.executable, "-m", "neural_backend.server"], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd={str(tmp_path)!r})
print(backend.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment()
    ) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(1.0)
        assert is_alive(pid)
        parent.kill()
        until(lambda: not is_alive(pid), 10.0)


def test_prints_do_not_break_the_stream(tmp_path):
    script = tmp_path / "noisy.py"
    script.write_text(
        "import os, runpy, threading, time\n"
        "def shout():\n"
        "    while True:\n"
        "        os.write(1, b'printed by a library\\n'); print('and by Python', flush=True); time.sleep(0.01)\n"
        "from neural_backend import server\n"
        "claim = server.claim_pipes\n"
        "def claim_and_shout():\n"
        "    pipes = claim(); threading.Thread(target=shout, daemon=True).start(); return pipes\n"
        "server.claim_pipes = claim_and_shout\n"
        "server.main()\n"
    )
    client = addon("client").Client(lambda: launch(tmp_path, sys.executable, str(script)))
    client.submit(fit_job(tmp_path / "out"))
    until(lambda: client.welcome is not None, START_S, client)
    assert "printed by a library" in (tmp_path / "backend.log").read_text()
    client.close(6.0)


def test_memory_stays_flat(real, tmp_path):
    used = []
    for index in range(6):
        job = real.submit(fit_job(tmp_path / f"out{index}"))
        assert finished(real, job).state is State.DONE
        used.append(memory_mb(real.pid))
    print("backend memory after each fit, MB:", [round(value) for value in used])
    # The first fits fill caches and the allocator's pools; measure_backend.py looks at twenty.
    assert used[-1] - used[2] < 0.15 * used[2]
