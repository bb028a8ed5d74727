"""A frame written on paper and photographed, for those who have no photo at hand."""

import numpy as np

PHOTO_SIDE = 480  # pixels
DIGIT_SHARE = 0.42  # of the photo's side that the frame takes
PAPER, INK_GRAY = 0.86, 0.16  # how bright paper and ink come out in even light
SHADE = 0.34  # how much darker the far corner is than the near one
NOISE = 0.015  # of the camera, standard deviation


def paper_photo(frame: np.ndarray, *, random_state: int = 0) -> np.ndarray:
    """Render a frame as dark ink on unevenly lit paper, off centre, with camera noise.

    Parameters
    ----------
    frame : array (rows, cols)
        Ink from 0 to 1.

    Returns
    -------
    uint8 array (480, 480)
        Grey levels, 255 = white.

    Examples
    --------
    >>> photo = paper_photo(np.pad(np.ones((8, 2)), 10))
    >>> photo.shape, bool(photo[220, 200] < 100 < photo[20, 20])
    ((480, 480), True)
    """
    from scipy import ndimage

    rng = np.random.default_rng(random_state)
    zoom = PHOTO_SIDE * DIGIT_SHARE / max(frame.shape)
    strokes = np.clip(ndimage.zoom(np.asarray(frame, dtype=float), zoom, order=3, mode="constant"), 0, 1)
    strokes = np.clip((ndimage.gaussian_filter(strokes, zoom / 4) - 0.25) / 0.3, 0, 1)
    ink = np.zeros((PHOTO_SIDE, PHOTO_SIDE))
    top = int((PHOTO_SIDE - strokes.shape[0]) * 0.42)
    left = int((PHOTO_SIDE - strokes.shape[1]) * 0.36)
    ink[top : top + strokes.shape[0], left : left + strokes.shape[1]] = strokes
    down, right = np.mgrid[0 : 1 : PHOTO_SIDE * 1j, 0 : 1 : PHOTO_SIDE * 1j]
    light = 1 - SHADE * (0.7 * right + 0.3 * down) ** 1.5
    gray = (PAPER + (INK_GRAY - PAPER) * ink) * light + rng.normal(0, NOISE, ink.shape)
    return np.rint(255 * np.clip(gray, 0, 1)).astype(np.uint8)
