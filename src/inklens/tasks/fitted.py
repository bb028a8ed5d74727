"""What a fit found, in words and as JSON."""

from dataclasses import asdict, dataclass

from inklens.linear.driver import Solution
from inklens.reader import DigitReader
from inklens.tasks.halves import Halves


@dataclass(frozen=True)
class OnWorkers:
    """What a fit on a cluster took."""

    workers: int  # at its end
    workers_lost: int
    rounds: int  # coefficients out, sums back
    megabytes: float  # of these
    rows_per_second: float  # in passes

    @classmethod
    def of(cls, halves: Halves, solution: Solution) -> "OnWorkers | None":
        """Return it for rows on workers; None for rows that are here."""
        if halves.far is None:
            return None
        traffic, n_workers = halves.far.traffic, len(halves.far.client.scheduler_info(n_workers=-1)["workers"])
        rate = halves.far.n_samples * solution.n_passes / max(solution.seconds, 1e-9)
        return cls(n_workers, traffic.n_lost, traffic.n_rounds, traffic.n_bytes / 1e6, rate)

    def in_words(self) -> str:
        """Say it in one line."""
        lost = f", {self.workers_lost} lost on the way" if self.workers_lost else ""
        moved = f"{self.rounds:,} rounds, {self.megabytes:,.0f} MB"
        return f"{self.workers}{lost}; {self.rows_per_second:,.0f} rows/s, {moved}"


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model with its certificate and its accuracies."""

    reader: DigitReader
    objective: float
    lower_bound: float
    relative_gap: float
    status: str
    passes: float
    zeros: int  # coefficients that are exactly 0
    accuracy: dict[str, float]
    seconds: float = 0.0
    model: str | None = None
    warnings: tuple[str, ...] = ()
    interrupted: bool = False  # by Ctrl-C: the best model so far
    seconds_allowed: float | None = None
    passes_before: float = 0.0  # of `passes`: those of the fit that this one went on from
    workers: OnWorkers | None = None
    checkpoint: str | None = None  # that is left, to go on from

    @property
    def features_used(self) -> int:
        """Features (pixels, for a model on pixels) with a coefficient that is not 0 in some class."""
        return int((self.reader.coef != 0.0).any(axis=0).sum())

    def in_words(self) -> list[list[str]]:
        """Say what was fitted to what, as pairs of a name and its value."""
        asked, data = self.reader.require_fit_record(), self.reader.data_record
        added = f" + {data.added.rows:,} of {data.added.folder}" if data.added else ""
        used = f"{self.reader.features}, {self.features_used:,} of {self.reader.coef.shape[1]:,} used"
        if asked.is_stretched:
            used += ", each stretched to its range (min-max)"
        return [
            ["penalty", asked.penalty_in_words()],
            ["features", used],
            ["data", str(data.name)],
            ["rows", f"{data.train:,}{added} training, {data.test:,} test, shuffled with seed {data.seed}"],
        ]

    def stop_in_words(self) -> str:
        """Say where the fit stopped, and why there."""
        gap, tol = f"gap {self.relative_gap:.2e}", self.reader.require_fit_record().tol
        if self.status == "certified":
            return f"{gap}, proven to be at most tol = {tol:g} (certified)"
        if self.status == "separated":
            return f"{gap}: a direction separates the classes, so the objective has no smallest value (separated)"
        if self.interrupted:
            return f"{gap}, above tol = {tol:g}: by Ctrl-C (stopped)"
        if self.seconds_allowed is not None:
            return f"{gap}, above tol = {tol:g}: the time budget of {self.seconds_allowed:g} s was over (stopped)"
        return f"{gap}, above tol = {tol:g}: no further progress (stopped)"

    def fitted_json(self) -> dict[str, object]:
        """Return what was fitted to what, and why it stopped there."""
        asked, data = self.reader.require_fit_record(), self.reader.data_record
        return {
            "C": asked.C if asked.is_penalised else "inf",
            "l1_ratio": asked.l1_ratio,
            "group": asked.group,
            "tol": asked.tol,
            "penalty": asked.penalty_in_words(),
            "features": self.reader.features,
            "scale": asked.scale,
            "standardize": asked.standardize,
            "n_features": self.reader.coef.shape[1],
            "features_used": self.features_used,
            "rows": {"train": data.train, "test": data.test, "added": 0 if data.added is None else data.added.rows},
            "stopped": self.stop_in_words(),
        }

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens fit --json``."""
        names = (
            "objective",
            "lower_bound",
            "relative_gap",
            "status",
            "passes",
            "seconds",
            "zeros",
            "accuracy",
            "model",
        )
        numbers = {name: getattr(self, name) for name in names}
        cluster = {} if self.workers is None else {"cluster": asdict(self.workers)}
        resumed = {"passes_before": self.passes_before} if self.passes_before else {}
        words = {"fitted": self.fitted_json(), "warnings": list(self.warnings)}
        return {"schema_version": 1, **numbers, **resumed, **cluster, **words}
