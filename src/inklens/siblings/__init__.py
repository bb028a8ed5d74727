"""Siblings of logistic regression: other classifiers on the same rows, raced against ours, each saying how it decides."""
