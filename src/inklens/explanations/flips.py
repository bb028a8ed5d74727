"""Flips: the smallest change of ink that makes a model answer another class, with a proof that none is smaller.

On pixels the scores are linear in the frame x, so "class t beats every other class l by the margin" is

    (w_t - w_l) . (x + d)  >=  margin - (b_t - b_l)     for every l,   with  0 <= x + d <= 1,

a program of n_classes - 1 constraints (see `programs`), of which only those are written down that a change would break
otherwise. For a plausible flip the upper limits are lower (see `plausible`), and the proof is one for that smaller box.
On other features a flip is searched (see `searched`); it is checked by running the model, and its lower bound is 0:
nothing is proven.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from inklens.colours import CHANGED
from inklens.errors import NoFlipError, ParameterError
from inklens.explanations import programs, searched
from inklens.explanations.programs import EPS, Program, Solved
from inklens.linear.softmax import softmax
from inklens.model.linear_model import LinearModel
from inklens.reprs import Card, Shown, Tile, ink_tile, listed, map_tile, percent

MOST_MARGIN = 1e100  # squares of what lies beyond are no numbers any more
MARGIN = 1e-6  # log-odds; exceeds the rounding of a score in any order of summation, and changes no probability visibly
OPTIMAL_GAP = 1e-6  # relative gap up to which a flip is called optimal
MAX_SEARCHED = 3  # classes with the highest scores that a search tries when none is asked for
MOST_EXTRA = 1e10 * EPS  # of all terms of a score difference, beyond what is needed; more is no rounding
RIVALS_AT_ONCE = 8  # that come into a program: once the worst are beaten, few others are left


@dataclass(frozen=True, eq=False, repr=False)
class InkChange(Shown):
    """A frame before and after, ink = 1, and what was changed."""

    frame: npt.NDArray[np.float64]  # (rows, cols)
    flipped: npt.NDArray[np.float64]  # (rows, cols)

    @property
    def change(self) -> npt.NDArray[np.float64]:
        """Ink added (positive) and erased (negative), (rows, cols)."""
        return self.flipped - self.frame

    @property
    def added(self) -> float:
        """Ink added, in full pixels."""
        return float(np.maximum(self.change, 0.0).sum())

    @property
    def erased(self) -> float:
        """Ink erased, in full pixels."""
        return float(np.maximum(-self.change, 0.0).sum())

    @property
    def ink_changed(self) -> float:
        """Ink added plus ink erased, in full pixels."""
        return float(np.abs(self.change).sum())

    @property
    def pixels_changed(self) -> int:
        """Number of pixels that differ."""
        return int(np.count_nonzero(self.change))

    def _card(self) -> Card:
        facts = {
            "ink": f"{self.added:.2f} full pixels added, {self.erased:.2f} erased",
            "pixels": f"{self.pixels_changed} of {self.frame.size} changed",
        }
        return Card(type(self).__name__, facts, self._tiles("before", "after"), "Violet ink is added, gold erased.")

    def _tiles(self, before: str, after: str) -> list[Tile]:
        change = np.where(self.change == 0.0, 1e-12, self.change)  # unchanged pixels are white, not black
        return [
            ink_tile(self.frame, before, alt="the picture before"),
            map_tile(change, "change", scale=1.0, alt="violet where ink is added, gold where erased", colours=CHANGED),
            ink_tile(self.flipped, after, alt="the picture after"),
        ]


@dataclass(frozen=True, eq=False, repr=False)
class Flip(InkChange):
    """A changed frame that the model answers differently, and how small a change could be at best.

    Parameters
    ----------
    frame, flipped : array (rows, cols)
        Before and after, ink = 1.
    classes : tuple of str
        Class names, in the order of the scores.
    z_before, z_after : array (n_classes,)
        Raw predictions of the model itself.
    target : str
        The class that was asked for, or the nearest.
    norm : {"ink", "energy", "pixels"}
        What was to be small.
    lower_bound : float
        No change of less than this, in the same measure as `cost`, reaches the target with the margin.
    highest : array (rows, cols), optional
        The most ink that each pixel was allowed, where only plausible changes were; 1 everywhere if not given.
        The lower bound is one for changes within it.
    """

    classes: tuple[str, ...]
    z_before: np.ndarray
    z_after: np.ndarray
    target: str
    norm: str
    lower_bound: float
    highest: np.ndarray | None = None

    @property
    def plausible(self) -> bool:
        """Whether only plausible changes were allowed."""
        return self.highest is not None

    @property
    def source(self) -> str:
        """The answer before."""
        return self.classes[int(self.z_before.argmax())]

    @property
    def cost(self) -> float:
        """The size of the change in the norm that was asked for; "energy" is the sum of squares."""
        return NORMS[self.norm].cost(self.change)

    @property
    def gap(self) -> float:
        """How far above the proven bound the cost may be, relative to the cost."""
        return (self.cost - self.lower_bound) / self.cost if self.cost > 0.0 else 0.0

    @property
    def optimal(self) -> bool:
        """Whether the proof closes: the gap is at most 1e-6."""
        return self.gap <= OPTIMAL_GAP

    @property
    def margin(self) -> float:
        """Log-odds of the target against the next best class, after."""
        return class_margin(self.z_after, self.classes.index(self.target))

    def _card(self) -> Card:
        p_before, p_after = softmax(np.stack([self.z_before, self.z_after]))
        source, target = self.classes.index(self.source), self.classes.index(self.target)
        proof = (
            f"no smaller change exists{' within the plausible' if self.plausible else ''} (relative gap {self.gap:.0e})"
            if self.optimal
            else f"no change below {self.lower_bound:.4g} does it; this one was searched"
        )
        facts = {
            "before": f"{self.source} {percent(p_before[source])}",
            "after": f"{self.target} {percent(p_after[target])}",
            **super()._card().facts,
            "size": f"{self.cost:.4g} ({self.norm})",
            "proof": proof,
        }
        tiles = self._tiles(f"{self.source} before", f"{self.target} after")
        return Card(f"Flip: {self.source} becomes {self.target}", facts, tiles, "Violet ink is added, gold erased.")

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens flip --json`` without the file name."""
        return {
            "from": self.source,
            "to": self.target,
            "norm": self.norm,
            "plausible": self.plausible,
            "highest": None if self.highest is None else self.highest.tolist(),
            "frame": self.frame.tolist(),
            "flipped": self.flipped.tolist(),
            "cost": self.cost,
            "lower_bound": self.lower_bound,
            "optimal": self.optimal,
            "ink_changed": self.ink_changed,
            "added": self.added,
            "erased": self.erased,
            "pixels_changed": self.pixels_changed,
            "margin": self.margin,
            "z": {
                c: {"before": float(b), "after": float(a)}
                for c, b, a in zip(self.classes, self.z_before, self.z_after, strict=True)
            },
        }


def flip(
    reader: LinearModel,
    photo_or_frame: object,
    to: str | None = None,
    *,
    norm: str = "ink",
    margin: float = MARGIN,
    plausible: Mapping[str, np.ndarray] | None = None,
) -> Flip:
    """Return the smallest change of ink that makes the model answer another class.

    Parameters
    ----------
    reader : LinearModel
        The model, such as a `DigitReader`. Only on pixels can a flip be proven; on other features it is searched.
    photo_or_frame : path, bytes, picture, or float array of the model's image shape in [0, 1]
        As for `explain`.
    to : str, optional
        The class to reach; by default the one that takes the smallest change.
    norm : {"ink", "energy", "pixels"}
        Least total ink added and erased; least sum of squares; or fewest pixels, which is a search whose result may
        lie above its proven lower bound.
    margin : float
        By how much, in log-odds, the class must beat every other.
    plausible : mapping from class to array of the model's image shape in [0, 1], optional
        The most ink that a pixel of a picture of that class may get, as `usual_ink` finds it; what the picture itself
        has there stays allowed. The flip is then the smallest within these limits, and so is what is proven.

    Raises
    ------
    NoFlipError
        No frame with ink from 0 to 1, or none within the plausible limits, gets that answer with that margin, and the
        text says what margin is out of reach; or, on other features, none was found.
    ParameterError
        An unknown class or norm, a margin that is not a number at least 0, or limits of another shape or without a
        class that is tried.

    References
    ----------
    Wachter, Mittelstadt, Russell (2018), Counterfactual explanations without opening the black box, Harvard J. Law
    Technol. 31(2), for the idea; the bound is Lagrange duality, Boyd and Vandenberghe (2004), section 5.1.3.

    Examples
    --------
    >>> from inklens import DigitReader
    >>> reader = DigitReader(np.array([[4.0, 0.0], [0.0, 2.0]]), np.zeros(2), ("a", "b"), (1, 2))
    >>> result = flip(reader, np.array([[0.75, 0.0]]), margin=1.0)
    >>> result.source, result.target, result.flipped.round(6).tolist(), round(result.ink_changed, 6), result.optimal
    ('a', 'b', [[0.0, 0.5]], 1.25, True)
    """
    _check(reader, to, norm, margin)
    frame = reader.frame(photo_or_frame)
    z = reader.raw_prediction(frame[None])[0]
    source = int(z.argmax())
    targets = [k for k in range(len(z)) if k != source] if to is None else [reader.classes.index(to)]
    limits = None if plausible is None else _limits(reader.classes, plausible, targets, frame.shape)
    task = _Task(reader, frame, norm, margin, limits)
    if reader.features == "pixels":
        found = _cheapest(task, z, _by_distance(reader, z, targets))
    else:
        found = _searched(task, sorted(targets, key=lambda k: -z[k])[:MAX_SEARCHED])
    after = reader.raw_prediction(found.flipped[None])[0]
    target, highest = reader.classes[found.target], None if plausible is None else task.highest(found.target)
    return Flip(frame, found.flipped, reader.classes, z, after, target, norm, found.lower_bound, highest)


def class_margin(z: np.ndarray, target: int) -> float:
    """Return the margin of a class: its score less the largest of the others.

    >>> class_margin(np.array([1.0, 4.0, 2.5]), 1)
    1.5
    """
    return float(z[target] - np.delete(z, target).max())


def _best_besides(target: int, z: np.ndarray) -> int:
    """Return the class with the highest score besides the target.

    >>> _best_besides(1, np.array([1.0, 4.0, 2.5]))
    2
    """
    return int(np.where(np.arange(len(z)) == target, -np.inf, z).argmax())


def _check(model: LinearModel, to: str | None, norm: str, margin: float) -> None:
    if to is not None and to not in model.classes:
        raise ParameterError(f"expected a class out of {listed(model.classes)}, got {to!r}")
    if norm not in NORMS:
        raise ParameterError(f"expected a norm out of {', '.join(NORMS)}, got {norm!r}")
    if not 0.0 <= margin <= MOST_MARGIN:
        raise ParameterError(f"a margin is in log-odds, from 0 to {MOST_MARGIN:g}, got {margin:g}; 3 is 95% against 5%")


def _limits(
    classes: tuple[str, ...], plausible: Mapping[str, np.ndarray], targets: list[int], shape: tuple[int, ...]
) -> dict[int, np.ndarray]:
    """Return the limits of the classes that are tried, by number."""
    missing = [classes[k] for k in targets if classes[k] not in plausible]
    if missing:
        raise ParameterError(
            f"plausible needs the most ink of every class that is tried, and {', '.join(missing)} is missing; "
            "take it from images of these classes with usual_ink, or ask for a class that it has"
        )
    limits = {k: np.asarray(plausible[classes[k]], dtype=float) for k in targets}
    for k, most in limits.items():
        if most.shape != shape or not np.all((most >= 0.0) & (most <= 1.0)):
            raise ParameterError(
                f"plausible ink of {classes[k]!r} is an array {shape} within 0..1, "
                f"got one of shape {most.shape}; divide pixels of 0..255 by 255"
            )
    return limits


# ------------------------------------------------------------------------------------------------- norms


@dataclass(frozen=True)
class Norm:
    """One way to measure a change: its cost, its solver, and the bound that multipliers prove."""

    cost: Callable[[np.ndarray], float]
    solve: Callable[[Program, float], Solved]
    bound: Callable[[Program, np.ndarray], float]


class _Costs(TypedDict):
    cost_add: npt.NDArray[np.float64]
    cost_erase: npt.NDArray[np.float64]


def _per_pixel(program: Program) -> _Costs:
    """Costs with which a fully changed pixel costs 1 either way: the relaxation of counting pixels."""
    return {
        "cost_add": 1.0 / np.where(program.addable > 0.0, program.addable, 1.0),
        "cost_erase": 1.0 / np.where(program.erasable > 0.0, program.erasable, 1.0),
    }


def _fewest_pixels(program: Program, cutoff: float) -> Solved:
    """Solve the relaxation, then leave out pixels one by one, the least changed first, while the rest suffices."""
    relaxed = programs.least_ink(program, **_per_pixel(program), cutoff=cutoff)
    if relaxed.change is None:
        return relaxed
    change = relaxed.change
    fraction = np.abs(change) / np.where(
        change > 0.0, program.addable, np.where(program.erasable > 0, program.erasable, 1)
    )
    for pixel in np.argsort(fraction, kind="stable")[np.count_nonzero(change == 0.0) :]:
        kept = change != 0.0
        kept[pixel] = False
        less = Program(program.A, program.r, program.erasable * kept, program.addable * kept, program.magnitudes)
        shorter = programs.least_ink(less, **_per_pixel(less))
        change = change if shorter.change is None else shorter.change
    return Solved(change, relaxed.multipliers)


def _fewest_pixels_bound(program: Program, multipliers: np.ndarray) -> float:
    """Round the relaxation's bound up: pixels are counted in whole numbers."""
    return float(np.ceil(programs.least_ink_bound(program, multipliers, **_per_pixel(program)) - 1e-9))


NORMS = {
    "ink": Norm(
        cost=lambda change: float(np.abs(change).sum()),
        solve=lambda program, cutoff: programs.least_ink(program, cutoff=cutoff),
        bound=programs.least_ink_bound,
    ),
    "energy": Norm(
        cost=lambda change: float(np.square(change).sum()),
        solve=lambda program, cutoff: programs.least_energy(program, cutoff=cutoff),
        bound=programs.least_energy_bound,
    ),
    "pixels": Norm(
        cost=lambda change: float(np.count_nonzero(change)), solve=_fewest_pixels, bound=_fewest_pixels_bound
    ),
}


# ------------------------------------------------------------------------------------------------- search


@dataclass(frozen=True, eq=False)
class _Task:
    model: LinearModel
    frame: np.ndarray
    norm_name: str
    margin: float
    limits: dict[int, np.ndarray] | None  # most ink by target; None: full ink everywhere

    @property
    def norm(self) -> Norm:
        return NORMS[self.norm_name]

    def highest(self, target: int) -> np.ndarray:
        """Return the most ink that a picture of the target may have; never less than there is."""
        return np.ones_like(self.frame) if self.limits is None else np.maximum(self.frame, self.limits[target])

    def program(self, target: int, rivals: list[int]) -> Program:
        """Write down what `target` needs against the rivals; what bounds this bounds what it needs against all."""
        coef, intercept, x = self.model.coef, self.model.intercept, self.frame.ravel()
        A = coef[target] - coef[rivals]
        ahead = intercept[target] - intercept[rivals]
        weights = np.abs(coef[[target, *rivals]]).sum(axis=1)
        magnitudes = self.margin + np.abs(intercept).max() + np.abs(intercept[target]) + weights[0] + weights[1:]
        return Program(A, self.margin - ahead - A @ x, x, self.highest(target).ravel() - x, magnitudes)


@dataclass(frozen=True, eq=False)
class _Found:
    target: int
    flipped: np.ndarray
    cost: float
    lower_bound: float


def _by_distance(model: LinearModel, z: np.ndarray, targets: list[int]) -> list[int]:
    """Order targets by the least ink that the difference to the present answer alone would need, without the box."""
    source = int(z.argmax())
    steepest = np.abs(model.coef - model.coef[source]).max(axis=1)
    needed = (z[source] - z) / np.maximum(steepest, EPS)
    return sorted(targets, key=lambda k: needed[k])


def _cheapest(task: _Task, z: np.ndarray, targets: list[int]) -> _Found:
    """Solve target after target, each only until its bound shows that it cannot be the cheapest."""
    best, bound, out_of_reach = None, np.inf, {}
    for target in targets:
        tried = _solve(task, _best_besides(target, z), target, np.inf if best is None else best.cost)
        if tried.largest_margin is not None:
            out_of_reach[target] = tried.largest_margin
            continue
        bound = min(bound, tried.lower_bound)
        if tried.flipped is not None:
            cost = task.norm.cost(tried.flipped - task.frame)
            if best is None or cost < best.cost:
                best = _Found(target, tried.flipped, cost, bound)
    if best is None:
        raise NoFlipError(_no_flip(task, out_of_reach))
    return _Found(best.target, best.flipped, best.cost, max(min(bound, best.cost), 0.0))


def _searched(task: _Task, targets: list[int]) -> _Found:
    best = None
    for target in targets:
        flipped = searched.search(
            task.model,
            task.frame,
            target,
            norm=task.norm_name,
            margin=task.margin,
            highest=task.highest(target),
        )
        if flipped is not None:
            cost = task.norm.cost(flipped - task.frame)
            if best is None or cost < best.cost:
                best = _Found(target, flipped, cost, 0.0)
    if best is None:
        names = " or ".join(repr(task.model.classes[k]) for k in targets)
        kind, wider = ("picture", "") if task.limits is None else ("plausible picture", "any change instead, ")
        raise NoFlipError(
            f"the search found no {kind} that is read as {names} with a margin of {task.margin:g}; one may exist: "
            f"try {wider}a smaller margin, another class, or a model on pixels"
        )
    return best


@dataclass(frozen=True, eq=False)
class _Tried:
    """What came of one target: a flip, or none as its bound reached the cutoff, or none as there is none."""

    flipped: np.ndarray | None
    lower_bound: float
    largest_margin: float | None = None  # that any frame gives the target, where it is too small


def _solve(task: _Task, rival: int, target: int, cutoff: float) -> _Tried:
    """Solve against one rival, then against whoever else is ahead of the target, until nobody is.

    A change is asked for a little more than is needed, and for more yet while rounding keeps the model from the margin.
    Few classes ever come near, so that a program has few constraints however many classes there are.
    """
    rivals, extra = [rival], 16.0 * EPS
    while extra <= MOST_EXTRA:
        program = task.program(target, rivals)
        needs = replace(program, r=program.r + extra * program.magnitudes)
        solved = task.norm.solve(needs, cutoff)
        bound = task.norm.bound(program, solved.multipliers)
        if solved.farkas is not None:
            return _Tried(None, bound, _largest_margin(task, program, solved.farkas))
        if solved.change is None:
            return _Tried(None, bound)
        flipped = np.clip(task.frame + solved.change.reshape(task.frame.shape), 0.0, task.highest(target))
        z = task.model.raw_prediction(flipped[None])[0]
        if class_margin(z, target) >= task.margin:
            return _Tried(flipped, bound)
        more = _unbeaten(z, target, rivals, task.margin)
        rivals += more
        extra *= 1.0 if more else 100.0
    return _Tried(None, bound)


def _unbeaten(z: np.ndarray, target: int, rivals: list[int], margin: float) -> list[int]:
    """Return the classes besides the rivals that keep the target from its margin, the worst first."""
    behind = z[target] - z < margin
    behind[[target, *rivals]] = False
    return sorted(np.flatnonzero(behind).tolist(), key=lambda k: -z[k])[:RIVALS_AT_ONCE]


def _largest_margin(task: _Task, program: Program, farkas: np.ndarray) -> float:
    """Return a margin that no frame exceeds: min_l margin_l <= max over the box of h . margins, sum h = 1."""
    weights = farkas / farkas.sum()
    return float(
        task.margin + program.largest_gain(weights) - weights @ program.r + programs.rounding(program, weights)
    )


def _no_flip(task: _Task, out_of_reach: dict[int, float]) -> str:
    names = task.model.classes
    if not out_of_reach:
        return f"found no flip in {programs.MAX_ROUNDS} rounds; scale the weights to ordinary sizes"
    (target, margin) = max(out_of_reach.items(), key=lambda item: item[1])
    whom = f"{names[target]!r}" if len(out_of_reach) == 1 else f"another class ({names[target]!r} comes nearest)"
    kind, wider = "no picture with ink from 0 to 1", ""
    if task.limits is not None:
        kind, wider = "no plausible picture, with no more ink than the limits give each pixel,", ", or for any change"
    return (
        f"{kind} is read as {whom} with a margin of {task.margin:g}: proven, its log-odds against some other class "
        f"stay below {_round_up(margin):.4g}; ask for another class or margin{wider}"
    )


def _round_up(margin: float) -> float:
    """Return the least number of four digits that is not below: rounded to nearest, the text could claim too much.

    >>> _round_up(2.5891), _round_up(-2.5891)
    (2.59, -2.589)
    """
    return float(Context(prec=4, rounding=ROUND_CEILING).create_decimal_from_float(margin))
