"""Features mean what they say, for one frame as for a batch."""

import numpy as np
import pytest
from handwriting import STROKES, photo
from scipy import ndimage

from inklens.errors import DataError, ParameterError
from inklens.photos import FEATURES, compute, normalise, stroke_layout
from inklens.photos.features import COL_SPREAD, ROW_SPREAD, deskew, edge_maps, pose
from inklens.photos.threads import product

FRAMES = np.array([normalise(photo(label)).frame for label in STROKES], np.float32)


@pytest.mark.parametrize("kind", FEATURES)
def test_a_batch_is_its_frames_one_by_one(kind):
    together = compute(FRAMES, kind)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for frame, row in zip(FRAMES, together, strict=True):
        assert np.abs(compute(frame[None], kind) - row).max() < 1e-4  # single precision, other order of sums
    assert np.array_equal(compute(FRAMES.reshape(-1, 784), kind), together)
    assert compute(np.zeros((0, 28, 28)), kind).shape == (0, together.shape[1])


@pytest.mark.parametrize("kind", FEATURES)
def test_blank_frames_have_finite_features(kind):
    assert np.isfinite(compute(np.zeros((2, 28, 28)), kind)).all()


def test_deskewing_removes_slant_and_spread():
    for shear in (-0.3, 0.2, 0.4):
        for label, frame in zip(STROKES, FRAMES, strict=True):
            if label == "1":
                continue  # a bare stem has no width to speak of
            slanted = ndimage.affine_transform(frame, [[1, 0], [shear, 1]], [0, -14 * shear], order=1)
            straight = deskew(slanted[None])[0].astype(float)
            at = np.arange(28)
            mass = straight.sum()
            row, col = straight.sum(1) @ at / mass, straight.sum(0) @ at / mass
            cov = at @ straight @ at / mass - row * col
            spread = np.sqrt([straight.sum(1) @ at**2 / mass - row**2, straight.sum(0) @ at**2 / mass - col**2])
            assert abs(cov) < 1.5
            assert np.abs([row - 14, col - 14]).max() < 0.5
            assert np.abs(spread - [ROW_SPREAD, COL_SPREAD]).max() < 0.8


@pytest.mark.parametrize("degrees", [0, 45, 90, 135, 180, 225, 270, 315])
def test_an_edge_answers_in_its_own_direction(degrees):
    y, x = np.mgrid[:28, :28] - 13.5
    angle = np.radians(degrees)
    ramp = np.clip(0.5 + 0.2 * (x * np.cos(angle) + y * np.sin(angle)), 0, 1).astype(np.float32)
    strength = edge_maps(ramp[None])[0, :, 6:22, 6:22].sum(axis=(1, 2))
    assert stroke_layout()[int(strength.argmax()) * 49].direction_degrees == degrees


def test_the_layout_names_every_stroke_feature():
    layout = stroke_layout()
    assert len(layout) == compute(FRAMES[:1], "strokes").shape[1]
    spot = np.zeros((1, 28, 28), np.float32)
    spot[0, 9, 20] = 1
    maps = edge_maps(spot)[0]
    row, col = ndimage.center_of_mass(maps.sum(axis=0))
    assert (row, col) == pytest.approx((9, 20))


def test_a_stroke_feature_is_the_average_edge_where_its_cell_says():
    at = np.arange(28)

    def window(centre, width):
        weights = np.maximum(0, 1 - 2 * np.abs(at - centre) / width)
        return weights / weights.sum()

    for frame, row in zip(FRAMES, compute(FRAMES, "strokes"), strict=True):
        maps = edge_maps(deskew(frame[None]))[0].astype(float)
        expected = np.array(
            [
                window(c.row, c.width) @ maps[round(c.direction_degrees / 45)] @ window(c.col, c.width)
                for c in stroke_layout()
            ]
        )
        expected = np.cbrt(expected) / (np.sqrt((np.cbrt(expected) ** 2).mean()) + 1e-3)
        assert np.abs(row - expected).max() < 1e-3


@pytest.mark.parametrize("shear", [-0.3, 0.0, 0.25])
def test_deskewing_is_interpolation_at_the_places_of_the_pose(shear):
    for frame in FRAMES:
        slanted = ndimage.affine_transform(frame, [[1, 0], [shear, 1]], [0, -14 * shear], order=1)
        row, col = (places[0].astype(float) for places in pose(slanted[None]).positions())
        places = np.broadcast_to(row[:, None], col.shape), col
        expected = ndimage.map_coordinates(np.pad(slanted, 28), [p + 28 for p in places], order=1)
        assert np.abs(deskew(slanted[None])[0] - expected).max() < 1e-4


def test_bad_frames():
    with pytest.raises(ParameterError):
        compute(FRAMES, "magic")
    for shape in ((3, 5), (28, 28), (2, 27, 28)):
        with pytest.raises(DataError):
            compute(np.zeros(shape), "strokes")


def test_reading_leaves_the_threads_of_blas_alone(monkeypatch):
    """They are the whole process's: nothing may set them, not even for a moment."""
    from concurrent.futures import ThreadPoolExecutor

    import threadpoolctl

    from inklens import DigitReader

    def counts():
        return sorted((pool["filepath"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info())

    class Forbidden:
        def __init__(self, *_, **__):
            raise AssertionError("the number of threads is the whole process's")

    reader, before = DigitReader.shipped(), counts()
    for name in ("ThreadpoolController", "threadpool_limits"):
        monkeypatch.setattr(threadpoolctl, name, Forbidden)
    paper = np.full((300, 300), 230, np.uint8)
    paper[60:240, 140:160] = 20
    with ThreadPoolExecutor(4) as pool:
        labels = list(pool.map(lambda _: reader.read(paper)[0].label, range(8)))
    monkeypatch.undo()
    assert len(set(labels)) == 1
    assert counts() == before


SIZES = [((3, 10**5), (10**5, 2)), ((50_000, 6), (6,)), ((600, 784), (784, 600)), ((6, 90_000), (90_000,))]


@pytest.mark.parametrize("shape", [*SIZES, ((0, 3), (3, 2)), ((2, 600), (600, 900))])
def test_products_in_pieces_are_products(shape):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=size) for size in shape)
    np.testing.assert_allclose(product(a, b), a @ b, atol=1e-9)
