"""Drawn digits of shapes that MNIST has few of: they ship, may be added to a fit, and the reader learned of them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from inklens.datasets import load_dataset
from inklens.errors import DataError
from inklens.photos.drawing import normalise_drawing
from inklens.tasks.models import fit
from inklens.tasks.reading import load_reader
from inklens.tasks.verification import verify

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import _allographs as allographs  # isort: skip


def test_the_sheet_is_what_it_says():
    drawn = load_dataset("allographs")
    assert drawn.counts == {"1": 400, "4": 200, "7": 200, "9": 200}
    assert not (drawn.X % 17).any()  # 16 greys
    assert len(np.unique(drawn.X, axis=0)) > 990  # hardly a bar like another


def test_a_damaged_sheet_is_refused(tmp_path, monkeypatch):
    from PIL import Image

    from inklens.datasets import embedded
    from inklens.datasets.allographs import LABELS, SHEET

    Image.fromarray(np.zeros((280, 2800), np.uint8)).save(tmp_path / SHEET)
    (tmp_path / LABELS).write_text("1" * 1000)
    monkeypatch.setattr(embedded, "__file__", str(tmp_path / "embedded.py"))
    with pytest.raises(DataError, match="install inklens again"):
        load_dataset("allographs")


def test_they_may_be_added_to_a_fit_and_its_certificate_is_proven_from_both():
    result = fit("embedded", train=300, test=100, add="allographs", C=0.1, tol=1e-2)
    added = result.reader.data_record.added
    assert (added.folder, added.rows) == ("allographs", 1000)
    assert verify(result.reader).holds


@pytest.mark.slow
def test_the_reader_that_ships_reads_a_1_with_a_long_flag_of_another_seed():
    """Fitted on MNIST alone it reads 6 in 10."""
    rng = np.random.default_rng(9001)
    inks = [allographs.drawn("1 with a long flag", rng) for _ in range(40)]
    frames = np.array([normalise_drawing(np.round(ink)).frame for ink in inks])
    assert (load_reader().predict(frames) == "1").mean() >= 0.85
