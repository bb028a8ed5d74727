"""One fit by another package, in its own process and environment: `python _peers.py JOB.json`.

The job names a .npz file with X (dense, or the parts of a CSR matrix) and y, and a folder for the answer. Reading the
data and importing the package are not timed.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def sklearn_logistic(cls, solver, X, y, job):
    share = {"l1": 1.0, "elasticnet": 0.5}.get(job["penalty"], 0.0)
    C = np.inf if job["penalty"] == "none" else job["C"]
    model = cls(solver=solver, C=C, l1_ratio=share, tol=job["tol"], max_iter=job["max_iter"], random_state=0)
    return lambda: model.fit(X, y) and (model.coef_, model.intercept_)


def lbfgs(X, y, job):
    from sklearn.linear_model import LogisticRegression

    return sklearn_logistic(LogisticRegression, "lbfgs", X, y, job)


def newton_cg(X, y, job):
    from sklearn.linear_model import LogisticRegression

    return sklearn_logistic(LogisticRegression, "newton-cg", X, y, job)


def saga(X, y, job):
    from sklearn.linear_model import LogisticRegression

    return sklearn_logistic(LogisticRegression, "saga", X, y, job)


def sag(X, y, job):
    from sklearn.linear_model import LogisticRegression

    return sklearn_logistic(LogisticRegression, "sag", X, y, job)


def newton_cholesky(X, y, job):
    from sklearn.linear_model import LogisticRegression

    return sklearn_logistic(LogisticRegression, "newton-cholesky", X, y, job)


def scipy_lbfgsb(X, y, job):
    """L-BFGS-B on W = U - V with U, V >= 0: the L1 norm is then linear."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    n_classes, p, C = len(np.unique(y)), X.shape[1], job["C"]
    l1 = {"l1": 1.0, "elasticnet": 0.5}.get(job["penalty"], 0.0)
    l2 = 1.0 - l1
    size, own = n_classes * p, np.arange(len(y))

    def value(v):
        W, b = (v[:size] - v[size : 2 * size]).reshape(n_classes, p), v[2 * size :]
        z = X @ W.T + b
        log_proba = z - logsumexp(z, axis=1, keepdims=True)
        residual = np.exp(log_proba)
        residual[own, y] -= 1.0
        G = (C * (residual.T @ X) + l2 * W).ravel()
        loss = -C * log_proba[own, y].sum() + l1 * v[: 2 * size].sum() + 0.5 * l2 * (W * W).sum()
        return loss, np.concatenate([G + l1, l1 - G, C * residual.sum(axis=0)])

    bounds = [(0.0, None)] * (2 * size) + [(None, None)] * n_classes

    def fit():
        options = {"maxiter": job["max_iter"], "maxfun": 10 * job["max_iter"], "ftol": 0.0, "gtol": 0.0, "maxcor": 30}
        start = np.zeros(2 * size + n_classes)
        v = minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
        return (v[:size] - v[size : 2 * size]).reshape(n_classes, p), v[2 * size :]

    return fit


def intelex(X, y, job):
    from sklearnex.linear_model import LogisticRegression

    return sklearn_logistic(LogisticRegression, "lbfgs", X, y, job)


def cyanure(X, y, job):
    from cyanure.estimators import Classifier

    strength, n_classes = 1.0 / (job["C"] * len(y)), len(np.unique(y))
    penalty = {
        "none": {"penalty": "none"},
        "l2": {"penalty": "l2", "lambda_1": strength},
        "l1": {"penalty": "l1", "lambda_1": strength},
        "elasticnet": {"penalty": "elasticnet", "lambda_1": strength / 2, "lambda_2": strength / 2},
        "group": {"penalty": "l1l2", "lambda_1": strength},
    }[job["penalty"]]
    model = Classifier(
        loss="multiclass-logistic", fit_intercept=True, verbose=False, n_threads=2, tol=job["tol"],
        max_iter=job["max_iter"], **penalty,
    )  # fmt: skip

    def fit():
        model.fit(X, y)
        coef = np.asarray(model.coef_)
        return coef if len(coef) == n_classes else coef.T, np.ravel(model.intercept_)

    return fit


def glmnet(X, y, job):
    from glmnet import LogitNet

    strength = 1.0 / (job["C"] * len(y))
    alpha = {"l2": 0.0, "elasticnet": 0.5, "l1": 1.0}[job["penalty"]]
    model = LogitNet(
        alpha=alpha, lambda_path=np.geomspace(1000 * strength, strength, 20), standardize=False, n_splits=0,
        tol=job["tol"], max_iter=100_000,
    )  # fmt: skip
    return lambda: model.fit(X, y) and (model.coef_path_[..., -1], model.intercept_path_[..., -1])


def adelie(X, y, job):
    import adelie as ad

    n_classes = len(np.unique(y))
    strength = 1.0 / (job["C"] * len(y) * n_classes)  # its loss is a mean over rows and classes
    X = np.asfortranarray(X)
    glm = ad.glm.multinomial(np.eye(n_classes)[y], dtype=np.float64)
    path = np.geomspace(1000 * strength, strength, 20)

    def fit():
        state = ad.grpnet(
            X, glm, alpha=1.0, penalty=np.ones(X.shape[1]), lmda_path=path, early_exit=False, progress_bar=False,
            n_threads=2, tol=job["tol"], irls_tol=job["tol"],
        )  # fmt: skip
        return np.asarray(state.betas.toarray()[-1]).reshape(X.shape[1], n_classes).T, np.asarray(state.intercepts[-1])

    return fit


def main(file):
    job = json.loads(Path(file).read_text())
    with np.load(job["data"]) as stored:
        y = stored["y"]
        if "indptr" in stored:
            from scipy import sparse

            X = sparse.csr_matrix((stored["data"], stored["indices"], stored["indptr"]), shape=tuple(stored["shape"]))
        else:
            X = stored["X"] / 255.0 if stored["X"].dtype == np.uint8 else stored["X"]
    fit = globals()[job["peer"]](X, y, job)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    coef, intercept = fit()
    seconds = time.perf_counter() - began
    np.savez(job["answer"], coef=coef, intercept=intercept, seconds=seconds)


if __name__ == "__main__":
    main(sys.argv[1])
