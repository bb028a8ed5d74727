"""Fit a model again with corrected labels: what ``inklens refit`` does."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inklens.datasets.relabel import NOTHING
from inklens.errors import ParameterError
from inklens.linear.driver import Solution
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.tasks.session import Part, Session


@dataclass(frozen=True, eq=False)
class Refit:
    """A model before and after its labels were corrected, both judged on the corrected rows."""

    n_relabelled: int
    n_dropped: int
    before: dict[str, float]  # accuracy by half
    after: dict[str, float]
    answers_changed: dict[str, int]
    agrees: int  # relabelled training rows that the new model reads as their new label
    agreed: int  # and the old model did
    largest_change: float  # of a coefficient
    model: str

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens refit --json``."""
        return {"schema_version": 1, **self.__dict__}


def refit(
    reader: DigitReader,
    table: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    data: str | None = None,
    progress: Progress | None = None,
    callback: Callable[[Solution], object] | None = None,
) -> Refit:
    """Fit a model again with the labels of a relabel file, as it was fitted before, and say what changed.

    Raises
    ------
    ParameterError, DataError, OutputError
        The file, the data or the model do not fit together; nothing is written then.
    """
    from inklens.tasks.models import fit

    data_record = reader.data_record
    if data_record.spec is None:
        raise ParameterError("this model does not say how it was fitted; fit one with inklens fit")
    record = reader.require_fit_record()
    result = fit(
        data or data_record.spec,
        out=out,
        train=data_record.train,
        test=data_record.test,
        seed=data_record.seed,
        add=None if data_record.added is None else data_record.added.folder,
        relabel=table,
        C=record.C,
        l1_ratio=record.l1_ratio,
        group=record.group,
        scale=record.scale,
        standardize=record.standardize,
        features=reader.features,
        tol=record.tol,
        start=reader,
        progress=progress,
        callback=callback,
    )
    return _compare(reader, result.reader, data, os.fspath(out))


def _compare(old: DigitReader, new: DigitReader, data: str | None, out: str) -> Refit:
    session = Session.of(new, data=data)
    changed, rows = new.data_record.relabelled or NOTHING, session.split
    halves: tuple[Part, ...] = ("train", "test")
    labels = {"train": rows.y_train, "test": rows.y_test}
    answers = {half: [reader.predict(session.frames(half)) for reader in (old, new)] for half in halves}
    relabelled = np.isin(rows.train_index, list(changed.labels))
    agreed, agrees = (int((a == rows.y_train)[relabelled].sum()) for a in answers["train"])
    return Refit(
        n_relabelled=len(changed.labels),
        n_dropped=len(changed.dropped),
        before={half: float(np.mean(answers[half][0] == labels[half])) for half in halves},
        after={half: float(np.mean(answers[half][1] == labels[half])) for half in halves},
        answers_changed={half: int(np.sum(a != b)) for half, (a, b) in answers.items()},
        agrees=agrees,
        agreed=agreed,
        largest_change=float(np.abs(new.coef - old.coef).max()) if new.coef.shape == old.coef.shape else np.inf,
        model=out,
    )
