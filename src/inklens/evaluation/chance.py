r"""How many coefficients may be stable by chance: Shah and Samworth's bounds for complementary pairs of halves.

A coefficient that a fit on half of the rows chooses with probability at most theta is called weak. In B pairs of halves
it is chosen in a proportion of the 2 B fits; the probability that this proportion reaches the threshold tau is bounded

- whatever its law, by theta^2 / (2 tau - 1) (Markov's inequality, for the pairs in which both halves choose it);
- for laws with one peak, by less;
- for r-concave laws (those whose r-th power is convex, r < 0), by still less: r = -1/2 for pairs, r = -1/4
  for fits, the authors' choice, which holds for all binomial laws and many with heavier tails.

Shah and Samworth (2013), J. R. Stat. Soc. B 75: theorems 1 and 2, equation 8 and appendix A.4.
"""

from functools import lru_cache
from typing import Literal

import numpy as np

from inklens.errors import ParameterError

Law = Literal["any", "unimodal", "r-concave"]
LARGEST_OFFSET = 1e5  # of the parameter a below: the law hardly falls
SMALLEST_OFFSET = 1e-5  # the law falls at once


@lru_cache(maxsize=256)
def weak_share(threshold: float, theta: float, n_pairs: int, law: Law = "r-concave") -> float:
    """Return a bound on the chance that a weak coefficient reaches the threshold, in [0, 1].

    Parameters
    ----------
    threshold : float
        Proportion of the fits, in (0.5, 1].
    theta : float
        Largest probability with which a weak coefficient is chosen, in (0, 1).
    n_pairs : int
        Complementary pairs of halves.
    law : {"any", "unimodal", "r-concave"}
        What is assumed.

    Examples
    --------
    >>> [round(weak_share(0.9, 0.1, 25, law), 5) for law in ("any", "unimodal", "r-concave")]
    [0.0125, 0.00462, 0.00095]
    """
    if not 0.5 < threshold <= 1.0:
        raise ParameterError(f"the threshold must be above 0.5 and at most 1, got {threshold:g}; try 0.9")
    bound = min(1.0, theta**2 / (2.0 * threshold - 1.0))
    if law == "any":
        return bound
    if law == "unimodal":
        return min(bound, theta**2 * _unimodal_factor(threshold, n_pairs, theta))
    if law != "r-concave":
        raise ParameterError(f"expected a law out of 'any', 'unimodal', 'r-concave', got {law!r}")
    fits = int(np.ceil(np.round(2 * n_pairs * threshold, 8)))
    return min(bound, tail(theta**2, fits - n_pairs, n_pairs, -0.5), tail(theta, fits, 2 * n_pairs, -0.25))


def _unimodal_factor(threshold: float, n_pairs: int, theta: float) -> float:
    """Return C(tau, B) of theorem 2; infinite where the theorem does not apply."""
    if theta > 1.0 / np.sqrt(3.0) or threshold <= min(0.5 + theta**2, 0.5 + 0.5 / n_pairs + 0.75 * theta**2):
        return np.inf
    if threshold <= 0.75:
        return 0.5 / (2.0 * threshold - 1.0 - 0.5 / n_pairs)
    return 4.0 * (1.0 - threshold + 0.5 / n_pairs) / (1.0 + 1.0 / n_pairs)


def tail(mean: float, least: int, n: int, r: float) -> float:
    """Return the largest P(Z >= least) of any r-concave law on 0..n whose mean is mean * n.

    The worst law falls like (a + i)^(1/r) up to some k and, at k + 1, holds what the mean still asks for. `a` is fixed
    by the mean at either end of each k and searched between.

    >>> 0.1**9 < tail(0.1, 9, 10, -0.5) < 0.1 * 10 / 9
    True
    """
    from scipy.optimize import brentq, minimize_scalar

    power, target = 1.0 / r, mean * n
    first = int(np.ceil(2.0 * target)) + 1
    if least < first or first > n:
        return 1.0

    def excess(a: float, k: int) -> float:
        """Mean of the law on 0..k proportional to (a + i)^power, less the target."""
        law = (a + np.arange(k + 1.0)) ** power
        return float(np.arange(k + 1.0) @ law / law.sum()) - target

    if excess(SMALLEST_OFFSET, n) > 0.0:
        return 1.0  # so small a mean that no law of this kind is steep enough: nothing is said

    def reached(a: float, k: int) -> float:
        """Tail of the law with a step at k + 1 whose mean is the target."""
        law = (a + np.arange(k + 1.0)) ** power
        return 1.0 - (k + 1.0 - target) * float(law[:least].sum()) / float((k + 1.0 - np.arange(k + 1.0)) @ law)

    def offset(k: int, largest: float) -> float:
        """The parameter at which the law on 0..k has the wanted mean."""
        if excess(largest, k) <= 0.0:
            return largest
        return float(brentq(excess, SMALLEST_OFFSET, largest, args=(k,), xtol=1e-12))

    best, flatter = 0.0, offset(least - 1, LARGEST_OFFSET)
    for k in range(least - 1, n):  # laws that end before `least` have no tail
        steeper = offset(k + 1, flatter)
        found = minimize_scalar(lambda a, k=k: -reached(a, k), bounds=(steeper, flatter), method="bounded")
        best = max(best, -found.fun, reached(steeper, k), reached(flatter, k))
        flatter = steeper
    return float(min(1.0, best))
