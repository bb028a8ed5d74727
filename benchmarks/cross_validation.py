"""Ten values of C on five folds, under a ridge: `SoftmaxRegressionCV` beside scikit-learn's `LogisticRegressionCV`.

python benchmarks/cross_validation.py
"""

import time
import warnings

import numpy as np
from _zoo_jobs import Shape, made
from results import table, write_section
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from inklens import SoftmaxRegressionCV

REPEATS = 3  # of which the fastest counts
CS = np.geomspace(1e-4, 10.0, 10)
PATH_TOL = 1e-4  # at which mean scores are as exact as those of the peers' default
PEERS = ("lbfgs", "newton-cholesky")
OF_THE_ZOO = {"text": Shape(1000, 10_000, 4), "gaussian": Shape(1000, 200, 4), "cells": Shape(600, 800, 6),
              "images": Shape(2000, 196, 5)}  # fmt: skip
MANY_COEFFICIENTS = 2000  # newton-cholesky's Hessian of more takes minutes


def text(n_samples: int = 600, n_words: int = 3000, n_topics: int = 5) -> tuple[sparse.csr_array, np.ndarray]:
    """Return word counts by Zipf's law, with topics that prefer some words; rows have length 1."""
    rng = np.random.default_rng(0)
    topic = rng.integers(n_topics, size=n_samples)
    often = 1.0 / np.arange(1, n_words + 1)
    prefers = often * np.exp(rng.normal(0.0, 0.7, size=(n_topics, n_words)))
    counts = np.stack([rng.multinomial(80, prefers[k] / prefers[k].sum()) for k in topic])
    return sparse.csr_array(counts / np.linalg.norm(counts, axis=1, keepdims=True)), topic


def jobs() -> dict[str, tuple[np.ndarray | sparse.csr_array, np.ndarray]]:
    """Return the tables: raw ones standardised, digits between 0 and 1, and larger ones that the zoo makes."""
    found = {}
    for name, load in {"wine": load_wine, "breast cancer": load_breast_cancer, "iris": load_iris}.items():
        X, y = load(return_X_y=True)
        found[name] = StandardScaler().fit_transform(X), y
    X, y = load_digits(return_X_y=True)
    found |= {"digits 8x8": (X / 16.0, y), "text": text()}
    for kind, shape in OF_THE_ZOO.items():
        made_table = made(kind, shape, seed=0)
        found[f"{kind}, {shape.n_samples:,} x {shape.n_features:,}"] = made_table.X, made_table.y
    return found


def seconds(make, X, y):
    """Return the least CPU time of some fits, and the last one."""
    make().fit(X, y)
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        fitted = make().fit(X, y)
        times.append(time.process_time() - began)
    return min(times), fitted


def row(name: str, X, y) -> list[str]:
    """Measure one table; the same folds for all."""
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(y)), y))

    def ours():
        return SoftmaxRegressionCV(Cs=CS, l1_ratios=(0.0,), cv=folds, rule="best", path_tol=PATH_TOL, n_jobs=1)

    own, fitted = seconds(ours, X, y)
    times = {}
    for solver in PEERS:
        if solver != "lbfgs" and X.shape[1] * len(np.unique(y)) > MANY_COEFFICIENTS:
            continue

        def peer(solver=solver):
            return LogisticRegressionCV(Cs=CS, cv=folds, solver=solver, scoring="neg_log_loss", max_iter=1000)

        times[solver], model = seconds(peer, X, y)
        scores = np.asarray(next(iter(model.scores_.values())) if isinstance(model.scores_, dict) else model.scores_)
        differs = np.abs(scores.reshape(5, -1).mean(axis=0) - fitted.mean_scores_[0]).max()
    return [
        name,
        f"{own:.3f}",
        *(f"{times[solver]:.3f}" if solver in times else "-" for solver in PEERS),
        f"{min(times.values()) / own:.1f}",
        f"{fitted.path_gaps_.max():.1e}",
        f"{differs:.1e}",
    ]


def main() -> None:
    """Measure and write the section."""
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        rows = [row(name, X, y) for name, (X, y) in jobs().items()]
    for line in rows:
        print(*line, sep="  ")
    head = ["table", "ours, s", *(f"{solver}, s" for solver in PEERS), "times ahead", "largest gap", "scores differ by"]
    write_section("Cross-validation: ten values of C, five folds, L2, one thread", table(head, rows))


if __name__ == "__main__":
    main()
