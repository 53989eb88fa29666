"""One thread answers; requests of one kind that wait are answered together, writes one by one, and no more may wait."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from scorerec.core.errors import DataError
from scorerec.serve.http.access import Doorkeeper, Key, new_key
from scorerec.serve.http.problems import ProblemError
from scorerec.serve.http.queue import ModelThread, QueueFullError


class Stub:
    """A service that is asked whether anything is new."""

    def __init__(self) -> None:
        self.refreshed, self.is_closed = 0, False

    def refresh(self) -> None:
        self.refreshed += 1

    def close(self) -> None:
        self.is_closed = True


class Held:
    """Answers that wait until they may; ``groups``: what was asked together."""

    def __init__(self) -> None:
        self.may, self.begun, self.groups = threading.Event(), threading.Event(), []

    def hold(self, _: Any, asked: Sequence[Any]) -> list[Any]:
        self.begun.set()
        assert self.may.wait(10)
        return list(asked)

    def score(self, _: Any, asked: Sequence[int]) -> list[int]:
        self.groups.append(list(asked))
        if 13 in asked:
            raise DataError("thirteen")
        return [2 * one for one in asked]

    def write(self, _: Any, asked: Sequence[int]) -> list[int]:
        self.groups.append(list(asked))
        return list(asked)


@pytest.fixture
def held() -> Held:
    return Held()


def started(held: Held, most: int = 100, together: int = 3) -> tuple[ModelThread, Future[Any]]:
    thread = ModelThread(Stub(), most, together)  # type: ignore[arg-type]
    thread.start()
    first = thread.ask(held.hold, 0)
    assert held.begun.wait(10)
    return thread, first


def test_those_that_wait_are_answered_together_in_their_order(held: Held) -> None:
    thread, first = started(held)
    score, write = held.score, held.write
    asked = [thread.ask(score, number) for number in (1, 2, 3, 4)]
    asked += [thread.ask(write, number, "single") for number in (5, 6)]
    asked += [thread.ask(score, number) for number in (7, 8)]
    held.may.set()
    assert [one.result(10) for one in (first, *asked)] == [0, 2, 4, 6, 8, 5, 6, 14, 16]
    assert held.groups == [[1, 2, 3], [4], [5], [6], [7, 8]]
    thread.stop()
    assert thread.service.is_closed  # type: ignore[attr-defined]


def test_who_is_at_fault_is_told_alone(held: Held) -> None:
    thread, _ = started(held)
    score = held.score
    asked = [thread.ask(score, number) for number in (1, 13, 2)]
    held.may.set()
    assert (asked[0].result(10), asked[2].result(10)) == (2, 4)
    with pytest.raises(DataError):
        asked[1].result(10)
    thread.stop()


def test_no_more_wait_than_may_and_what_was_given_up_is_not_answered(held: Held) -> None:
    thread, _ = started(held, most=2)
    score = held.score
    first, second = thread.ask(score, 1), thread.ask(score, 2)
    with pytest.raises(QueueFullError):
        thread.ask(score, 3)
    thread.ask(held.write, 9, "control")
    assert first.cancel()
    held.may.set()
    assert second.result(10) == 4
    thread.stop()
    assert held.groups[0] == [2]
    with pytest.raises(QueueFullError):
        thread.ask(score, 1)


def test_what_waits_is_answered_before_it_stops_and_a_swapped_service_is_closed(held: Held) -> None:
    thread, _ = started(held)
    old, new = thread.service, Stub()
    swapped = thread.swap(new)  # type: ignore[arg-type]
    last = thread.ask(held.score, 4)
    threading.Timer(0.1, held.may.set).start()
    thread.stop()
    assert (swapped.result(0), last.result(0)) == (None, 8)
    assert old.is_closed  # type: ignore[attr-defined]
    assert new.is_closed
    assert new.refreshed == 1


def test_rates_hold_when_many_ask_at_once() -> None:
    door, admitted = Doorkeeper([], 60), []

    def ask() -> None:
        for _ in range(50):
            try:
                door.admit(None, "read", "127.0.0.1")
            except ProblemError:
                continue
            admitted.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 60 <= len(admitted) <= 62


def test_who_guesses_keys_is_held_back() -> None:
    _, line = new_key("web", ["read"])
    door = Doorkeeper([Key("web", frozenset(["read"]), line.split(":")[2])], 5)
    statuses = []
    for number in range(8):
        with pytest.raises(ProblemError) as told:
            door.admit(f"sr_{number}", "read", "10.0.0.1")
        statuses.append(told.value.message.status)
    assert statuses == [401] * 5 + [429] * 3
