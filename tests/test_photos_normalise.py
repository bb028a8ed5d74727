"""The tutorial's recipe is the tutorial's; the faithful one is blind to what a person is blind to."""

import os
from pathlib import Path

import numpy as np
import pytest
from handwriting import STROKES, encoded, photo
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps
from scipy import ndimage

from inklens.errors import ParameterError, PhotoError
from inklens.photos import Normaliser, compute, connected, frames, locate, normalise, typical
from inklens.photos.ink import find_ink, is_dark, otsu


def frame(source, **parameters):
    return normalise(source, **parameters).frame


def apart(a, b):
    """Mean absolute difference in grey levels, up to one pixel: centres of mass lie on either side of a rounding."""
    shifts = [(row, col) for row in (-1, 0, 1) for col in (-1, 0, 1)]
    return min(255 * np.abs(np.roll(a, shift, axis=(0, 1)) - b).mean() for shift in shifts)


@pytest.mark.parametrize("pixel_filter", [0, 20, 50])
def test_the_tutorials_cells_give_the_tutorials_frame(pixel_filter):
    image = Image.fromarray(photo("7"))
    small = image.convert("L").resize((28, 28), Image.Resampling.LANCZOS)
    inverted = ImageOps.invert(small)
    min_pixel = np.percentile(inverted, pixel_filter)
    scaled = np.clip(inverted - min_pixel, 0, 255)
    expected = np.asarray(scaled) / np.max(scaled)
    result = normalise(image, recipe="tutorial", pixel_filter=pixel_filter)
    assert np.abs(result.frame - expected).max() < 1e-12
    assert result.steps[-1].picture.reshape(1, 784).shape == (1, 784)


@pytest.mark.parametrize("recipe", ["faithful", "otsu"])
@pytest.mark.parametrize("label", STROKES)
def test_a_frame_is_what_mnist_has(recipe, label):
    result = normalise(photo(label), recipe=recipe)
    ink = result.frame
    assert ink.shape == (28, 28)
    assert ink.min() == 0
    assert ink.max() == pytest.approx(1)
    rows, cols = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert max(np.ptp(rows), np.ptp(cols)) + 1 == 20
    assert np.abs(np.array(ndimage.center_of_mass(ink)) - 14.0).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("label", STROKES)
def test_what_a_person_does_not_notice_does_not_matter(label):
    plain = photo(label)
    expected = frame(plain)
    y, x = np.mgrid[-1:1:300j, -1:1:240j]
    shade = 1 - 0.25 * x - 0.15 * y * y
    same = {
        "inverted": 255 - plain,
        "shifted": photo(label, at=(85, 120)),
        "padded": np.pad(plain, 60, constant_values=225),
        "darker": plain // 2,
        "brighter": (plain / 255) ** 0.6,
        "shaded": plain / 255 * shade * 0.9,
        "noise": np.clip(plain / 255 + np.random.default_rng(0).normal(0, 0.02, plain.shape), 0, 1),
        "larger": photo(label, size=(600, 480), box=240, pen=24),
    }
    for name, other in same.items():
        assert apart(frame(other), expected) < 10, name


@pytest.mark.parametrize("orientation", range(2, 9))
def test_eight_exif_orientations_one_frame(orientation):
    from inklens.photos import decode

    plain = photo("2")
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[274] = orientation
    turned = (decode(plain, orientation=undo).gray * 255).round().astype(np.uint8)
    assert apart(frame(encoded(turned, "PNG", exif=exif)), frame(plain)) <= 0.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_seven_formats_one_frame(kind):
    assert apart(frame(encoded(photo("4"), kind)), frame(photo("4"))) < 1.5


@pytest.mark.parametrize("label", ["3", "7", "4", "1"])
def test_printed_lines_are_taken_out_and_stems_stay(label):
    expected = frame(photo(label))
    ruled, boxed = photo(label).copy(), photo(label).copy()
    ruled[[60, 61, 240, 241], :] = 110
    boxed[[12, 13, -14, -13], 8:-8] = 90
    boxed[12:-12, [8, 9, -10, -9]] = 90
    for picture in (ruled, boxed):
        assert apart(frame(picture), expected) < 6


def test_mnist_frames_come_out_as_they_went_in():
    bar = np.zeros((28, 28), np.uint8)
    bar[5:24, 12:15] = 255
    bar[5:8, 9:15] = 255
    once = frame(bar)
    assert apart(frame((once * 255).round().astype(np.uint8)), once) < 4


@pytest.mark.parametrize(
    ("picture", "word"),
    [
        (np.full((90, 120), 0.8), "blank"),
        (np.full((1, 1), 0.5), "blank"),
        (np.hstack([photo("3"), photo("2")]), "several"),
    ],
)
def test_reasons_come_before_an_answer(picture, word):
    result = normalise(picture)
    assert not result.accepted
    assert any(reason.startswith(word) for reason in result.reasons)


def test_ordinary_digits_are_accepted_and_noise_is_not():
    for label in ("2", "3", "7"):
        result = normalise(photo(label))
        assert result.accepted
        assert result.like_training > 0.5
    noise = np.random.default_rng(1).random((120, 120))
    assert not normalise(noise).accepted


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 2), (28, 5)])
def test_any_shape_gives_a_finite_frame(shape):
    picture = np.random.default_rng(0).random(shape)
    for recipe in ("faithful", "otsu", "tutorial"):
        assert np.isfinite(frame(picture, recipe=recipe)).all()
    for line in locate(picture, many=True):
        assert all(np.isfinite(found.frame).all() for found in line)


def test_the_box_lies_where_the_digit_is():
    left, top, right, bottom = normalise(photo("0", at=(100, 40))).box
    assert np.abs(np.array([left, top, right, bottom]) - [124, 46, 196, 154]).max() <= 6


@pytest.mark.parametrize(
    "parameters",
    [{"recipe": "magic"}, {"polarity": "blue"}, {"pixel_filter": 101}, {"threshold": 2.0}, {"pen": -1}],
)
def test_bad_parameters(parameters):
    with pytest.raises(ParameterError):
        normalise(photo(), **parameters)


def test_the_tutorials_frame_can_be_centred():
    off = photo("7", at=(10, 20))
    plain = frame(off, recipe="tutorial", pixel_filter=60)
    centred = frame(off, recipe="tutorial", pixel_filter=60, centre=True)
    assert np.abs(np.array(ndimage.center_of_mass(centred)) - 14.0).max() <= 1  # what the border cut off is lost
    assert np.abs(np.array(ndimage.center_of_mass(plain)) - 14.0).max() > 2


def test_without_centring_the_box_lies_in_the_middle():
    ink = frame(photo("7"), centre=False)
    assert not ink[:4].any()
    assert not ink[:, -4:].any()
    assert np.array_equal(np.flatnonzero(ink.any(axis=1))[[0, -1]], [4, 23])


def test_the_orientation_can_be_given():
    turned = np.rot90(photo("7"), 2)
    assert apart(frame(turned, orientation=3), frame(photo("7"))) < 0.5


def test_shades_are_no_strokes():
    x = np.tile(np.linspace(-1, 1, 200), (200, 1))
    clouds = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, (160, 160)), 9)
    for shade in (0.6 + 0.3 * x, 0.8 - 0.3 * np.exp(-20 * x * x), (clouds - clouds.min()) / np.ptp(clouds)):
        assert not normalise(shade).accepted


def test_a_stroke_has_paper_on_both_sides_and_a_shadow_on_one():
    from inklens.photos.clarity import clarity

    mask = np.zeros((80, 80), bool)
    mask[10:70, 40:46] = True
    stroke, shadow = np.full((2, 80, 80), 0.9, np.float32)
    stroke[mask] = 0.3
    shadow[:, 40:] = 0.3
    shares = [
        clarity(bright, 0.9 - bright, mask, box=(40, 10, 46, 70), pen=6.0, full=0.6)["both_sides"]
        for bright in (stroke, shadow)
    ]
    assert shares[0] > 0.9
    assert shares[1] < 0.3  # the blur of the edge


def test_a_box_is_in_pixels_of_the_photo_however_large():
    small = normalise(photo("2")).box
    large = normalise(np.kron(photo("2"), np.ones((5, 5), np.uint8))).box  # reduced before it is searched
    assert np.abs(np.array(large) - 5 * np.array(small)).max() <= 15


@pytest.mark.parametrize("label", ["2", "3", "7", "0"])
def test_a_small_digit_is_looked_at_from_nearer(label):
    near = photo(label, size=(110, 90), box=72, pen=8)
    page = np.full((2200, 2200), near[0, 0], np.uint8)
    page[300:410, 900:990] = near
    far = normalise(page)
    assert apart(far.frame, frame(near)) < 12
    assert far.like_training > 0.5


SIGNS = {
    "cross": lambda x, y: ((abs(x - y) < 0.12) | (abs(x + y) < 0.12)) & (np.maximum(abs(x), abs(y)) < 0.7),
    "H": lambda x, y: (abs(abs(x) - 0.45) < 0.09) & (abs(y) < 0.7) | (abs(y) < 0.09) & (abs(x) < 0.5),
    "hash": lambda x, y: (
        ((abs(abs(x) - 0.3) < 0.07) | (abs(abs(y) - 0.3) < 0.07)) & (np.maximum(abs(x), abs(y)) < 0.75)
    ),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_signs_that_are_no_digits_are_outliers(sign):
    y, x = np.mgrid[-1:1:120j, -1:1:120j]
    picture = np.where(SIGNS[sign](x, y), 0.1, 0.9)
    result = normalise(picture)
    assert not result.accepted
    assert result.reasons[-1].startswith("not like a digit: likeness")
    known, rows = typical.shipped(), compute(result.frame[None], "strokes")
    assert known.outlier_proba(rows)[0] > 0.9
    assert known.novelty(result.frame[None])[0] > known.distance(rows)[0] + 1
    digits = np.array([frame(photo(label)) for label in "237"])
    assert known.outlier_proba(compute(digits, "strokes")).max() < 0.5


def test_a_digit_that_the_border_cuts_off_is_said():
    left, _, right, _ = normalise(photo("1")).box
    reasons = normalise(photo("1")[:, (left + right) // 2 :]).reasons
    assert any(reason.startswith("cut off") for reason in reasons)


def test_holes_are_those_a_person_counts():
    y, x = np.mgrid[-1:1:100j, -1:1:100j]
    ring, disc = np.abs(np.hypot(x, y) - 0.7) < 0.2, np.hypot(x, y) < 0.9
    flawed = disc.copy()
    flawed[50, 50] = False
    eight = np.vstack([ring, ring])
    assert [connected.holes(mask) for mask in (disc, flawed, ring, eight)] == [0, 0, 1, 2]


def test_a_line_is_taken_out_and_what_crosses_it_stays():
    stem, line = np.zeros((2, 120, 120), bool)
    stem[20:100, 50:60] = True
    line[70:72] = True
    for turned in (False, True):
        mask = connected.without_lines((stem | line).T if turned else stem | line)
        mask = mask.T if turned else mask
        assert mask[stem].all()
        assert (mask & ~stem).sum() < 0.1 * line.sum()


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_a_bounding_box_holds_all_ink_and_ends_at_it(mask):
    box = frames.bounding_box(mask)
    if box is None:
        assert not mask.any()
        return
    left, top, right, bottom = box
    inside = mask[top:bottom, left:right]
    assert inside.sum() == mask.sum()
    assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


@pytest.mark.parametrize("width", range(2, 15))
@pytest.mark.parametrize("turned", [False, True])
def test_the_width_of_a_stroke_is_measured(width, turned):
    mask = np.zeros((110, 40), bool)
    mask[5:105, 10 : 10 + width] = True
    assert frames.pen_width(mask.T if turned else mask) == pytest.approx(width, abs=1)


@pytest.mark.parametrize("target", [0.08, 0.12, 0.2])
def test_a_redrawn_stroke_has_the_width_that_was_asked_for(target):
    y, x = np.mgrid[-1:1:120j, -1:1:120j]
    ring = np.abs(np.hypot(x, y) - 0.85) < 0.13
    drawn = frames.with_pen(ring, frames.pen_width(ring) / 120, target) > 0.5
    assert frames.pen_width(drawn) / max(drawn.shape) == pytest.approx(target, abs=0.02)


def test_faint_ink_counts_where_it_touches_clear_ink():
    contrast = np.zeros((50, 50), np.float32)
    contrast[10:40, 10:14] = 0.8
    contrast[10:40, 14:18] = 0.3
    contrast[10:40, 30:34] = 0.3
    found = find_ink(1 - contrast, "flat", np.ones_like(contrast), threshold=0.4).mask
    assert np.array_equal(found, contrast * (np.arange(50) < 20) > 0)


@given(arrays(np.float32, 40, elements=st.floats(0, 1, width=32)), st.integers(1, 39))
def test_otsu_separates_two_groups_and_no_other_threshold_does_better(values, n_dark):
    def between(level):
        above = values > level
        if above.all() or not above.any():
            return 0.0
        return above.mean() * (1 - above.mean()) * (values[above].mean() - values[~above].mean()) ** 2

    values = np.minimum((values * 255).round() / 256 + 1 / 512, 1)  # the middle of a bin
    assert between(otsu(values)) >= max(between(k / 256) for k in range(256)) - 1e-6
    values[:n_dark], values[n_dark:] = 0.2, 0.7
    assert 0.2 < otsu(values) < 0.7


@pytest.mark.parametrize("seed", range(5))
def test_otsu_is_the_best_threshold_between_bins_that_are_all_filled(seed):
    rng = np.random.default_rng(seed)
    tones = np.concatenate([rng.normal(0.3, 0.12, 20_000), rng.normal(0.6, 0.15, 9_000)]).clip(0, 1)
    values = ((tones * 255).round() + 0.5) / 256  # the middle of a bin

    def between(level):
        above = values > level
        return above.mean() * (1 - above.mean()) * (values[above].mean() - values[~above].mean()) ** 2

    assert otsu(values) == max((k / 256 for k in range(1, 255)), key=between)


def test_the_border_and_most_of_a_picture_are_paper():
    assert is_dark(photo("3") / 255)
    assert not is_dark(1 - photo("3") / 255)


@pytest.mark.parametrize("recipe", ["faithful", "otsu", "tutorial"])
def test_every_step_can_be_seen_by_a_classifier(recipe):
    steps = normalise(photo("2"), recipe=recipe).steps
    shown = [step.as_frame() for step in steps]
    assert all(each.shape == (28, 28) and each.min() >= 0 and each.max() <= 1 for each in shown)
    assert np.abs(shown[-1] - steps[-1].picture).max() < 1e-6


def test_a_scikit_learn_transformer():
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    photos, labels = [photo(c) for c in "0123"], list("0123")
    pipeline = make_pipeline(Normaliser(lines=False), LogisticRegression()).fit(photos, labels)
    assert pipeline.predict(photos).tolist() == labels
    assert clone(pipeline[0]).get_params() == pipeline[0].get_params()
    assert Normaliser().set_params(recipe="otsu").recipe == "otsu"
    with pytest.raises(ParameterError):
        Normaliser().set_params(colour="red")


def test_pages_in_reading_order():
    page = np.vstack([np.hstack([photo(c) for c in "123"]), np.hstack([photo(c) for c in "047"])])
    lines = locate(page, many=True)
    assert [len(line) for line in lines] == [3, 3]
    assert [len(line) for line in locate(page)] == [3, 3]  # decided by itself
    for line, labels in zip(lines, ["123", "047"], strict=True):
        for found, label in zip(line, labels, strict=True):
            assert apart(found.frame, frame(photo(label))) < 8
    assert [len(line) for line in locate(page, many=False)] == [1]
    assert [len(line) for line in locate(photo("2"))] == [1]


def test_a_tilted_page_keeps_its_lines():
    page = Image.fromarray(np.vstack([np.hstack([photo(c) for c in "2373"]), np.hstack([photo(c) for c in "0420"])]))
    for angle in (-4, 4):
        turned = np.asarray(page.rotate(angle, fillcolor=225, expand=True))
        assert [len(line) for line in locate(turned, many=True)] == [4, 4]


def test_nothing_is_read_from_what_is_no_picture():
    with pytest.raises(PhotoError):
        locate(b"not a picture")


@pytest.mark.slow
@pytest.mark.skipif("INKLENS_PHOTOS" not in os.environ, reason="set INKLENS_PHOTOS to a folder of labelled pictures")
def test_pages_of_real_handwriting_have_the_right_lengths():
    import csv

    folder = Path(os.environ["INKLENS_PHOTOS"])
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "multi"]
    right = [
        [len(line) for line in locate(folder / row["local_file"], many=True)]
        == [len(s) for s in row["label"].split("/")]
        for row in rows
    ]
    assert np.mean(right) > 0.9
