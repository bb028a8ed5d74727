"""What a model says of itself to those who do not open its file: card, certificate, penalty and accuracies."""

from collections.abc import Mapping
from typing import Protocol

from inklens.model.records import FitRecord
from inklens.reprs import Card


class Summarised(Protocol):
    """A model that knows how it was fitted: a `DigitReader`, or what looks like one."""

    @property
    def fit_record(self) -> FitRecord | None: ...
    def recorded(self, part: str) -> Mapping[str, object]: ...
    def _card(self) -> Card: ...


def summary(model: Summarised) -> dict[str, object]:
    """Return "card", "certificate", "penalty" and "accuracy" as JSON has them; None for what is not known."""
    card = model._card()
    return {
        "card": {"title": card.title, "facts": {name: str(value) for name, value in card.facts.items()}},
        **proof(model.fit_record, model.recorded("accuracy")),
    }


def proof(record: FitRecord | None, recorded: Mapping[str, object]) -> dict[str, object]:
    """Return certificate, penalty and accuracy, which follow from the records."""
    proven = None if record is None else record.certificate
    shares = {half: recorded.get(half) for half in ("train", "test")}
    return {
        "certificate": None if proven is None else {**proven.numbers(), "status": proven.status},
        "penalty": None if record is None else _penalty(record),
        "accuracy": {half: share if isinstance(share, float) else None for half, share in shares.items()},
    }


def _penalty(record: FitRecord) -> dict[str, object]:
    found: dict[str, object] = {
        "C": record.C if record.is_penalised else "inf",
        "l1_ratio": record.l1_ratio,
        "group": record.group,
    }
    return {**found, "standardize": True} if record.standardize else found
