"""Threads of BLAS: one inside a fit, and what was set before comes back."""

import threading

import numpy as np
import pytest

from inklens.linear import blas
from inklens.linear.driver import FitInterrupted, solve
from inklens.linear.problem.penalties import penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows


class Pool:
    def __init__(self, n_threads):
        self.n_threads = n_threads

    def get_num_threads(self):
        return self.n_threads

    def set_num_threads(self, n_threads):
        self.n_threads = n_threads


@pytest.fixture
def pools(monkeypatch):
    """Two libraries, as NumPy and SciPy bring, with four threads and one."""
    found = [Pool(4), Pool(1)]
    monkeypatch.setattr(blas, "_libraries", lambda: found)
    return found


def problem():
    rng = np.random.default_rng(0)
    return Problem(Rows.of(rng.normal(size=(60, 4))), rng.integers(0, 3, 60), np.ones(60), 3, penalty_of(0.0))


def test_a_scope_lowers_and_restores(pools):
    with blas.scope(1):
        assert blas.threads() == [1, 1]
        with blas.scope(2):
            assert blas.threads() == [2, 1]  # never more than the user has set
        assert blas.threads() == [1, 1]
        with pytest.raises(RuntimeError), blas.scope(3):
            raise RuntimeError
        assert blas.threads() == [1, 1]
    assert blas.threads() == [4, 1]


def test_scopes_of_two_threads_restore_what_was_before_both(pools):
    """Whichever ends last."""
    inside, leave = threading.Event(), threading.Event()

    def other():
        with blas.scope(2):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with blas.scope(1):
        thread.start()
        assert inside.wait(10)
    leave.set()
    thread.join()
    assert blas.threads() == [4, 1]


def test_only_large_products_wake_threads(pools):
    with blas.scope(1):
        with blas.for_work(blas.LARGE_WORK / 2, 4):
            assert blas.threads() == [1, 1]
        with blas.for_work(blas.LARGE_WORK, 4):
            assert blas.threads() == [4, 1]
        with blas.for_work(blas.LARGE_WORK, 1):
            assert blas.threads() == [1, 1]


def test_a_fit_has_one_thread_and_gives_the_others_back(pools):
    """Also where it is interrupted."""
    seen = []
    solve(problem(), callback=lambda solution: seen.append(blas.threads()))
    assert seen
    assert all(found == [1, 1] for found in seen)
    assert blas.threads() == [4, 1]

    def interrupt(solution):
        raise KeyboardInterrupt

    with pytest.raises(FitInterrupted):
        solve(problem(), callback=interrupt)
    assert blas.threads() == [4, 1]


def test_the_libraries_of_this_process_are_found():
    """NumPy's at least, where its BLAS has threads to set."""
    assert all(number >= 1 for number in blas.threads())
