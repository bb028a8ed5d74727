"""A fit that is broken off, by kill -9 at the worst moment, goes on from its checkpoint and proves the same optimum."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inklens import DigitReader
from inklens.errors import ModelFileError, OutputError, ParameterError
from inklens.linear import driver
from inklens.model.file import pack, unpack
from inklens.tasks import checkpoints, models
from inklens.tasks.checkpoints import Checkpoint
from inklens.tasks.interrupts import held_back
from inklens.tasks.models import fit

SMALL = {"train": 300, "test": 100, "C": 0.1, "tol": 1e-6}
KILLED = """
import os, signal, sys
from inklens.tasks import checkpoints
from inklens.tasks.models import fit

def kill(solution):
    if solution.n_iter == 3:
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.EVERY_SECONDS = 0.0
fit(out=sys.argv[1], callback=kill, **eval(sys.argv[2]))
"""


def agree(one, other):
    """Tell that both have proven that they are near one optimum: no bound is above the other's objective."""
    assert one.status == other.status == "certified"
    assert one.lower_bound <= other.objective * (1 + 1e-12)
    assert other.lower_bound <= one.objective * (1 + 1e-12)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "m.inklens"


@pytest.fixture
def left(out, monkeypatch):
    """Break a fit off after some rounds, and return its checkpoint."""

    def broken_off(rounds=3, **settings):
        def stop(solution):
            if solution.n_iter == rounds:
                raise KeyboardInterrupt

        result = fit(out=out, callback=stop, **{**SMALL, **settings})
        assert result.interrupted
        assert result.checkpoint == f"{out}.checkpoint"
        return Path(result.checkpoint)

    return broken_off


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.parametrize("settings", [{}, {"l1_ratio": 1.0, "scale": "min-max"}], ids=["L2", "L1"])
def test_a_fit_that_was_killed_goes_on(settings, out):
    settings = {**SMALL, **settings}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(out), repr(settings)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in out.parent.iterdir()] == ["m.inklens.checkpoint"]
    resumed, fresh = fit(out=out, resume=True, **settings), fit(**settings)
    agree(resumed, fresh)
    assert 0.0 < resumed.passes_before < resumed.passes
    assert [path.name for path in out.parent.iterdir()] == ["m.inklens"]
    assert DigitReader.load(out).require_fit_record().passes == resumed.passes


def test_it_goes_on_at_the_point_where_it_was(left, out):
    """Its first round is no worse than the last one of the fit before; so a fit may be broken off again and again."""
    left()
    best = DigitReader.load(out).require_fit_record().certificate.objective
    first = []

    def look(solution):
        first.append(solution.objective)
        raise KeyboardInterrupt

    again = fit(out=out, resume=True, callback=look, **SMALL)
    assert first[0] <= best * (1 + 1e-6)
    assert again.passes > again.passes_before > 0.0
    third = fit(out=out, resume=True, **SMALL)
    assert third.passes_before == again.passes
    agree(third, fit(**SMALL))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"C": 0.2}, r"C = 0.1 \(here 0.2\)"),
        ({"C": float("inf")}, r"C = 0.1 \(here inf\)"),
        ({"l1_ratio": 0.5}, "L1 share"),
        ({"l1_ratio": 0.5, "group": True}, "L1 share.*group"),
        ({"seed": 3}, r"seed = 9 \(here 3\)"),
        ({"train": 301}, "training rows = 300"),
        ({"test": 99}, "test rows"),
        ({"add": "allographs"}, "added rows"),
        ({"features": "upright"}, "features = pixels"),
        ({"scale": "min-max"}, "scale = 255"),
        ({"standardize": True}, "standardize"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_another_fit_does_not_go_on_from_it(other, said, left, out):
    path = left()
    before = path.read_bytes()
    with pytest.raises(ParameterError, match=rf"of another fit, with .*{said}.*without --resume"):
        fit(out=out, resume=True, **{**SMALL, **other})
    assert path.read_bytes() == before


def test_other_data_do_not_go_on_from_it(left, out, tmp_path):
    import numpy as np

    from inklens import load_dataset

    left()
    digits = load_dataset("embedded")
    changed = digits.X.copy()
    changed[0, 0] ^= 1
    np.savez(tmp_path / "d.npz", X=changed, y=digits.y)
    with pytest.raises(ParameterError, match="data = "):
        fit(f"npz:{tmp_path / 'd.npz'}", out=out, resume=True, **SMALL)
    np.savez(tmp_path / "d.npz", X=digits.X, y=digits.y)  # the same data under another name
    assert fit(f"npz:{tmp_path / 'd.npz'}", out=out, resume=True, **SMALL).passes_before > 0.0


def test_a_fit_whose_time_is_over_goes_on(out):
    stopped = fit(out=out, time_budget=0.001, **{**SMALL, "tol": 1e-12})
    assert stopped.status == "stopped"
    assert stopped.checkpoint == f"{out}.checkpoint"
    done = fit(out=out, resume=True, time_budget=60.0, **SMALL)
    assert done.passes_before == stopped.passes
    agree(done, fit(**SMALL))
    assert done.checkpoint is None
    assert not Path(stopped.checkpoint).exists()


def test_the_gap_may_be_another(left, out):
    left()
    assert fit(out=out, resume=True, **{**SMALL, "tol": 1e-2}).passes_before > 0.0


def test_a_damaged_one_is_refused(left, out):
    path = left()
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], out.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="without --resume"):
            fit(out=out, resume=True, **SMALL)


def test_one_of_other_features_is_not_passed_over(left, out):
    path = left()
    tensors, header = unpack(path.read_bytes())
    path.write_bytes(pack({**tensors, "coef": tensors["coef"][:, 1:].copy()}, header))
    whole = path.read_bytes()
    with pytest.raises(ModelFileError, match=r"783 features, and the data has 784: .* without --resume"):
        fit(out=out, resume=True, **SMALL)
    assert path.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", None)], ids=["folder", "FIFO"])
def test_what_is_no_file_at_its_place_is_never_waited_for(make, out, monkeypatch):
    place = Path(f"{out}{checkpoints.SUFFIX}")
    make(place)
    with pytest.raises(ModelFileError, match="is no file; fit anew, without --resume"):
        fit(out=out, resume=True, **SMALL)
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0.0)
    result = fit(out=out, **SMALL)
    assert "no checkpoint was kept" in " ".join(result.warnings)
    assert place.exists()
    assert not place.is_file()
    assert out.is_file()


def test_without_one_a_fit_begins_and_says_so(out):
    result = fit(out=out, resume=True, **SMALL)
    assert result.status == "certified"
    assert "there was no" in result.warnings[-1]
    with pytest.raises(ParameterError, match="-o"):
        fit(resume=True, **SMALL)
    with pytest.raises(ParameterError, match="--max-pixels"):
        fit(out=out, resume=True, max_pixels=50, l1_ratio=1.0)


def test_it_is_written_now_and_then_and_a_full_disk_ends_no_fit(out, monkeypatch):
    written = []
    monkeypatch.setattr(checkpoints, "write_bytes", lambda path, data: written.append(path))
    fit(out=out, **SMALL)
    assert written == []  # the fit was over before the first was due
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoints, "MOST_SHARE", 1.0)
    fit(out=out, **SMALL)
    assert set(written) == {Path(f"{out}.checkpoint")}

    def full(path, data):
        raise OutputError("the disk is full")

    monkeypatch.setattr(checkpoints, "write_bytes", full)
    result = fit(out=out, **SMALL)
    assert result.status == "certified"
    assert "disk is full" in result.warnings[-1]


def test_a_device_gets_none_and_a_link_has_it_beside_the_file(tmp_path):
    assert Checkpoint.beside(os.devnull, None) is None
    with pytest.raises(ParameterError, match="is no file, and has no checkpoint"):
        fit(out=os.devnull, resume=True, **SMALL)
    (tmp_path / "there").mkdir()
    (tmp_path / "link.inklens").symlink_to(tmp_path / "there" / "m.inklens")
    assert Checkpoint.beside(tmp_path / "link.inklens", None).path == tmp_path / "there" / "m.inklens.checkpoint"


def test_an_interrupt_during_the_last_proof_leaves_the_proven_point(out, monkeypatch, ctrl_c):
    refine, begun = driver._Run.refine, []

    def interrupted(run, seconds):
        if not begun:
            begun.append(run)
            signal.raise_signal(signal.SIGINT)
        return refine(run, seconds)

    monkeypatch.setattr(driver._Run, "refine", interrupted)
    result = fit("embedded", train=300, test=100, C=0.1, tol=1e-4, out=out)
    assert begun
    assert result.interrupted
    assert 0.0 < result.lower_bound <= result.objective
    assert DigitReader.load(out).coef.any()


def test_an_interrupt_after_the_fit_does_not_lose_the_model(out, monkeypatch, ctrl_c):
    judge = models._judge

    def interrupted(*given, **named):
        signal.raise_signal(signal.SIGINT)
        return judge(*given, **named)

    monkeypatch.setattr(models, "_judge", interrupted)
    result = fit("embedded", train=300, test=100, C=0.1, tol=1e-4, out=out)
    assert (result.status, result.interrupted) == ("certified", False)
    assert DigitReader.load(out).coef.any()
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_a_second_interrupt_is_not_held_back(ctrl_c):
    came = []

    def twice():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            came.append("the first is over")
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert came
    assert signal.getsignal(signal.SIGINT) is ctrl_c


def test_a_name_that_leaves_no_room_for_a_checkpoint_ends_no_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0.0)
    out = tmp_path / ("n" * 255)
    result = fit(out=out, resume=True, **SMALL)
    assert "no checkpoint was kept" in " ".join(result.warnings)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_what_differs_is_told_in_few_words(left, out):
    path = left()
    tensors, header = unpack(path.read_bytes())
    header["checkpoint"]["data"] = ["long"] * 10_000
    path.write_bytes(pack(tensors, header))
    with pytest.raises(ParameterError, match="data = ") as caught:
        fit(out=out, resume=True, **SMALL)
    assert len(str(caught.value)) < 1000
