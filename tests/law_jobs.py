"""Fixed jobs for laws about passes: handwriting, text and standardised pixels, each the same on every run."""

import numpy as np
from scipy import sparse

from inklens.datasets.embedded import load_embedded


def digits(n_samples=2000):
    """Some embedded digits as (pixels / 255, labels)."""
    found = load_embedded()
    return found.X[:n_samples].astype(np.float32) / 255.0, found.y[:n_samples]


def text(n_samples=3000, n_features=2000, n_classes=6):
    """Rows of words whose frequencies follow Zipf's law, CSR float32 of unit length, and noisy labels."""
    rng = np.random.default_rng(0)
    frequency = np.minimum(0.5, 1.0 / np.arange(1, n_features + 1) ** 0.8)
    X = rng.random((n_samples, n_features)) * (rng.random((n_samples, n_features)) < frequency)
    X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-9)
    scores = X @ rng.normal(size=(n_features, n_classes)) * 3.0 + 0.3 * rng.gumbel(size=(n_samples, n_classes))
    return sparse.csr_array(X.astype(np.float32)), scores.argmax(axis=1)


def standardised(n_samples=3000):
    """Pixels of unit variance: some are inked in one row of thousands and reach 50 and more there."""
    rng = np.random.default_rng(1)
    X, y = digits(5000)
    drawn = rng.integers(0, len(X), n_samples)
    X, y = X[drawn] * rng.uniform(0.6, 1.0, (n_samples, 1)), y[drawn]
    rare = rng.choice(X.shape[1], 60, replace=False)
    X[:, rare] = 0.0
    for column in rare:
        X[rng.choice(n_samples, int(rng.integers(1, 4)), replace=False), column] = rng.uniform(0.5, 1.0)
    X = X - X.mean(axis=0)
    spread = X.std(axis=0)
    return (X[:, spread > 0.0] / spread[spread > 0.0]).astype(np.float32), y
