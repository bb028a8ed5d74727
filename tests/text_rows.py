"""Rows as text has them: Zipf columns, rows of unit length, classes with words of their own."""

import numpy as np
from scipy import sparse


def text_rows(n_samples=3000, n_features=20_000, n_classes=6, filled=0.002, own_words=0.3):
    """Return term weights (n_samples, n_features) as CSR and class numbers; the share `filled` is an upper bound."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, n_classes, n_samples)
    n_words = rng.poisson(n_features * filled, n_samples) + 1
    frequency = 1.0 / np.arange(1, n_features + 1)
    preference = rng.gamma(own_words, size=(n_classes, n_features))
    rows, columns = [], []
    for k in range(n_classes):
        own = np.flatnonzero(codes == k)
        share = np.cumsum(frequency * preference[k])
        rows.append(np.repeat(own, n_words[own]))
        columns.append(np.searchsorted(share, rng.random(n_words[own].sum()) * share[-1]))
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    counts = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n_samples, n_features))
    counts.sum_duplicates()
    counts.data = 1.0 + np.log(counts.data)
    lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    return sparse.csr_array(sparse.diags_array(1.0 / lengths) @ counts), codes
