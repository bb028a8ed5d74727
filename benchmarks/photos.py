"""The photo path: how many digits are read right, under which recipe and features, and how fast.

INKLENS_MNIST=idx:FOLDER INKLENS_PHOTOS=FOLDER python benchmarks/photos.py

INKLENS_PHOTOS is a folder of labelled pictures with manifest.csv (local_file, kind, label, repo); without it only
synthetic photos are scored. INKLENS_MNIST is a data spec; `mnist` by default.
"""

import csv
import io
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import _paper as paper
import numpy as np
from _costs import costs
from PIL import Image
from results import table, write_section

from inklens import SoftmaxRegression, load_dataset
from inklens.photos import FEATURES, locate, normalise
from inklens.photos.features import compute
from inklens.tasks.reading import load_reader

REFUSED_SEEDS = (1, 801, 802, 803, 804)  # of 200 made pictures without a digit each; no limit was set on any of them
RECIPES = ("tutorial", "otsu", "faithful")
C = {"pixels": 0.5, "upright": 0.3, "strokes": 0.5}


def fit_models(data) -> dict[str, SoftmaxRegression]:
    """Fit one softmax regression for each kind of features on MNIST's training digits."""
    frames, y = data.images()[:60_000] / np.float32(255), data.y[:60_000]
    return {kind: SoftmaxRegression(C=C[kind], tol=1e-2).fit(compute(frames, kind), y) for kind in FEATURES}


def open_pictures(folder: Path, *, reject: bool = False) -> list[dict]:
    """Return the rows of the manifest with one digit each, or those of what is no digit."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {**row, "source": folder / row["local_file"]}
        for row in rows
        if row["kind"] != "multi" and (row["kind"] == "reject") == reject
    ]


def synthetic(data, count: int = 60) -> list[dict]:
    """Return synthetic photos of MNIST's test digits."""
    rng = np.random.default_rng(7)
    return [
        {
            "kind": f"synthetic {kind}",
            "label": str(data.y[i]),
            "source": paper.photo(data.images(i), rng, kind),
            "repo": "",
        }
        for kind in paper.KINDS
        for i in rng.integers(60_000, 70_000, count)
    ]


def accuracies(rows: list[dict], models: dict[str, SoftmaxRegression], recipe: str) -> dict[str, dict[str, float]]:
    """Return for each kind of features the share read right: by kind of picture, and as mean over sources."""
    frames = np.array([normalise(row["source"], recipe=recipe).frame for row in rows], np.float32)
    result = {}
    for features, model in models.items():
        right = model.predict(compute(frames, features)) == [row["label"] for row in rows]
        groups = defaultdict(list)
        for row, hit in zip(rows, right, strict=True):
            groups[row["kind"]].append(hit)
            if row["repo"] and row["kind"] != "variant":
                groups["all real"].append(hit)
                groups[f"source {row['repo']}"].append(hit)
        means = {name: 100 * float(np.mean(hits)) for name, hits in groups.items()}
        sources = [means.pop(name) for name in list(means) if name.startswith("source ")]
        result[features] = {**means, **({"mean over sources": float(np.mean(sources))} if sources else {})}
    return result


def accuracy_table(rows: list[dict], models: dict[str, SoftmaxRegression]) -> str:
    """Score every recipe with every kind of features."""
    scores = {recipe: accuracies(rows, models, recipe) for recipe in RECIPES}
    kinds = list(scores["faithful"]["pixels"])
    head = ["pictures", *(f"{recipe}, {features}" for recipe in RECIPES for features in FEATURES)]
    body = [[kind, *(f"{scores[r][f][kind]:.1f}" for r in RECIPES for f in FEATURES)] for kind in kinds]
    return table(head, body)


def mnist_table(data, models: dict[str, SoftmaxRegression]) -> str:
    """Score MNIST's test digits as they are, and a thousand of them through the photo path."""
    frames, y = data.images()[60_000:] / np.float32(255), data.y[60_000:]
    through = np.array([normalise(image).frame for image in data.images()[60_000:61_000]], np.float32)
    body = []
    for kind, model in models.items():
        right = model.predict(compute(frames, kind)) == y
        passed = model.predict(compute(through, kind)) == y[:1000]
        body.append(
            [kind, f"{100 * right.mean():.2f}", f"{100 * right[:1000].mean():.1f}", f"{100 * passed.mean():.1f}"]
        )
    return table(["features", "10,000", "first 1,000", "those through the photo path"], body)


def refusals(rows: list[dict]) -> str:
    """Count what is accepted of pictures without a digit, and what is refused of those with one."""
    accepted: dict[str, list[bool]] = defaultdict(list)
    for seed in REFUSED_SEEDS:
        for name, picture in paper.not_digits(np.random.default_rng(seed), 200):
            accepted[f"{name}, made"].append(normalise(picture).accepted)
    for row in rows:
        accepted[row["kind"]].append(normalise(row["source"]).accepted)
    return table(["pictures", "accepted", "of"], [[kind, sum(hits), len(hits)] for kind, hits in accepted.items()])


def phone_photo(width: int, height: int) -> bytes:
    """Return a JPEG as a phone takes it: paper with grain, uneven light, one real digit."""
    rng = np.random.default_rng(0)
    digit = paper.thick_ink(load_dataset("embedded").images(3), height // 3, 0.0, 0.0, 0.05)
    photo = 0.8 * paper.light(rng, height, width, 0.5)
    top, left = height // 4, width // 4
    photo[top : top + len(digit), left : left + digit.shape[1]] *= 1 - 0.6 * digit
    photo += rng.normal(0, 0.015, photo.shape)
    buffer = io.BytesIO()
    Image.fromarray((np.clip(photo, 0, 1) * 255).astype(np.uint8)).convert("RGB").save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def page_of_digits(rows: int, cols: int, size: tuple[int, int] = (3000, 4000)) -> bytes:
    """Return a JPEG of a page with that many real digits, in rows."""
    rng, digits = np.random.default_rng(0), load_dataset("embedded")
    height, width = size
    photo = 0.8 * paper.light(rng, height, width, 0.5)
    side = int(0.6 * min(height / rows, width / cols))
    for row, col in np.ndindex(rows, cols):
        image = digits.images(int(rng.integers(len(digits))))
        ink = paper.thick_ink(image, side, rng.uniform(-0.04, 0.06), rng.normal(0, 0.06), rng.normal(0, 0.05))
        top = int((row + 0.5) * height / rows - ink.shape[0] / 2)
        left = max(0, int((col + 0.5) * width / cols - ink.shape[1] / 2))
        photo[top : top + ink.shape[0], left : left + ink.shape[1]] *= 1 - 0.6 * ink
    photo += rng.normal(0, 0.012, photo.shape)
    buffer = io.BytesIO()
    Image.fromarray((np.clip(photo, 0, 1) * 255).astype(np.uint8)).convert("RGB").save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def read_many(data: bytes, times: int) -> float:
    """Read the same photo some times and return the CPU seconds of one; runs in a worker process, too."""
    reader = load_reader()
    began = time.process_time()
    for _ in range(times):
        reader.read(data)
    return (time.process_time() - began) / times


def speeds() -> list[list[str]]:
    """Time one large photo, many ordinary ones on two cores, a page, and ready frames."""
    large, ordinary = phone_photo(4000, 3000), phone_photo(1632, 1224)
    read_many(large, 1)
    began = time.perf_counter()
    read_many(large, 5)
    one = (time.perf_counter() - began) / 5
    cpu = min(read_many(large, 1) for _ in range(9))
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(read_many, [ordinary] * 2, [2] * 2))
        began = time.perf_counter()
        list(pool.map(read_many, [ordinary] * 2, [60] * 2))
        rate = 120 / (time.perf_counter() - began)
        each = min(pool.map(read_many, [ordinary] * 12, [5] * 12))
    frames = np.random.default_rng(0).random((20_000, 28, 28), np.float32)
    reader = load_reader()
    reader.predict(frames[:256])
    began = time.perf_counter()
    reader.predict(frames)
    ready = len(frames) / (time.perf_counter() - began)
    began = time.perf_counter()
    locate(large, many=True)
    page = time.perf_counter() - began
    full = page_of_digits(20, 25)
    began = time.perf_counter()
    found = sum(map(len, reader.read_lines(full, many=True)))
    digits = time.perf_counter() - began
    return [
        ["12-megapixel phone JPEG read", f"{1000 * one:.0f} ms ({1000 * cpu:.0f} ms of CPU)", "150 ms"],
        [
            "2-megapixel photos read, two processes",
            f"{rate:.0f} a second ({1000 * each:.1f} ms of CPU each)",
            "100 a second",
        ],
        ["12-megapixel page searched for digits", f"{1000 * page:.0f} ms", ""],
        [f"12-megapixel page with 500 digits read, {found} found", f"{digits:.2f} s", ""],
        ["ready frames read with `strokes`", f"{ready:,.0f} a second", "20,000 a second"],
    ]


def main() -> None:
    """Measure and write the section."""
    data = load_dataset(os.environ.get("INKLENS_MNIST", "mnist"))
    models = fit_models(data)
    folder = os.environ.get("INKLENS_PHOTOS")
    rows = synthetic(data) + (open_pictures(Path(folder)) if folder else [])
    text = [
        "Digits read right, in %, by softmax regressions on MNIST's 60,000 training digits:",
        accuracy_table(rows, models),
        "MNIST's test digits, in %:",
        mnist_table(data, models),
        "Accepted, before any classifier is asked:",
        refusals(rows + (open_pictures(Path(folder), reject=True) if folder else [])),
        table(["what", "measured", "goal"], speeds()),
        "The largest files, by kind and megapixels, read as a page, each in a process of its own (goals: 1 s, 200 MB "
        "above what interpreter and libraries take, 250 MB in all):",
        table(
            ["file", "size", "answer", "CPU", "memory above", "in all"],
            list(costs({"JPEG, 12, 500 digits": page_of_digits(20, 25)})),
        ),
    ]
    write_section("Photos", "\n\n".join(text))


if __name__ == "__main__":
    main()
