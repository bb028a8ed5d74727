"""scikit-learn's own tests of LogisticRegression and LogisticRegressionCV, run against ours in a process of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

HERE = Path(__file__).parent
WRITTEN_FOR = "1.9"  # another version has other tests
LEAST_PASSING = 285  # of 295; array libraries have their own tests here

LIBLINEAR = "about liblinear alone"
STEPS = "counts the tasks of scikit-learn's lbfgs, which has an empty one at the end; ours has one for each round"
FAILS = {  # test, without parameters: why
    "test_liblinear_dual_random_state": f"{LIBLINEAR}: different seeds must give different coefficients; one optimum has none",
    "test_liblinear_with_large_values": f"{LIBLINEAR}: its message for values above 1e30; ours refuses them for any fit",
    "test_logistic_cv_multinomial_score": "compares an lbfgs that stops early, to six digits, with the proven optimum",
    "test_newton_cholesky_fallback_to_lbfgs": "C = 1e30 is refused, with C=inf as the remedy, and no solver falls back on another",
    "test_logistic_regression_callback_support": STEPS,
    "test_logistic_regression_callback_support_warning": "callbacks work whatever the solver is called, so there is no warning",
}


@pytest.mark.slow
@pytest.mark.skipif(not sklearn.__version__.startswith(WRITTEN_FOR), reason=f"read with scikit-learn {WRITTEN_FOR}")
def test_all_but_those_that_are_named_pass():
    found = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "scikit_learn_names", "--pyargs", "sklearn.linear_model.tests.test_logistic",
            "-c", os.devnull, "-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:xdist", "-q", "--tb=no", "-rf",
            "-k", "not array_api", "-W", "ignore::pytest.PytestRemovedIn10Warning",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE / "foreign"), *sys.path]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    failed = {name.split("[")[0] for name in re.findall(r"^FAILED .*?::(\w+.*?)(?: - .*)?$", found.stdout, re.M)}
    assert failed == FAILS.keys(), found.stdout[-3000:]
    (passed,) = re.findall(r"(\d+) passed", found.stdout)
    assert int(passed) >= LEAST_PASSING
