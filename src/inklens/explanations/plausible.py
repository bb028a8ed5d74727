"""What ink is plausible where: how dark the pixels of a class's images usually are.

A flip may put ink anywhere. Kept below what nearly all images of the class it aims at stay below, pixel by pixel, it
keeps out of the margins and corners that no such image uses. The limits are a box, so the proofs of `flips` hold in
it; they say nothing of shapes, as each pixel is judged on its own.
"""

from collections.abc import Sequence

import numpy as np

from inklens.errors import ParameterError

QUANTILE = 0.99  # of a class's images; the darkest 1 in 100 of a pixel are taken for accidents


def usual_ink(
    images: np.ndarray, labels: Sequence[object] | np.ndarray, *, quantile: float = QUANTILE
) -> dict[str, np.ndarray]:
    """Return for each class the ink that a pixel of its images usually stays below.

    Parameters
    ----------
    images : array (n_images, rows, cols)
        Training images, uint8 in 0..255 or float ink in 0..1.
    labels : sequence (n_images,)
        Their classes.
    quantile : float
        Proportion of a class's images that have at most this ink in a pixel, above 0 and at most 1.

    Returns
    -------
    dict from class to float array (rows, cols), in 0..1
        For `flip(..., plausible=...)`.

    Raises
    ------
    ParameterError
        Images and labels of different number, or a quantile out of range.

    Examples
    --------
    >>> images = np.array([[[0, 255]], [[0, 51]], [[255, 0]]], dtype=np.uint8)
    >>> {label: most.tolist() for label, most in usual_ink(images, ["1", "1", "7"]).items()}
    {'1': [[0.0, 1.0]], '7': [[1.0, 0.0]]}
    """
    names = np.asarray(labels).astype(str)
    if images.ndim != 3 or len(images) != len(names):
        raise ParameterError(
            f"expected images (n, rows, cols) and n labels, got {images.shape} and {len(names)} labels"
        )
    if not 0.0 < quantile <= 1.0:
        raise ParameterError(f"a quantile lies above 0 and is at most 1, got {quantile:g}")
    full = 255.0 if images.dtype == np.uint8 else 1.0
    return {
        str(name): np.quantile(images[names == name], quantile, axis=0, method="inverted_cdf") / full
        for name in np.unique(names)
    }
