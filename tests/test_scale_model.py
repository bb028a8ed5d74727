"""The simulator of clusters: it says of one worker what was recorded there, and what cannot be beaten of many."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
model = pytest.importorskip("scale_model")

ROWS, EMPTY, BYTE = 1000, 0.004, 1e-9
LOG = [("LossPass", 0.5, 63_000), ("PairHessian", 3.0, 150_000_000), ("LossPass", 0.4, 63_000)]


@pytest.fixture
def costs():
    fit = model.fit_of(LOG, 5.0, ROWS, EMPTY, BYTE)
    return model.Costs(EMPTY - 0.001, 0.001, BYTE, {"L1": fit})


def test_one_worker_takes_what_it_took(costs):
    assert model.seconds(costs, "L1", 1, ROWS) == pytest.approx(5.0)
    assert costs.fits["L1"].driver == pytest.approx(5.0 - 3.9)
    assert costs.fits["L1"].n_rounds == len(LOG)


@pytest.mark.parametrize("n_workers", [1, 2, 10, 100])
def test_workers_share_rows_and_nothing_else(costs, n_workers):
    """Rows divide among workers; what the driver does, and what it hears from each, does not."""
    of_rows = model.seconds(costs, "L1", n_workers, 2 * ROWS) - model.seconds(costs, "L1", n_workers, ROWS)
    of_one = model.seconds(costs, "L1", 1, 2 * ROWS) - model.seconds(costs, "L1", 1, ROWS)
    assert of_rows == pytest.approx(of_one / n_workers)
    without_rows = model.seconds(costs, "L1", n_workers, 0)
    talk = len(LOG) * 0.001 + BYTE * sum(n_bytes for _, _, n_bytes in LOG)
    assert without_rows - model.seconds(costs, "L1", 1, 0) == pytest.approx((n_workers - 1) * talk)


def test_workers_beyond_cores_or_shards_bring_nothing(costs):
    here = [model.seconds(costs, "L1", n, 1e9, cores=2) for n in (2, 4)]
    assert here[1] >= here[0]
    assert model.seconds(costs, "L1", 500, 1e9, shards=16) == model.seconds(costs, "L1", 16, 1e9)


def test_a_slower_network_takes_longer_by_what_it_carries(costs):
    slow, fast = (model.seconds(costs, "L1", 10, 1e6, byte=model.network(costs, gigabits)) for gigabits in (1, 1000))
    n_bytes = 10 * sum(n_bytes for _, _, n_bytes in LOG)
    assert slow - fast == pytest.approx(n_bytes * (8e-9 - BYTE))


def test_what_was_measured_is_read_as_it_was_written(costs, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "KNOWN", tmp_path / "found.json")
    found = model.Measurement("here", 2, ROWS, costs, [model.Check("L1", 2, 3.0)])
    model.stored(found)
    assert model.known() == found


def test_the_page_shows_what_was_measured_last():
    """Tables and figure are made of the constants that lie in the repository, and these are possible."""
    found = model.known()
    parts = [found.machine, *map(model.as_page, model.report(found))]
    assert model.PAGE.read_text(encoding="utf-8") == "\n\n".join(parts) + "\n"
    assert 0.0 < found.costs.round < 0.1
    assert 0.0 <= found.costs.worker < 0.1
    assert 1e-11 < found.costs.byte < 1e-7
    for fit in found.costs.fits.values():
        assert fit.driver >= 0.0
        assert min(kind.seconds for kind in fit.kinds.values()) >= 0.0
