"""`inklens fit --dask`: the training rows are on workers, and the model is the one that is fitted here.

Rows of the robustness table: X2, X10.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest

from inklens import load_dataset
from inklens.cli.main import main
from inklens.errors import ClusterError
from inklens.linear.rows.remote import shards
from inklens.reader import DigitReader
from inklens.tasks.halves import Halves
from inklens.tasks.model_rows import split_rows
from inklens.tasks.models import fit
from inklens.tasks.verification import verify

pytest.importorskip("distributed")

from inklens import cluster

SMALL = {"train": 300, "test": 100, "C": 0.1, "tol": 1e-6}


@pytest.fixture(scope="module")
def client():
    """A cluster of this process alone."""
    own = cluster.InProcess(2)
    yield own.client
    own.close()


def far(client, **settings):
    return fit(cluster=lambda: nullcontext(client), **{**SMALL, **settings})


def agree(one, other):
    """Tell that both have proven that they are near one optimum: no bound is above the other's objective."""
    assert one.status == other.status == "certified"
    assert one.lower_bound <= other.objective * (1 + 1e-12)
    assert other.lower_bound <= one.objective * (1 + 1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"l1_ratio": 1.0, "group": True, "scale": "min-max", "tol": 1e-3, "C": 0.01},
        {"l1_ratio": 0.5, "standardize": True, "add": "allographs", "C": 0.01, "tol": 1e-3},
        {"C": float("inf"), "train": 60, "features": "strokes", "tol": 0.1},
        pytest.param({"l1_ratio": 1.0, "max_pixels": 15, "C": 1.0, "tol": 1e-2}, marks=pytest.mark.slow),
    ],
    ids=["L2", "L1 by groups, stretched", "elastic net, standardised", "separated strokes", "few pixels"],
)
def test_the_model_is_the_one_that_is_fitted_here(settings, client, tmp_path):
    there, here = far(client, out=tmp_path / "m.inklens", **settings), fit(**{**SMALL, **settings})
    if here.status == "separated":
        assert there.status == "separated"
    else:
        agree(there, here)
        assert there.accuracy["train"] == pytest.approx(here.accuracy["train"], abs=0.01)
        assert there.accuracy["test"] == pytest.approx(here.accuracy["test"], abs=0.03)
    assert verify(DigitReader.load(there.model)).holds
    fields = [result.reader.provenance["fit"].keys() for result in (there, here)]
    assert fields[0] == fields[1]
    assert there.reader.provenance["data"] == here.reader.provenance["data"]
    assert there.workers.workers == 2
    assert there.workers.rounds > 3
    assert here.workers is None
    assert [path.name for path in tmp_path.iterdir()] == ["m.inklens"]


def test_rows_travel_as_bytes_and_all_of_them(client):
    digits = load_dataset("embedded")
    rows = split_rows(digits, train=301, test=50)
    halves = Halves.of(rows, features="pixels", image_shape=(28, 28), scale="255", client=client)
    few = halves.X_train.take(np.arange(5))
    assert few.blocks[0].exact.values.dtype == np.uint8
    np.testing.assert_array_equal(halves.X_train.dense(), (rows.X_train * np.float32(1 / 255)))
    halves.close()


@pytest.mark.slow
def test_accuracy_counts_the_rows_that_are_right(client):
    result = far(client)
    rows = split_rows(load_dataset("embedded"), train=300, test=100)
    for half, (X, y) in {"train": (rows.X_train, rows.y_train), "test": (rows.X_test, rows.y_test)}.items():
        assert result.accuracy[half] == (result.reader.predict(X.reshape(-1, 28, 28) / 255) == y).mean()


@pytest.mark.slow
def test_it_tells_how_it_gets_on(client):
    told = []
    far(client, progress=lambda done, total, what: told.append(what))
    assert all(word in told[-1] for word in ("passes", "rows/s", "objective", "bound", "MB"))


@pytest.mark.slow
def test_workers_may_leave_and_come():
    own, once = cluster.InProcess(2), iter([1])

    def scale(solution):
        own.cluster.scale(next(once, 3))

    agree(far(own.client, callback=scale), fit(**SMALL))
    own.close()


@pytest.mark.slow
def test_a_fit_goes_on_here_once_the_scheduler_has_gone(monkeypatch, tmp_path):
    """The checkpoint says nothing of where the rows were."""
    monkeypatch.setattr(shards, "SCHEDULER_SECONDS", 1.0)
    own, out, at = cluster.InProcess(2), tmp_path / "m.inklens", []

    def gone(solution):
        at.append(solution.objective)
        if solution.n_iter == 3:
            own.cluster.sync(own.cluster.scheduler.close)

    with pytest.raises(ClusterError, match=r"m\.inklens\.checkpoint': the same command with --resume goes on"):
        far(own.client, out=out, callback=gone)
    assert [path.name for path in tmp_path.iterdir()] == ["m.inklens.checkpoint"]
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        own.close()
    resumed = fit(out=out, resume=True, callback=lambda solution: at.append(solution.objective), **SMALL)
    assert resumed.passes_before > 0.0
    assert at[3] <= at[2] * (1 + 1e-6)
    agree(resumed, fit(**SMALL))


# ---- the command


@pytest.fixture
def command(client, monkeypatch, capsys):
    monkeypatch.setattr("inklens.cluster.opened", lambda *_, **__: nullcontext(client))

    def typed(*words, code=0):
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, words)))
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return out, err

    return typed


OPTIONS = ("--train", "300", "--test", "100", "--C", "0.1")


@pytest.mark.slow
def test_the_command_fits_on_workers_and_says_so(command, tmp_path):
    document = json.loads(command("fit", *OPTIONS, "--dask", "local:2", "-o", tmp_path / "m.inklens", "--json")[0])
    assert document["status"] == "certified"
    assert document["cluster"]["workers"] == 2
    assert document["cluster"]["rounds"] > 0
    assert document["cluster"]["rows_per_second"] * document["seconds"] > 300 * document["passes"]
    out, _ = command("fit", *OPTIONS, "--dask", "local:2", "-o", tmp_path / "m.inklens")
    assert "rounds" in out
    command("verify", tmp_path / "m.inklens")


@pytest.mark.slow  # its cluster starts, and ends while a worker is on its way back
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.parametrize("moment", ["_check", "_submitted", "_ask"])
def test_the_command_survives_a_worker_that_is_killed(moment, client, tmp_path, monkeypatch, capsys):
    """While it is asked what it runs, while its rows are sent, and in the fit: the same bits come out."""
    before, killed = getattr(shards.Shards, moment), []

    def kills(self, *asked):
        if not killed:
            pids = self.client.run(os.getpid)
            killed.append(pids[max(pids)])
            os.kill(killed[0], signal.SIGKILL)
        return before(self, *asked)

    monkeypatch.setattr(shards.Shards, moment, kills)
    with pytest.raises(SystemExit) as ended:
        main(["fit", *OPTIONS, "--dask", "local:2", "-o", str(tmp_path / "m.inklens"), "--json"])
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    assert killed
    assert json.loads(out)["cluster"]["workers_lost"] == 1
    expected = far(client, tol=1e-4).reader.coef
    np.testing.assert_array_equal(DigitReader.load(tmp_path / "m.inklens").coef, expected)


TALKATIVE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal; whoever runs the tests may ignore it
from inklens.cli import output
from inklens.cli.main import main

output.LOG_SECONDS = 0.0
main(sys.argv[1:])
"""


@contextmanager
def fitting(*words):
    """A command in a terminal of its own, which says at every point how it gets on; ended when it has done so once."""
    command = [sys.executable, "-c", TALKATIVE, "fit", "--dask", "local:2", *OPTIONS, *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            said = next((line for line in process.stderr if "rounds" in line), "")
            assert all(word in said for word in ("passes", "rows/s", "objective", "bound", "MB"))
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def workers_of(process):
    """The processes that have most memory, of those that the command has started."""
    psutil = pytest.importorskip("psutil")
    below = [child for child in psutil.Process(process.pid).children(recursive=True) if not child.children()]
    return sorted(below, key=lambda child: child.memory_info().rss)[-2:]


@pytest.mark.slow  # two clusters of processes start
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_worker_that_is_killed_from_outside_changes_no_bit(client, tmp_path):
    """By the system that runs out of memory, say, in the middle of the fit of a command that nobody watches."""
    out = tmp_path / "m.inklens"
    with fitting("--tol", "1e-9", "--json", "-o", out) as process:
        workers_of(process)[0].kill()
        found, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    assert json.loads(found)["cluster"]["workers_lost"] == 1
    assert "1 workers lost" in err or "1 worker lost" in err
    assert "Traceback" not in err
    np.testing.assert_array_equal(DigitReader.load(out).coef, far(client, tol=1e-9).reader.coef)
    assert [path.name for path in tmp_path.iterdir()] == ["m.inklens"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_ctrl_c_keeps_the_best_point_and_leaves_no_worker_behind(client, tmp_path):
    """A terminal sends it to all processes of the command."""
    psutil = pytest.importorskip("psutil")
    out = tmp_path / "m.inklens"
    with fitting("--tol", "1e-9", "-o", out) as process:
        there = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=240)
        assert process.returncode == 130, err
    assert "--resume goes on from" in err
    assert "Traceback" not in err
    assert psutil.wait_procs(there, timeout=60)[1] == []
    assert verify(DigitReader.load(out)).holds
    agree(far(client, out=out, resume=True, tol=1e-6), fit(**SMALL))


@pytest.mark.slow
def test_the_command_tells_where_one_can_look_on(command, tmp_path, monkeypatch):
    monkeypatch.setattr("inklens.cluster.dashboard", lambda client: "http://127.0.0.1:8787/status")
    monkeypatch.setattr("inklens.cli.output.LOG_SECONDS", 0.0)
    _, err = command("fit", *OPTIONS, "--dask", "local:2", "-o", tmp_path / "m.inklens")
    assert "dashboard is http://127.0.0.1:8787/status" in err
    assert "rows/s, objective" in err
    _, err = command("fit", *OPTIONS, "-o", tmp_path / "m.inklens")
    assert "proven bound" in err


def test_the_command_says_how_to_go_on(command, tmp_path, monkeypatch):
    def stop(self, solution):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("inklens.tasks.models.Following.__call__", stop)
        _, err = command("fit", *OPTIONS, "-o", tmp_path / "m.inklens", code=130)
    assert "--resume goes on from" in err
    out, _ = command("fit", *OPTIONS, "--resume", "-o", tmp_path / "m.inklens")
    assert "of them before it was broken off" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--insecure",), "goes with --dask"),
        (("--dask", "nonsense"), "expected 'local'"),
        (("--dask", "tcp://192.0.2.1:8786"), "without encryption"),
        (("--dask", "local:0"), "1 to 256 workers"),
        (("--resume", "--max-pixels", "9", "--l1-ratio", "1"), "--max-pixels"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(options, said, command, tmp_path, monkeypatch):
    monkeypatch.setattr("inklens.tasks.models.load_dataset", lambda *_, **__: pytest.fail("data were loaded"))
    out, err = command("fit", *options, "-o", tmp_path / "m.inklens", code=2)
    assert (out, list(Path(tmp_path).iterdir())) == ("", [])
    assert said in err
