"""The client against backends that misbehave: no wait, a sentence, and the next action works."""

from __future__ import annotations

import time

import pytest
from client_helpers import START_S, addon, fit_job, is_alive, launch, until

State = addon("jobs").State


def finished(client, job, seconds=START_S):
    until(lambda: job.is_over, seconds, client)
    return job.view


def test_a_result(scripted, tmp_path):
    client = scripted("good")
    view = finished(client, client.submit(fit_job(tmp_path)))
    assert view.state is State.DONE and view.values == {"package": f"{tmp_path}/head.head"}
    assert client.welcome.release == "test" and client.pump()
    assert not client.jobs


@pytest.mark.parametrize(
    ("behaviour", "code", "sentence"),
    [
        ("dies at once", "backend_died", "ended with code 7"),
        ("refuses", "backend_incomplete", "lacks torch"),
        ("garbage", "backend_garbled", "unreadable"),
        ("unknown kind", "backend_garbled", "surprise"),
        ("half a frame", "backend_died", "ended with code 0"),
    ],
)
def test_a_backend_that_misbehaves(scripted, tmp_path, behaviour, code, sentence):
    client = scripted(behaviour)
    view = finished(client, client.submit(fit_job(tmp_path)))
    assert view.state is State.FAILED and view.error.code == code and sentence in view.error.text
    assert not client.is_running and client.last_ending.code == code


def test_a_stall_is_noticed(scripted, tmp_path):
    client = scripted("stalls", silence=0.5)
    job = client.submit(fit_job(tmp_path))
    until(lambda: client.pid and client.welcome, START_S, client)
    pid = client.pid
    assert finished(client, job).error.code == "backend_stalled"
    until(lambda: not is_alive(pid), 10)


def test_no_python_is_an_error_of_the_job(tmp_path):
    client = addon("client").Client(lambda: launch(tmp_path, str(tmp_path / "nothing"), "-m", "x"))
    view = finished(client, client.submit(fit_job(tmp_path)))
    assert view.error.code == "backend_missing"


def test_a_crash_loses_the_job_that_ran_and_not_the_one_that_waited(scripted, tmp_path):
    client = scripted("crashes in the first job", str(tmp_path / "marker"))
    output = tmp_path / "out"
    paths = []
    first = client.submit(fit_job(output, "first", clean=lambda: [p.rmdir() for p in paths_of(output, paths)]))
    second = client.submit(fit_job(output, "second"))
    view = finished(client, first)
    assert view.state is State.FAILED and view.error.code == "backend_died" and "signal 6" in view.error.text
    assert paths and not list(output.iterdir())  # half-written things are gone when the job says that it is over
    assert finished(client, second).state is State.DONE


def paths_of(folder, seen):
    seen += list(folder.glob(".first-*.writing"))
    return seen


def test_a_deaf_backend_is_killed_and_the_others_go_on(scripted, tmp_path):
    client = scripted("deaf", str(tmp_path / "marker"), cancel=0.5)
    first, second = client.submit(fit_job(tmp_path, "first")), client.submit(fit_job(tmp_path, "second"))
    until(lambda: first.view.state is State.RUNNING, START_S, client)
    pid = client.pid
    client.cancel(first)
    assert first.view.state is State.CANCELLING
    started = time.monotonic()
    assert finished(client, first).state is State.CANCELLED
    assert 0.4 < time.monotonic() - started < 2.0 and not is_alive(pid)
    assert finished(client, second).state is State.DONE


def test_closing_ends_the_process_and_the_jobs(scripted, tmp_path):
    client = scripted("stalls")
    job = client.submit(fit_job(tmp_path))
    until(lambda: client.welcome, START_S, client)
    pid = client.pid
    client.close(0.3)  # this one sleeps and does not read its stdin: killed
    assert job.view.state is State.CANCELLED and not client.is_running
    until(lambda: not is_alive(pid), 10)


def test_nothing_blocks_the_caller(scripted, tmp_path):
    shortest = float("inf")  # of three: the other core's test may take this one's turn
    for _ in range(3):
        client = scripted("stalls")
        started = time.perf_counter()
        job = client.submit(fit_job(tmp_path))
        client.pump()
        client.cancel(job)
        client.pump()
        client.close()
        shortest = min(shortest, time.perf_counter() - started)
    assert shortest < 0.25  # five calls on a busy machine, one of which starts a process
