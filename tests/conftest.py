"""What all tests share."""

import collections
import gc
import os
import signal
from multiprocessing import forkserver
from pathlib import Path

import command
import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings

settings.register_profile("inklens", deadline=None, max_examples=60)  # a busy machine is no failure
settings.register_profile("quick", settings.get_profile("inklens"), max_examples=30)  # each run draws others
settings.load_profile("inklens")


@pytest.fixture
def ctrl_c():
    """Answer SIGINT as a program in the foreground does, where a background job has inherited that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


FORKED = [*command.HEAVY, *(f"inklens.{part}.preload" for part in ("studio", "classroom", "siblings")), "distributed"]
MANY = 20  # files of tests, of which more than one needs that server
if command.CAN_FORK:
    os.environ["DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD"] = "forkserver"  # workers are there at once


@pytest.fixture(scope="session", autouse=True)
def one_server_for_all(request):
    """Let the one server that forks children load what all parts need, whichever part's tests come first.

    Elsewhere a program is one part; here a race after a studio would load scikit-learn again in every child.
    """
    if len({item.path for item in request.session.items}) < MANY:
        yield
        return

    def load(modules):
        plain([*FORKED, *(name for name in modules if name not in FORKED)])

    plain, forkserver.set_forkserver_preload = forkserver.set_forkserver_preload, load
    yield
    forkserver.set_forkserver_preload = plain


@pytest.fixture(scope="module")
def lasting_studio(tmp_path_factory):
    """A studio in a thread, for all tests of a file."""
    import studio as studios

    with studios.thread(tmp_path_factory.mktemp("studio")) as running:
        yield running


@pytest.fixture
def studio(lasting_studio):
    """A studio in which no fit runs; what a test leaves behind is cancelled, so that no other waits for it."""
    yield lasting_studio
    for job in lasting_studio.client.get("/api/jobs").json().get("jobs", []):
        if job["state"] in ("waiting", "running") and job["kind"] == "fit":
            lasting_studio.client.delete(f"/api/jobs/{job['id']}")


@pytest.fixture(scope="module")
def fitted(lasting_studio):
    """The name of a small model on pixels in the studio."""
    ended = lasting_studio.ended(lasting_studio.job(kind="fit", name="small", train=400, test=300, C=0.1, tol=1e-3))
    assert ended["state"] == "done", ended
    return ended["model"]


SLOW = Path(__file__).with_name("slow.txt")  # what has no line of its own that a mark could stand on, by its name


NEW_BEFORE_SEARCH = 50_000  # objects; at Python's 700, figures and numbers of 80 digits take a sixth longer


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Leave what is made while tests are collected, which lasts, out of every search for garbage; search seldom."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(NEW_BEFORE_SEARCH)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Take what lies beside this file as tests only: it has no doctests, and looking for them takes seconds."""
    found = yield
    return [each for each in found if not isinstance(each, DoctestModule)]


def pytest_collection_modifyitems(config, items):
    listed = set(SLOW.read_text(encoding="utf-8").splitlines())
    for item in items:
        if item.nodeid in listed:
            item.add_marker(pytest.mark.slow)
    if not any("::" in asked for asked in config.args):
        tests = {item.nodeid.partition("[")[0] for item in items}
        files = {test.partition("::")[0] for test in tests}
        lost = {name for name in listed if name.partition("[")[0] not in tests and name.partition("::")[0] in files}
        if lost:
            raise pytest.UsageError(f"listed in {SLOW}, and not there: {', '.join(sorted(lost))}")


def pytest_addoption(parser):
    parser.addoption("--most-seconds", type=float, help="fail where a test without the mark `slow` takes longer")


def pytest_configure(config):
    if config.getoption("markexpr") == "not slow":
        settings.load_profile("quick")  # where a test does not say itself how many examples it needs
    limit = config.getoption("--most-seconds", None)
    if limit is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Unmarked(limit), "unmarked")


class Unmarked:
    """Names the tests that should be marked `slow`; only a quiet machine can tell."""

    def __init__(self, limit):
        self.limit, self.seconds = limit, collections.Counter()

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and "slow" not in report.keywords:  # others share what is set up
            self.seconds[report.nodeid] += report.duration

    def found(self):
        return [(name, seconds) for name, seconds in self.seconds.most_common() if seconds > self.limit]

    def pytest_sessionfinish(self, session):
        if self.found() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.found():
            terminalreporter.section(f"not marked slow, yet over {self.limit:g} s")
        for name, seconds in self.found():
            terminalreporter.line(f"{seconds:6.1f} s  {name}")
