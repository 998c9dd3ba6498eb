import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from onevoice.engines.translation.onethread import OneThread


def test_every_call_runs_on_the_same_other_thread() -> None:
    one = OneThread()
    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(lambda _: one.call(threading.get_ident), range(40)))
    assert len(seen) == 1
    assert threading.get_ident() not in seen
    one.close()


def test_results_and_exceptions_come_back() -> None:
    one = OneThread()
    assert one.call(int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        one.call(int, "x")
    assert one.call(int, "8") == 8
    one.close()


def test_a_call_from_its_own_thread_does_not_wait_for_itself() -> None:
    one = OneThread()
    assert one.call(lambda: one.call(int, "7")) == 7
    one.close()


def test_close_ends_the_thread_and_may_come_twice_or_first() -> None:
    OneThread().close()
    one = OneThread()
    thread = one.call(threading.current_thread)
    one.close()
    one.close()
    assert not thread.is_alive()


def test_the_thread_ends_with_its_object() -> None:
    one = OneThread()
    thread = one.call(threading.current_thread)
    del one
    thread.join(timeout=5)
    assert not thread.is_alive()
