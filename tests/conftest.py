"""What all tests share."""

import collections
import gc
import os
import signal
from multiprocessing import forkserver

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


SLOW = {  # what has no line of its own that a mark could stand on: pages, and single arguments
    "docs/howto/from-others.rst": {
        "from-others.rst": [""],
    },
    "docs/howto/scale.rst": {
        "scale.rst": [""],
    },
    "docs/siblings.rst": {
        "siblings.rst": [""],
    },
    "src/inklens/siblings/run.py": {
        "inklens.siblings.run.run_siblings": [""],
    },
    "tests/test_checkpoints.py": {
        "test_a_fit_that_was_killed_goes_on": ["L1"],
    },
    "tests/test_class_check.py": {
        "test_a_child_that_dies_hangs_lies_or_looks_around_gives_a_reason": ["idle-takes more than"],
        "test_a_swapped_picture_is_found": ["frames/2.png", "photo-2.jpg", "steps/2-3.png"],
        "test_whatever_is_forged_is_found": ["scores: ink", "scores: intercepts", "settings", "steps: note"],
    },
    "tests/test_cli_contract.py": {
        "test_a_signal_ends_with_its_code_and_leaves_nothing_half_written": ["1-129", "15-143"],
        "test_a_closed_output_is_one_clear_error": ["data list"],
        "test_bash_completes": [
            "inklens data fe-offered4",
            "inklens dem-offered0",
            "inklens fit --feat-offered1",
            "inklens fit --features st-offered2",
        ],
        "test_every_parameter_of_the_recipe_is_an_option": ["options1", "options2", "options3"],
    },
    "tests/test_datasets_openml.py": {
        "test_passing_faults_are_overcome": ["restarts-reset+cut_off+stall_half_way", "restarts-stall"],
    },
    "tests/test_displays_settings.py": {
        "test_settings_of_the_reader_change_no_byte": ["path"],
    },
    "tests/test_face_access.py": {
        "test_axe_finds_nothing": ["fool", "judge", "learn", "penalty", "see"],
        "test_nothing_jumps_while_a_view_comes_and_a_digit_is_drawn": ["fool", "judge", "learn", "penalty", "see"],
        "test_the_tab_key_comes_by_everything_in_the_order_of_the_page": ["judge", "penalty", "see"],
        "test_everything_is_explained_in_both_languages": ["fool", "judge", "penalty"],
    },
    "tests/test_face_pad.py": {
        "test_ten_digits_drawn_by_pointer_are_read_right_and_as_python_reads_them": ["2", "3", "5", "6", "7", "8", "9"],
    },
    "tests/test_face_penalty.py": {
        "test_a_point_answers_as_python_and_its_zeros_are_black": ["7"],
        "test_the_state_is_in_the_address": ["asked1-wanted1", "asked2-wanted2"],
    },
    "tests/test_failing_io.py": {
        "test_every_failing_call_is_one_error_and_leaves_whole_files": [
            "collect",
            "download",
            "export",
            "figure",
            "table",
        ],
    },
    "tests/test_fit_on_workers.py": {
        "test_the_model_is_the_one_that_is_fitted_here": ["elastic net, standardised", "separated strokes"],
    },
    "tests/test_laws_exact.py": {
        "test_rows_that_are_nearly_sure_cost_the_proof_nothing": ["elastic net", "group", "group with ridge", "l1"],
        "test_no_bound_passes_the_true_optimum_by_even_one_digit": [
            "bytes-elastic net",
            "bytes-group",
            "bytes-group with ridge",
            "bytes-l1",
            "float32-elastic net",
            "float32-group",
            "float32-group with ridge",
            "float32-l1",
            "float32-l2",
        ],
        "test_without_a_penalty_an_existing_optimum_is_never_passed": ["bytes", "float32"],
    },
    "tests/test_linear_interior.py": {
        "test_two_methods_prove_each_other": ["group", "group and ridge", "nearly ridge"],
    },
    "tests/test_linear_saturation.py": {
        "test_wide_pictures_under_weak_penalties_are_certified": ["group"],
        "test_certified_zeros_are_zero_at_an_independent_optimum": ["net"],
    },
    "tests/test_mutated_files.py": {
        "test_a_number_is_always_the_same_file": ["folders", "homework"],
    },
    "tests/test_path_selection.py": {
        "test_a_promise_that_is_not_kept_is_said": ["1.0"],
    },
    "tests/test_photos_cells.py": {
        "test_stripes_however_turned_are_no_digit": ["40-110", "40-160", "40-20", "40-70"],
    },
    "tests/test_photos_gate.py": {
        "test_print_gets_one_answer_and_no_digits": ["print"],
    },
    "tests/test_photos_hostile.py": {
        "test_any_kind_of_pixel_is_the_same_digit": [
            "1 bit",
            "12 bits",
            "16 bits",
            "32 bits",
            "CMYK TIFF",
            "YCbCr TIFF",
            "float, any range",
            "gray and alpha",
            "palette and alpha",
            "transparent ink, WebP",
        ],
    },
    "tests/test_pictures_at_addresses.py": {
        "test_rows_are_those_of_the_same_files_here": ["file", "local", "memory"],
    },
    "tests/test_printed_commands.py": {
        "test_commands_of_a_document_run_in_order": [
            "README.md",
            "certainty.rst",
            "doubts.rst",
            "evidence.rst",
            "flips.rst",
            "homework.rst",
            "ninety-minutes.rst",
            "own-data.rst",
            "page.rst",
            "photos.rst",
            "scale.rst0",
        ],
        "test_examples_of_help_run_in_order": [
            "compare",
            "evaluate",
            "explain",
            "export",
            "fit",
            "flip",
            "homework",
            "path",
            "stability",
        ],
    },
    "tests/test_quiz.py": {
        "test_whatever_comes_in_ends_the_quiz_with_its_score": ["given1", "given2"],
    },
    "tests/test_read_into_table.py": {
        "test_a_run_that_was_killed_is_continued_as_if_it_had_not_been": ["kept1"],
    },
    "tests/test_remote_judging.py": {
        "test_stability_is_that_of_one_machine": ["files-bootstrap"],
        "test_deviations_are_those_of_one_machine": ["array-4"],
        "test_doubtful_labels_are_those_of_one_machine": ["files", "parts"],
    },
    "tests/test_remote_rows.py": {
        "test_a_worker_lost_at_any_round_changes_no_bit": ["l2"],
        "test_bits_do_not_depend_on_the_cluster": ["4"],
        "test_fits_are_those_of_one_machine": ["elastic net", "group", "l1", "none"],
        "test_a_worker_that_leaves_while_rows_are_read_is_lost_once": ["_place", "_submitted"],
    },
    "tests/test_row_files.py": {
        "test_a_fit_reads_addresses_of_several_kinds": ["file://", "http:// without ranges", "local://", "memory://"],
    },
    "tests/test_sparse_newton.py": {
        "test_certified_zeros_are_zero_at_the_optimum": ["elastic net", "group and ridge", "nearly ridge"],
    },
    "tests/test_starts.py": {
        "test_every_start_leads_to_the_proven_optimum": ["elastic net", "not of every column", "offset", "positive"],
    },
    "tests/test_web_core.py": {
        "test_searched_changes_are_read_by_python_as_asked": ["strokes"],
        "test_the_recipe_has_the_parameters_of_python": ["options2", "options3", "options4"],
    },
    "tests/test_web_page.py": {
        "TestInChromium::test_axe_finds_nothing": ["hostile"],
    },
}


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
    found = {item.nodeid: item for item in items}
    listed = {
        f"{file}::{test}{argument and f'[{argument}]'}"
        for file, tests in SLOW.items()
        for test, arguments in tests.items()
        for argument in arguments
    }
    for name in listed & found.keys():
        found[name].add_marker(pytest.mark.slow)
    whole = {item.nodeid.partition("::")[0] for item in items} if not any("::" in arg for arg in config.args) else ()
    if stale := [name for name in listed - found.keys() if name.partition("::")[0] in whole]:
        raise pytest.UsageError(f"listed as slow in tests/conftest.py, and not there: {sorted(stale)}")


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
