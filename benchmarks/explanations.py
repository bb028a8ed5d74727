"""How fast and how tight: evidence, flips, radii, strokes and votes, on real digits.

python benchmarks/explanations.py [--rows N]

With INKLENS_MNIST naming the folder of MNIST's four files, the digits are its test half; otherwise the embedded
digits that the model was not fitted on.
"""

import argparse
import os
import sys
import time

import numpy as np
from results import table, write_section

from inklens import DigitReader, SoftmaxRegression, explain, flip, load_dataset
from inklens.explanations import Voters, robustness, strokes

SAMPLE = 300  # digits for what is slower or compared with a peer


def data():
    """Return training rows, their labels, digits to explain, and a name."""
    folder = os.environ.get("INKLENS_MNIST")
    if not folder:
        rows = load_dataset("embedded").split(train=4000, test=1000, seed=0)
        return rows.X_train, rows.y_train, rows.X_test.reshape(-1, 28, 28), "1,000 embedded digits"
    mnist = load_dataset(f"idx:{folder}")
    train, test = mnist.subset("train"), mnist.subset("test")
    return train.X, train.y, test.images(), f"MNIST's {len(test):,} test digits"


def timed(function, arguments) -> tuple[list, np.ndarray]:
    """Return results and seconds of one call per argument."""
    results, seconds = [], []
    for argument in arguments:
        began = time.perf_counter()
        results.append(function(argument))
        seconds.append(time.perf_counter() - began)
    return results, np.array(seconds)


def row(what: str, seconds: np.ndarray, note: str, goal: str) -> list[str]:
    """Write one line of the table."""
    median, high = 1000 * np.median(seconds), 1000 * np.quantile(seconds, 0.99)
    return [what, f"{len(seconds):,}", f"{median:.2f} ms", f"{high:.2f} ms", note, goal]


def proof(found: list) -> str:
    """Say how many flips are proven and how far the bounds are."""
    assert all(f.lower_bound <= f.cost and f.source != f.target for f in found)
    proven = sum(f.optimal for f in found)
    return f"{proven:,} of {len(found):,} proven, largest gap {max(f.gap for f in found):.1e}"


def by_linprog(reader, frame: np.ndarray) -> float:
    """Return the least ink to any other class by SciPy's HiGHS, one linear program a class."""
    from scipy.optimize import linprog

    x, costs = frame.ravel(), []
    source = int(reader.raw_prediction(frame[None])[0].argmax())
    for target in range(len(reader.classes)):
        if target != source:
            A = reader.coef[target] - np.delete(reader.coef, target, axis=0)
            r = 1e-6 - (reader.intercept[target] - np.delete(reader.intercept, target)) - A @ x
            widths = np.concatenate([1.0 - x, x])
            done = linprog(np.ones(2 * len(x)), A_ub=-np.hstack([A, -A]), b_ub=-r, bounds=np.c_[0 * widths, widths])
            costs.append(done.fun if done.status == 0 else np.inf)
    return min(costs)


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000, help="digits for the least-ink flips")
    rows = parser.parse_args().rows
    X, y, digits, name = data()
    C = 50 / len(y)
    model = SoftmaxRegression(C=C, tol=1e-2, time_budget=60).fit(X / 255, y)
    reader = DigitReader(model.coef_, model.intercept_, tuple(model.classes_), (28, 28))
    frames = digits[:rows] / 255
    few = frames[:SAMPLE]
    print(f"{name}, model {model.status_} at {model.dual_gap_:.1e}", file=sys.stderr)

    lines = []
    found, seconds = timed(lambda f: explain(reader, f).contributions.sum(axis=(1, 2)), frames)
    worst = np.abs(np.array(found) + reader.intercept - reader.raw_prediction(frames)).max()
    lines.append(row("evidence for all classes", seconds, f"sums to z within {worst:.0e}", "1 ms"))
    found, seconds = timed(lambda f: flip(reader, f), frames)
    lines.append(row("least-ink flip, nearest class", seconds, proof(found), "10 ms, p99 50 ms"))
    targets = iter(np.random.default_rng(0).integers(1, 10, len(few)))
    answers = reader.raw_prediction(few).argmax(axis=1)
    chosen = [(f, reader.classes[(a + next(targets)) % 10]) for f, a in zip(few, answers, strict=True)]
    found, seconds = timed(lambda pair: flip(reader, *pair), chosen)
    lines.append(row("least-ink flip, chosen class", seconds, proof(found), ""))
    for norm, words in (("energy", "least-energy flip"), ("pixels", "fewest-pixels flip")):
        found, seconds = timed(lambda f, norm=norm: flip(reader, f, norm=norm), few)
        lines.append(row(f"{words}, nearest class", seconds, proof(found), ""))
    peer, peer_seconds = timed(lambda f: by_linprog(reader, f), few[:10])
    ours, _ = timed(lambda f: flip(reader, f).cost, few[:10])
    apart = np.abs(np.array(peer) - ours).max()
    lines.append(row("the same by scipy.optimize.linprog", peer_seconds, f"differs by at most {apart:.0e} ink", ""))
    found, seconds = timed(lambda f: strokes(reader, f), few[:30])
    lines.append(row("best strokes, every class", seconds, "pen of 2 pixels, drawn and erased", "300 ms"))
    voters = Voters(reader, X, y, C=C)
    found, seconds = timed(voters.votes, few[:30])
    lines.append(row(f"votes of {len(y):,} rows", seconds, "", "100 ms"))
    began = time.perf_counter()
    radii = robustness(reader, frames)
    each = (time.perf_counter() - began) / len(frames)
    middle = {measure: levels[0.5] for measure, levels in radii.quantiles().items()}
    note = ", ".join(f"median {measure} {value:.3g}" for measure, value in middle.items())
    lines.append(["exact radii L1, L2, Linf", f"{len(frames):,}", f"{1000 * each:.2f} ms", "", note, ""])
    header = ["what", "digits", "median", "p99", "", "goal"]
    write_section("Explanations", f"{name}; L2 model, one digit at a time.\n\n{table(header, lines)}")


if __name__ == "__main__":
    main()
