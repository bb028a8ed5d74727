"""What a type checker sees of the estimators in somebody's program."""

import re
from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api")

PROGRAM = """
import numpy as np
from inklens import SoftmaxRegression, SoftmaxRegressionCV

X, y = np.zeros((3, 2)), ["a", "b", "a"]
reveal_type(SoftmaxRegression(C=0.5).fit(X, y, sample_weight=[1.0, 2.0, 3.0]))
reveal_type(SoftmaxRegression().fit(X, y).coef_)
reveal_type(SoftmaxRegressionCV().fit(X, y))
SoftmaxRegression().fit(X)
"""


@pytest.mark.slow
def test_fit_keeps_its_types(tmp_path, monkeypatch):
    """scikit-learn's wrappers of `fit` have none; a program that leaves out the labels is told before it runs."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    monkeypatch.chdir(Path(__file__).parents[1])  # with the settings and the cache of `make lint`
    told, _, _ = api.run([str(path)])
    revealed = re.findall(r'Revealed type is "([\w.]+)', told)
    assert [name.rpartition(".")[2] for name in revealed] == ["SoftmaxRegression", "ndarray", "SoftmaxRegressionCV"]
    assert 'Missing positional argument "y"' in told
    assert "Found 1 error" in told
