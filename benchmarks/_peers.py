"""One fit by one package, in its own process and environment: `python _peers.py ORDER.json`, or many: `--serve`.

The order names a .npz file with X (dense, or the parts of a CSR matrix), y and perhaps weights, and a file for the
answer. Reading the data and importing the package are not timed. With `kill_after` (seconds) the process ends by
SIGALRM where the fit is longer; with `memory_limit` (bytes) allocations beyond it fail.

Every answer has one row of coefficients a class, and minimises the objective of symmetric softmax,
C * sum_i s_i loss_i + l1_ratio ||W||_1 + (1 - l1_ratio) / 2 ||W||^2, or sum_j ||W_j|| for groups.
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

SHARES = {"l1": 1.0, "elasticnet": 0.5}  # l1_ratio of a penalty; 0 for the others
SHORT_SECONDS = 0.5  # for all repeats of a fit


def strengths(job, y):
    """Return C and l1_ratio as a package counts them that keeps one vector w of two classes, where W = (-w, w) / 2.

    There C loss + r ||W||_1 + (1 - r) / 2 ||W||^2 = C loss + r |w| + (1 - r) / 4 w^2, which is (1 + r) / 2 times
    2 C / (1 + r) loss + r' |w| + (1 - r') / 2 w^2 with r' = 2 r / (1 + r). A group costs
    |(-w_j, w_j) / 2| = |w_j| / sqrt(2).
    """
    C, share = job["C"] if job["penalty"] != "none" else np.inf, SHARES.get(job["penalty"], 0.0)
    if y.max() > 1:
        return C, share
    if job["penalty"] == "group":
        return np.sqrt(2.0) * C, 1.0
    return 2.0 * C / (1.0 + share), 2.0 * share / (1.0 + share)


def a_row_a_class(coef, intercept):
    """Return coefficients and intercepts of each class, also where one vector stands for two."""
    coef, intercept = np.atleast_2d(np.asarray(coef)), np.ravel(intercept)
    return (coef, intercept) if len(coef) > 1 else (np.vstack([-coef, coef]) / 2, np.append(-intercept, intercept) / 2)


def sklearn_logistic(cls, solver, X, y, job):
    C, share = strengths(job, y)
    model = cls(solver=solver, C=C, l1_ratio=share, tol=job["tol"], max_iter=job["max_iter"], random_state=0)
    return lambda: model.fit(X, y, job["weights"]) and (model.coef_, model.intercept_)


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

    C, share = strengths(job, y)
    n_classes, l1, l2 = len(np.unique(y)), share / (C * len(y)), (1.0 - share) / (C * len(y))
    penalty = {
        "none": {"penalty": "none"},
        "l2": {"penalty": "l2", "lambda_1": l2},
        "l1": {"penalty": "l1", "lambda_1": l1},
        "elasticnet": {"penalty": "elasticnet", "lambda_1": l1, "lambda_2": l2},
        "group": {"penalty": "l1l2" if n_classes > 2 else "l1", "lambda_1": 1.0 / (C * len(y))},
    }[job["penalty"]]
    loss = "multiclass-logistic" if n_classes > 2 else "logistic"  # its multiclass loss of two classes is the square
    model = Classifier(
        loss=loss, fit_intercept=True, verbose=False, n_threads=job.get("threads", 2), tol=job["tol"],
        max_iter=job["max_iter"], **penalty,
    )  # fmt: skip
    if X.dtype == np.uint8:
        X = X.astype(np.float32)  # it takes floats only

    def fit():
        model.fit(X, y)
        coef = np.atleast_2d(np.asarray(model.coef_))
        return coef if coef.shape[1] == X.shape[1] else coef.T, np.ravel(model.intercept_)

    return fit


def glmnet(X, y, job):
    from glmnet import LogitNet

    total = len(y) if job["weights"] is None else job["weights"].sum()
    C, alpha = strengths(job, y)
    strength = 1.0 / (C * total)
    model = LogitNet(
        alpha=alpha, lambda_path=np.geomspace(1000 * strength, strength, 20), standardize=False, n_splits=0,
        tol=job["tol"], max_iter=100_000,
    )  # fmt: skip
    if X.dtype != np.float64:
        X = X.astype(np.float64)

    def fit():
        model.fit(X, y, sample_weight=job["weights"])
        return model.coef_path_[..., -1], model.intercept_path_[..., -1]

    return fit


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


def inklens(X, y, job):
    """Ours, by the engine that it chooses or by the one that the order names; to its certificate."""
    from inklens.linear.driver import METHODS, solve
    from inklens.linear.problem.build import make_problem
    from inklens.linear.rows.rows import Rows

    C = np.inf if job["penalty"] == "none" else job["C"]
    weights = np.ones(len(y)) if job["weights"] is None else job["weights"]
    method = next((method for method in METHODS if method.name == job.get("method")), None)

    def fit():
        began = time.perf_counter()
        problem = make_problem(
            Rows.of(X), y, weights, int(y.max()) + 1,
            C=C, l1_ratio=1.0 if job["penalty"] == "group" else SHARES.get(job["penalty"], 0.0),
            group=job["penalty"] == "group",
        )  # fmt: skip
        left = max(job["limit"] - (time.perf_counter() - began), 1e-3) if "limit" in job else None
        found = solve(problem, tol=job["tol"], time_budget=left, method=method)
        status = "touching" if found.recession is not None else str(found.status)
        facts = {"bound": found.lower_bound, "status": status, "method": found.method}
        return found.coef, found.intercept, facts

    return fit


def write(file, X, y, weights=None):
    """Store what `read` reads."""
    parts = {"X": X}
    if hasattr(X, "indptr"):
        parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    np.savez(file, y=y, **parts, **({} if weights is None else {"weights": weights}))


def read(file):
    """Return X, y and weights (None without)."""
    with np.load(file) as stored:
        weights = stored.get("weights")
        if "indptr" not in stored:
            return stored["X"], stored["y"], weights
        from scipy import sparse

        parts = stored["data"], stored["indices"], stored["indptr"]
        return sparse.csr_matrix(parts, shape=tuple(stored["shape"])), stored["y"], weights


def high_water():
    """Return the most bytes that were resident since `clear_refs` was written; None elsewhere than on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def measured(fit, job):
    """Return the answer, the shortest of some runs in seconds, and the memory that the first took over the data."""
    if "memory_limit" in job:
        resource.setrlimit(resource.RLIMIT_DATA, (job["memory_limit"], job["memory_limit"]))
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from what is resident now
    before, times, answer, peak = high_water(), [], None, None
    signal.setitimer(signal.ITIMER_REAL, job.get("kill_after", 0.0))
    while not times or (len(times) < job.get("repeats", 1) and sum(times) < SHORT_SECONDS):
        began = time.perf_counter()
        answer = fit()
        times.append(time.perf_counter() - began)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        peak = high_water() if peak is None else peak
    return answer, min(times), None if before is None else peak - before


def answer(file):
    """Do what an order says."""
    job = json.loads(Path(file).read_text())
    X, y, job["weights"] = read(job["data"])
    if X.dtype == np.uint8 and not job.get("as_it_is"):
        X = X / 255.0
    fit = globals()[job["peer"]](X, y, job)
    warnings.simplefilter("ignore")
    (coef, intercept, *facts), seconds, memory = measured(fit, job)
    coef, intercept = a_row_a_class(coef, intercept)
    np.savez(job["answer"], coef=coef, intercept=intercept, seconds=seconds,
             facts=json.dumps({"memory": memory, **(facts[0] if facts else {})}))  # fmt: skip


def serve():
    """Answer orders named on stdin, each in a fork of this process, which only has imported what they may need.

    A line of JSON tells of each how it ended: the signal that ended it (0: none), or an error in words.
    """
    for name in ("sklearn.linear_model", "scipy.sparse", "scipy.linalg", "cyanure.estimators", "glmnet", "inklens"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        mistake, told = os.pipe()
        child = os.fork()
        if not child:
            answer_in_a_fork(line.strip(), told)
        os.close(told)
        _, status = os.waitpid(child, 0)
        with os.fdopen(mistake, "rb") as pipe:
            words = pipe.read().decode(errors="replace")
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        print(json.dumps({"signal": ended, "error": words}), flush=True)


def answer_in_a_fork(file, told):
    """Answer; write the kind and the sentence of an error to the pipe, and end the process."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what packages print is no answer
        answer(file)
    except BaseException as error:
        os.write(told, f"{type(error).__name__}: {error}".replace("\n", " ")[:200].encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve() if sys.argv[1] == "--serve" else answer(sys.argv[1])
