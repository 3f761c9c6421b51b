"""Lanes: order, replacement by key, cancelling what waits and what runs; and the tokens beneath."""

from __future__ import annotations

import threading
import time

import pytest

from neural_backend.lanes import Lane, Ticket
from neural_backend.protocol.cancellation import CancelToken, checkpoint, interruptible, working_under
from neural_backend.protocol.errors import Cancelled


class Record:
    """Tickets that note what becomes of them; each works until released or cancelled."""

    def __init__(self):
        self.events, self.release = [], threading.Event()
        self.lane = Lane("test")

    def put(self, name, key=None):
        def work(token):
            self.events.append(("work", name))
            while not self.release.is_set() and not token.cancelled:
                time.sleep(0.002)
            outcome = "stopped" if token.cancelled else "done"
            return lambda: self.events.append((outcome, name))

        return self.lane.put(Ticket(name, work, lambda: self.events.append(("dropped", name)), key))

    def until(self, event):
        end = time.monotonic() + 5
        while event not in self.events:
            assert time.monotonic() < end, self.events
            time.sleep(0.002)


@pytest.fixture
def record():
    record = Record()
    yield record
    record.release.set()
    assert record.lane.close(5.0)


def test_jobs_come_in_order(record):
    assert record.put("a") == 0
    record.until(("work", "a"))
    assert [record.put("b"), record.put("c")] == [1, 2]
    record.release.set()
    record.until(("done", "c"))
    assert record.events == [(what, name) for name in "abc" for what in ("work", "done")]


def test_who_hears_the_outcome_finds_the_lane_free(record):
    heard = []

    def answer():
        heard.append(record.put("next"))

    record.lane.put(Ticket("told", lambda token: answer, lambda: None))
    record.until(("work", "next"))
    assert heard == [0]


def test_work_of_the_backends_own_is_nobody_to_wait_for(record):
    record.put("")
    record.until(("work", ""))
    assert record.put("a") == 0


def test_cancelling_what_waits_and_what_runs(record):
    record.put("a")
    record.until(("work", "a"))
    record.put("b")
    assert record.lane.cancel("b") and ("dropped", "b") in record.events
    assert record.lane.cancel("a")
    record.until(("stopped", "a"))
    assert not record.lane.cancel("a")


def test_the_newest_of_a_key_counts(record):
    record.put("other", "k2")
    record.until(("work", "other"))
    for name in ("old", "newer", "newest"):
        record.put(name, "k1")
    assert [event for event in record.events if event[0] == "dropped"] == [("dropped", "old"), ("dropped", "newer")]
    record.put("other again", "k2")  # and stops the one that runs
    record.until(("stopped", "other"))
    record.until(("work", "newest"))


def test_checkpoints_ask_the_token_of_their_own_thread():
    token = CancelToken()
    checkpoint()
    with working_under(token):
        checkpoint()
        token.cancel()
        with pytest.raises(Cancelled):
            checkpoint()
    checkpoint()


def test_interruptible_work_is_left_behind_and_ends_by_itself():
    token, entered, ended = CancelToken(), threading.Event(), threading.Event()

    def long():
        entered.set()
        try:
            while True:
                time.sleep(1.0)  # a native call, then:
                checkpoint()
        finally:
            ended.set()

    threading.Thread(target=lambda: (entered.wait(), token.cancel())).start()
    with working_under(token):
        started = time.perf_counter()
        with pytest.raises(Cancelled):
            interruptible(long)
        assert time.perf_counter() - started < 0.8
    assert ended.wait(10.0)


def test_interruptible_work_gives_its_result_and_its_errors():
    assert interruptible(max, 1, 2) == 2
    with working_under(CancelToken()):
        assert interruptible(max, 1, 2) == 2
        with pytest.raises(ZeroDivisionError):
            interruptible(divmod, 1, 0)

        def times_out():
            raise TimeoutError("its own")

        with pytest.raises(TimeoutError, match="its own"):
            interruptible(times_out)
