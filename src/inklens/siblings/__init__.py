"""Siblings of logistic regression: other classifiers on the same rows, and how each of them decides."""
