"""What belongs to the whole process is as it was, whatever threads do: warnings, matplotlib's parameters."""

import ast
import logging
import os
import pickle
import re
import sys
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path

import matplotlib
import pytest
from handwriting import encoded, photo

import inklens
from inklens import cluster
from inklens.displays.style import default_style
from inklens.photos import decode
from inklens.quiet import quiet


@pytest.fixture(autouse=True)
def switching_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def on_threads(work, number=4):
    """Run `work` on some threads at once; raise what one of them raised."""
    raised = []

    def run():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def test_filters_of_warnings_are_as_they_were():
    data = encoded(photo(size=(60, 50), box=36, pen=5), "PNG")
    decode(data)  # ours is put first once
    before = list(warnings.filters)
    on_threads(lambda: [decode(data) for _ in range(30)])
    assert warnings.filters == before


def test_filters_can_be_copied_by_those_who_hand_them_on():
    """scikit-learn sends them to the threads and processes of its own, by their patterns or pickled."""
    with quiet():
        (copied,) = pickle.loads(pickle.dumps(warnings.filters[:1]))
        assert re.compile(warnings.filters[0][3].pattern).match("any.module") is None
    assert copied[3].match("any.module") is None


def test_only_the_thread_that_asks_is_quiet():
    inside, done = threading.Event(), threading.Event()

    def silent():
        with quiet():
            inside.set()
            done.wait(20)
            warnings.warn("is left out")

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        thread = threading.Thread(target=silent)
        thread.start()
        inside.wait(20)
        warnings.warn("is said")
        done.set()
        thread.join()
        warnings.warn("is said again")
    assert [str(warning.message) for warning in said] == ["is said", "is said again"]


def test_filters_of_the_program_do_not_come_first_and_do_not_pile_up():
    length = len(warnings.filters)
    for _ in range(20):
        warnings.simplefilter("error")
        with quiet():
            warnings.warn("is left out")
        with pytest.raises(UserWarning, match="is said"):
            warnings.warn("is said")
    assert len(warnings.filters) <= length + 2


def test_only_what_is_named_is_left_out():
    with quiet(DeprecationWarning, message="old"), quiet(RuntimeWarning):
        warnings.warn("old ways", DeprecationWarning)
        for words, category in (("new ways", DeprecationWarning), ("old", UserWarning)):
            with pytest.raises(category):
                warnings.warn(words, category)


def test_matplotlib_keeps_the_parameters_of_the_program():
    """The first to come is the first to leave: put back in that order, the second's would be ours."""
    entered, leave = ([threading.Event(), threading.Event()] for _ in range(2))

    def draw(number):
        with default_style():
            entered[number].set()
            leave[number].wait(20)

    with matplotlib.rc_context({"font.size": 3.25}):
        before = dict(matplotlib.rcParams)
        threads = [threading.Thread(target=draw, args=(number,)) for number in range(2)]
        threads[0].start()
        entered[0].wait(20)
        threads[1].start()
        entered[1].wait(0.2)  # in vain: one draws at a time
        for number in range(2):
            leave[number].set()
            threads[number].join()
        assert dict(matplotlib.rcParams) == before


def test_levels_of_loggers_are_as_they_were_whoever_leaves_first(monkeypatch):
    logger = logging.getLogger("distributed")
    monkeypatch.setattr(logger, "level", logging.INFO)
    first, last = ExitStack(), ExitStack()
    for thread in (first, last):
        thread.enter_context(cluster._quiet())
    first.close()
    assert logger.level == logging.CRITICAL
    last.close()
    assert logger.level == logging.INFO


def test_variables_that_another_thread_sets_while_a_cluster_starts_stay(monkeypatch):
    for name in ("OURS", "WORKERS", "MINE"):
        monkeypatch.setenv(name, "before")
    with cluster._own_environment(["WORKERS", "NEW"]):
        monkeypatch.setenv("OURS", "set meanwhile")
        monkeypatch.delenv("MINE")
        monkeypatch.setenv("WORKERS", "1")
        monkeypatch.setenv("NEW", "1")
    found = {name: os.environ.get(name) for name in ("OURS", "WORKERS", "MINE", "NEW")}
    assert found == {"OURS": "set meanwhile", "WORKERS": "before", "MINE": None, "NEW": None}


WHOLE_PROCESS = {  # what changes it -> where that is the own process of a command, or done before anything else
    "catch_warnings": {"siblings/child.py"},
    "rc_context": {"displays/style.py"},
    "threadpool_limits": {"siblings/child.py"},
    "umask": set(),
    "chdir": set(),
    "setlocale": set(),
    "simplefilter": {"siblings/child.py", "cli/main.py"},
    "filterwarnings": set(),
}


@pytest.mark.slow
def test_nothing_else_changes_the_process():
    source = Path(inklens.__file__).parent
    found = {name: set() for name in WHOLE_PROCESS}
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", None))
            if isinstance(node, ast.Attribute | ast.Name) and name in found:
                found[name].add(str(path.relative_to(source)))
    assert found == WHOLE_PROCESS
