"""How long it takes to say how sure: stability maps beside one fit by saga, curvature, temperature, sets.

python benchmarks/certainty.py

With INKLENS_MNIST naming the folder of MNIST's four files, 7,500 rows of these; otherwise 3,750 embedded digits.
"""

import os
import sys
import time
import warnings

import numpy as np
from results import table, write_section

from inklens import SoftmaxRegression, load_dataset
from inklens.evaluation import Conformal, Temperature, curvature, stability
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax, softmax

SAGA_GAP = 5.7e-2  # relative suboptimality of the fit that a stability map is measured against
SAGA_STEPS = (5, 10, 20, 40, 80)  # epochs that saga is given in turn


def data():
    """Return training rows, test rows, their labels, and a name."""
    folder = os.environ.get("INKLENS_MNIST")
    if folder:
        rows = load_dataset(f"idx:{folder}").split(train=7500, test=2500, seed=9)
        return *rows[:4], "7,500 MNIST rows"
    return *load_dataset("embedded").split(train=3750, test=1250, seed=9)[:4], "3,750 embedded digits"


def timed(work):
    """Return seconds and result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def saga(X, y, optimum: float) -> tuple[float, float]:
    """Return seconds and suboptimality of saga's first fit that is near enough; each is given more epochs."""
    from sklearn.linear_model import LogisticRegression

    codes = np.unique(y, return_inverse=True)[1]
    for epochs in SAGA_STEPS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=1.0, l1_ratio=1.0, solver="saga", tol=1e-12, max_iter=epochs, random_state=0)
            seconds, _ = timed(lambda model=model: model.fit(X, y))
        loss = -log_softmax(X @ model.coef_.T + model.intercept_)[np.arange(len(y)), codes].sum()
        above = float(loss + np.abs(model.coef_).sum()) / optimum - 1.0
        print(f"  saga {epochs} epochs: {seconds:.1f} s, {above:.1e} above", file=sys.stderr)
        if above <= SAGA_GAP:
            break
    return seconds, above


def main() -> None:
    """Measure and write the section."""
    X_train, X_test, y_train, y_test, name = data()
    rows = Rows.of(X_train, scale=1 / 255)
    sparse = SoftmaxRegression(C=1.0, l1_ratio=1.0, tol=1e-3).fit(rows, y_train)
    peer, above = saga(X_train / 255.0, y_train, sparse.lower_bound_)
    lines = [["one fit by saga, L1, C = 1", f"{peer:.1f} s", f"objective {above:.1e} above the optimum", ""]]
    maps = {scheme: stability(sparse, rows, y_train, scheme=scheme) for scheme in ("halves", "bootstrap")}
    for scheme, found in maps.items():
        note = f"each proven to {found.gaps.max():.1e}; {int(found.stable().sum())} coefficients in nine of ten"
        what = f"stability map, 50 refits, {scheme}"
        lines.append([what, f"{found.seconds:.1f} s", note, f"{peer / found.seconds:.1f}"])
    tight = stability(sparse, rows, y_train, tol=1e-4)
    apart = np.abs(tight.frequency - maps["halves"].frequency)
    note = f"frequencies differ by at most {apart.max():.2f}, in sum {apart.sum() / tight.frequency.sum():.1%}"
    lines.append(["halves again at a gap of 1e-4", f"{tight.seconds:.1f} s", note, f"{peer / tight.seconds:.1f}"])
    dense = SoftmaxRegression(C=0.1, tol=1e-4).fit(rows, y_train)
    seconds, exact = timed(lambda: curvature(dense, rows, y_train))
    lines.append(["deviations by curvature, exact", f"{seconds:.1f} s", f"{exact.coef.size:,} coefficients, L2", ""])
    seconds, drawn = timed(lambda: curvature(dense, rows, y_train, n_draws=100))
    live = exact.sampling > 0.0
    scatter = float(np.std(drawn.sampling[live] / exact.sampling[live]))
    note = f"relative error {scatter:.3f}, stated {drawn.relative_error:.3f}"
    lines.append(["the same by 100 draws", f"{seconds:.1f} s", note, ""])
    codes = np.searchsorted(dense.classes_, y_test)
    z = dense.decision_function(X_test / 255.0)
    seconds, scale = timed(lambda: Temperature.fit(z, codes))
    lines.append(["temperature", f"{1000 * seconds:.1f} ms", f"T = {scale.value:.3f} on {len(codes):,} rows", ""])
    seconds, sets = timed(lambda: Conformal.fit(softmax(z), codes).sets(softmax(z)))
    lines.append(["sets of 95 %", f"{1000 * seconds:.1f} ms", f"{sets.sum(axis=1).mean():.2f} classes on average", ""])
    header = ["what", "time", "", "times as fast as saga's one fit"]
    write_section("How sure", f"{name}.\n\n{table(header, lines)}")


if __name__ == "__main__":
    main()
