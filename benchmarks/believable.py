"""Probabilities of real pictures: of the answers given with 90 %, are nine in ten right? And what is no handwriting?

INKLENS_MNIST=idx:FOLDER INKLENS_PHOTOS=FOLDER python benchmarks/believable.py

INKLENS_PHOTOS is a folder of labelled pictures with manifest.csv (local_file, kind, label, repo). The readers saw none
of them. A temperature is fitted on all sources but one and judged on that one, for each in turn.
"""

import csv
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import _pages
import numpy as np
from photos import fit_models, open_pictures
from results import table, write_section

from inklens import load_dataset
from inklens.evaluation.calibration import Calibration, Temperature
from inklens.evaluation.intervals import proportion
from inklens.photos import locate, normalise
from inklens.photos.features import compute
from inklens.tasks.reading import load_reader

# z (n_pictures, n_classes) scores, codes (n_pictures,) true digit, sources (n_pictures,) who published the picture

FIGURE = Path(__file__).with_name("believable.png")
EDGES = (0.0, 0.5, 0.8, 0.9, 0.99, 1.0)
MADE_SEED = 2  # of pages that no limit was set on
MADE_PAGES = 60  # of each kind


def leave_one_source_out(z: np.ndarray, codes: np.ndarray, sources: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return probabilities under temperatures that never saw a picture's own source, and those temperatures."""
    proba, temperatures = np.zeros_like(z), []
    for source in np.unique(sources):
        own = sources == source
        temperature = Temperature.fit(z[~own], codes[~own])
        proba[own] = temperature.proba(z[own])
        temperatures.append(temperature.value)
    return proba, temperatures


def bins(proba: np.ndarray, codes: np.ndarray) -> list[list[str]]:
    """Return for each range of stated probability: answers, stated on average, right, and its 95 % interval."""
    stated, right = proba.max(axis=1), proba.argmax(axis=1) == codes
    rows = []
    for low, high in pairwise(EDGES):
        inside = (stated >= low) & ((stated < high) | (high == 1.0))
        if inside.any():
            share = proportion(int(right[inside].sum()), int(inside.sum()))
            values = [100 * value for value in (stated[inside].mean(), share.value, share.low, share.high)]
            mean, value, least, most = (f"{value:.1f}" for value in values)
            rows.append(
                [f"{100 * low:.0f} to {100 * high:.0f} %", f"{inside.sum()}", mean, value, f"{least} to {most}"]
            )
    return rows


def summary(name: str, proba: np.ndarray, codes: np.ndarray) -> list[str]:
    """Return one row of the comparison."""
    seen = Calibration(proba, codes)
    stated, right = proba.max(axis=1), proba.argmax(axis=1) == codes
    near = (stated >= 0.9) & (stated < 0.99)
    return [
        name,
        f"{100 * seen.accuracy.value:.1f}",
        f"{100 * seen.mean_confidence:.1f}",
        f"{int(near.sum())}: {100 * stated[near].mean():.1f} stated, {100 * right[near].mean():.1f} right",
        f"{seen.expected_error:.4f} ({seen.chance_error:.4f})",
        f"{seen.log_loss:.4f}",
    ]


def draw(proba: np.ndarray, codes: np.ndarray) -> None:
    """Draw stated against right, with the intervals."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rows = bins(proba, codes)
    stated, right = (np.array([float(row[k]) for row in rows]) for k in (2, 3))
    low, high = (np.array([float(row[4].split(" to ")[k]) for row in rows]) for k in (0, 1))
    figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
    ax.plot([50, 100], [50, 100], color="0.6", lw=1, label="as sure as it is right")
    ax.errorbar(stated, right, [right - low, high - right], fmt="o", capsize=3, color="#1b6ca8", label="95 % interval")
    for x, y, row in zip(stated, low, rows, strict=True):
        ax.annotate(row[1], (x, y), textcoords="offset points", xytext=(0, -14), ha="center", fontsize=9)
    ax.set(xlabel="Stated probability, mean of a range (%)", ylabel="Right answers (%)", xlim=(50, 102), ylim=(0, 103))
    ax.set_title("Real pictures, the reader that ships\n(numbers: answers in the range)")
    ax.legend(loc="lower right", frameon=False)
    figure.savefig(FIGURE, dpi=110)


def pages(images: np.ndarray, folder: Path) -> str:
    """Count what is taken for a page of handwriting: made pages that no limit was set on, and the real ones."""
    rng = np.random.default_rng(MADE_SEED)
    made = [("handwritten digits, made", _pages.handwritten(rng, images)) for _ in range(MADE_PAGES)]
    made += [(f"{kind}, made", page) for kind, page in _pages.not_handwriting(rng, MADE_PAGES)]
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "multi"]
    made += [("handwritten digits, real", folder / row["local_file"]) for row in rows]
    n_pages, refused, answers, digits = Counter(), Counter(), Counter(), Counter()
    for kind, page in made:
        found = [seen for line in locate(page, many=True) for seen in line]
        n_pages[kind] += 1
        digits[kind] += len(found)
        answers[kind] += sum(seen.accepted for seen in found)
        refused[kind] += not any(seen.accepted for seen in found)
    head = ["pages", "of them refused as a whole", "signs found", "answered"]
    return table(["kind", *head], [[k, n_pages[k], refused[k], digits[k], answers[k]] for k in n_pages])


def main() -> None:
    """Measure and write the section."""
    folder = Path(os.environ["INKLENS_PHOTOS"])
    data = load_dataset(os.environ.get("INKLENS_MNIST", "mnist"))
    rows = [row for row in open_pictures(folder) if row["kind"] != "variant"]
    seen = [normalise(row["source"]) for row in rows]
    frames = np.array([s.frame for s in seen], np.float32)
    codes = np.array([int(row["label"]) for row in rows])
    sources = np.array([row["repo"] for row in rows])
    accepted = np.array([s.accepted for s in seen])
    reader = load_reader()
    scores = {"the reader that ships": reader.raw_prediction(frames)}
    for kind, model in fit_models(data).items():
        scores[f"softmax regression on {kind}"] = np.asarray(model.decision_function(compute(frames, kind)))
    body, temperatures = [], {}
    for name, z in scores.items():
        z, own_codes, own_sources = z[accepted], codes[accepted], sources[accepted]
        body.append(summary(name, Temperature(1.0).proba(z), own_codes))
        cooled, values = leave_one_source_out(z, own_codes, own_sources)
        temperatures[name] = f"{min(values):.2f} to {max(values):.2f}"
        body.append(summary(f"{name}, T {temperatures[name]} from the other sources", cooled, own_codes))
    shipped = Temperature(1.0).proba(scores["the reader that ships"][accepted]), codes[accepted]
    draw(*shipped)
    text = [
        f"{int(accepted.sum())} of {len(rows)} real pictures from {len(set(sources))} sources are accepted; no reader "
        "has seen one of them. Stated and right in %, the reader that ships, its probabilities as they are:",
        table(["stated", "answers", "stated on average", "right", "95 % interval"], bins(*shipped)),
        "![Stated probability against right answers](believable.png)",
        "The same after one temperature for pictures, fitted on the other sources (expected calibration error, and in "
        "brackets what chance alone gives on so few):",
        table(["reader", "right", "stated", "answers of 90 to 99 %", "calibration error", "log loss"], body),
        "Read as a page (`--many`):",
        pages(data.images()[60_000:], folder),
    ]
    write_section("Believable probabilities", "\n\n".join(text))


if __name__ == "__main__":
    main()
