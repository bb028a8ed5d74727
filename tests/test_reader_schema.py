"""Every entry of a model file replaced by what a hostile or careless hand may put there, with a checksum that fits."""

import base64
import contextlib
import copy
import json
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from inklens.errors import DataError, InklensError, ModelFileError
from inklens.explanations import explain, robustness
from inklens.exports import weights
from inklens.model import file as model_file
from inklens.reader import DigitReader
from inklens.tasks.verification import verify

GOLDEN = Path(__file__).parent / "golden"
DATA = f"npz:{GOLDEN / 'digits.npz'}"
TENSORS, HEADER = model_file.unpack((GOLDEN / "elastic.inklens").read_bytes())
STROKES = model_file.unpack((GOLDEN / "strokes.inklens").read_bytes())
NAMES = ("a", "a\x1b[2J", "\ud800", "\u202e3", "a\nb", "\0", "", " ", "x" * 10_000, "Ünï 四")

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([10**12, 2**31, 2**63, 2**64, 10**39, -(10**39), 12_000]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1e-300]),
    st.sampled_from([*NAMES, "inf", "nan", "certified", "separated", "255", "min-max", "pixels", "strokes", "1"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*NAMES, "C", "labels", "7"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, here=()):
    """Yield the way to every entry of a document."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield from places(part, (*here, name))


def changed(document, place, value):
    """Return the document with another value in one place, or without the entry (Ellipsis)."""
    document = copy.deepcopy(document)
    if not place:
        return document
    holder = document
    for name in place[:-1]:
        holder = holder[name]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return document


FULL = {
    **HEADER,
    "provenance": {
        **HEADER["provenance"],
        "data": {
            **HEADER["provenance"]["data"],
            "relabel": {"labels": {"3": "1"}, "dropped": [4]},
            "add": {"folder": "f", "rows": 3, "checksum": "0"},
        },
    },
}


@st.composite
def headers(draw):
    header = FULL
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(sorted(places(header), key=str)))
        header = changed(header, place, draw(st.one_of(st.just(...), VALUES)))
    return header


@st.composite
def tensors(draw):
    found = dict(draw(st.sampled_from([TENSORS, STROKES[0]])))
    name = draw(st.sampled_from([*found, "dual.more", "more", "direction"]))
    kind = draw(st.sampled_from(["gone", "type", "shape", "value"]))
    if kind == "gone" or name not in found:
        found.pop(name, None) if kind == "gone" else found.update({name: np.zeros(3)})
    elif kind == "type":
        found[name] = found[name].astype(draw(st.sampled_from([np.float16, np.float32, np.int64, np.uint8, np.bool_])))
    elif kind == "shape":
        shape = draw(st.lists(st.integers(0, 12), max_size=3))
        found[name] = np.zeros(shape, found[name].dtype)
    else:
        found[name] = found[name].copy()
        found[name].flat[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 1e99, 5e-324]))
    return found


def use(reader):
    """Whatever was taken can be shown, saved, read with, and its certificate judged."""
    assert len(set(reader.classes)) == len(reader.classes) > 0
    assert all(name.encode() and "\x1b" not in name for name in reader.classes)
    X = np.linspace(0, 1, 2 * 784).reshape(2, 28, 28) if reader.image_shape == (28, 28) else None
    if X is not None:
        assert np.isfinite(reader.predict_proba(X)).all()
        assert {explain(reader, X[0]).label, explain(reader, X[0]).rival} <= set(reader.classes)
    if X is not None and reader.features == "pixels":
        assert (robustness(reader, X).boxed["l1"] >= 0.0).all()
    assert repr(reader)
    reader._repr_html_()
    assert DigitReader.from_bytes(reader.to_bytes()).classes == reader.classes
    weights.weights_text(reader)
    try:
        verify(reader, data=DATA)
    except InklensError:
        return


def load_or_refuse(data):
    try:
        reader = DigitReader.from_bytes(data)
    except ModelFileError as error:
        str(error).encode()
        return
    use(reader)


@settings(max_examples=150, deadline=None)
@given(headers())
def test_any_header_is_refused_or_usable(header):
    load_or_refuse(model_file.pack(TENSORS, header))


@settings(max_examples=60, deadline=None)
@given(tensors(), st.sampled_from([HEADER, STROKES[1]]))
@pytest.mark.filterwarnings("ignore:overflow")  # of the planting itself
def test_any_tensors_are_refused_or_usable(found, header):
    load_or_refuse(model_file.pack(found, header))


def spelled_out(name):
    """A golden model with every entry that a fit may record, those of today's defaults too, and its tensors."""
    tensors, header = model_file.unpack((GOLDEN / f"{name}.inklens").read_bytes())
    record = header["provenance"]
    fit = {"scale": "255", "standardize": False, "binary": "softmax", **record["fit"]}
    data = {"split": "drawn", "relabel": {"labels": {}, "dropped": []}, **record["data"]}
    return tensors, {**header, "provenance": {**record, "fit": fit, "data": data}}


CLAIMS = {path.stem: spelled_out(path.stem) for path in sorted(GOLDEN.glob("*.inklens"))}
STATED = st.sampled_from(  # values that pass the schema in one entry or another, and are seldom true in any
    [0, 1, 2, 19, 21, 40, 2**32 - 1, 0.0, 0.3, 1.0, 1e9, 1e100, 1.7e308, 5e-324, 1e-310, -1e-9, True, False, ...]
    + [
        "inf",
        "certified",
        "separated",
        "stopped",
        "min-max",
        "logistic",
        "own",
        "npz:digits.npz",
        "/dev/null",
        "nowhere",
    ]
    + [
        {"labels": {"3": "1"}, "dropped": [4]},
        {"labels": {"3": "x"}, "dropped": []},
        {"labels": {}, "dropped": [*range(60)]},
    ]
    + [{"folder": "mine", "rows": rows, "checksum": checksum} for rows in (0, 2) for checksum in ("", "0" * 64)]
)
SIZES = st.sampled_from([0.0, -0.0, 1e-310, 1e-30, 0.5, -1.0, 1e15, 1e30, -1e50, 1e99])


def judged(tensors, header):
    """Return what verify says of a file, or None where it is refused by the one error, whatever the numbers."""
    with contextlib.chdir(GOLDEN), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = verify(DigitReader.from_bytes(model_file.pack(tensors, header)))
        except InklensError:
            return None
    json.dumps(found.to_json(), allow_nan=False)
    return found


@pytest.mark.parametrize("name", CLAIMS)
def test_a_file_that_spells_out_its_fit_is_verified_and_each_number_that_it_raises_is_seen(name):
    """Without this, the random claims below would all end before anything is computed."""
    tensors, header = CLAIMS[name]
    assert judged(tensors, header).holds
    for entry in ("objective", "lower_bound") if header["provenance"]["fit"]["lower_bound"] else ("objective",):
        place = ("provenance", "fit", entry)
        assert not judged(tensors, changed(header, place, header["provenance"]["fit"][entry] * 1.001)).holds


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_a_file_claims_of_its_fit_verify_answers_or_refuses(data):
    tensors, header = CLAIMS[data.draw(st.sampled_from(sorted(CLAIMS)))]
    ways = sorted((place for place in places(header) if place[:1] == ("provenance",) and len(place) > 2), key=str)
    for _ in range(data.draw(st.integers(0, 2))):
        with contextlib.suppress(KeyError, IndexError, TypeError):  # the first change took the place of the second
            header = changed(header, data.draw(st.sampled_from(ways)), data.draw(STATED))
    tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    for name in data.draw(st.lists(st.sampled_from(sorted(tensors)), max_size=2)):
        if data.draw(st.booleans()):
            tensors[name].flat[data.draw(st.integers(0, tensors[name].size - 1))] = data.draw(SIZES)
        else:
            tensors[name] = tensors[name] * data.draw(SIZES)
    judged(tensors, header)


@pytest.mark.parametrize("name", [name for name, (tensors, _) in CLAIMS.items() if "dual.direction" in tensors])
def test_a_dual_point_moved_however_far_still_bounds_from_below(name):
    """So far along a direction that all classes share all probabilities of a row round to 0."""
    tensors, header = CLAIMS[name]
    best = judged(tensors, header).objective
    for power in range(4, 100, 8):
        for shared in (0.0, 1.0):
            parts = {
                part: tensors[part] * (1.0 - shared) + shared for part in ("dual.direction", "dual.intercept_direction")
            }
            found = judged({**tensors, **{part: size * 10.0**power for part, size in parts.items()}}, header)
            assert 0.0 <= found.lower_bound <= best


DOCUMENT = json.loads((GOLDEN / "l1.json").read_bytes())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_json_model_is_refused_or_usable(data):
    short = {**DOCUMENT, "coef": DOCUMENT["coef"][:1]}  # its places, without each of thousands of numbers
    place = data.draw(st.sampled_from(sorted((p for p in places(short) if p[:1] != ("sha256",)), key=str)))
    document = changed(DOCUMENT, place, data.draw(st.one_of(st.just(...), VALUES)))
    document.pop("sha256", None)
    load_or_refuse(json.dumps({**document, "sha256": weights._digest(document)}).encode())


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1e999", "beyond"),
        ("NaN", "no JSON number"),
        ("9" * 5000, "40 characters"),
        ('1, "schema_version": 1', "twice"),
        ("true", "no version"),
        ("1.0", "no version"),
        ("2", "newer"),
    ],
)
def test_headers_are_read_strictly(version, words):
    """Spelt by hand, as no writer of JSON would."""
    text = json.dumps({**HEADER, "schema_version": "HERE"}).replace('"HERE"', version)
    with pytest.raises(ModelFileError, match=words):
        DigitReader.from_bytes(save(TENSORS, metadata={"inklens": text}))


@pytest.mark.parametrize(
    ("entry", "value", "words"),
    [
        ("image_shape", [12000, 12000], "need coefficients"),
        ("classes", [], "has none"),
        ("classes", ["a"], "at least two classes"),
        ("classes", ["a", "a", "b"], "same name"),
        ("classes", ["a", "b\x1b[2J", "c"], "control"),
        ("recipe", "none", "one of"),
        ("features", "pictures", "one of"),
        ("inklens", "1\x07", "version"),
    ],
)
def test_entries_are_named(entry, value, words):
    with pytest.raises(ModelFileError, match=words):
        DigitReader.from_bytes(model_file.pack(TENSORS, {**HEADER, entry: value}))


def packed(values):
    return base64.b64encode(zlib.compress(np.asarray(values, "<f8").tobytes())).decode()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (packed(np.zeros(3)), "has to be .* numbers"),
        (packed(np.full(TENSORS["coef"].shape, np.nan)), "holds NaN or infinity"),
        (packed(np.zeros(10_000_000)), "has to be .* numbers"),
        (base64.b64encode(b"no zlib").decode(), "is damaged"),
        (base64.b64encode(zlib.compress(bytes(8 * TENSORS["coef"].size)) + b"more").decode(), "has to be .* numbers"),
        (base64.b64encode(zlib.compress(bytes(8 * TENSORS["coef"].size))[:-2]).decode(), "has to be .* numbers"),
        ("#", "not a usable model"),
        (5, "has to be base64"),
    ],
)
def test_a_dual_point_of_json_is_of_its_shape_and_finite(part, words):
    document = {**DOCUMENT, "dual": {**DOCUMENT["dual"], "coef": part}}
    document.pop("sha256")
    tracemalloc.start()
    with pytest.raises(ModelFileError, match=words):
        weights.unpack(json.dumps({**document, "sha256": weights._digest(document)}).encode())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000, "80 million bytes are never unpacked"


def test_a_file_that_is_larger_than_any_model_is_refused_by_its_size():
    with pytest.raises(ModelFileError, match="larger than 64 MiB"):
        DigitReader.from_bytes(bytes(model_file.MAX_FILE_BYTES + 1))


def test_a_model_in_memory_keeps_the_same_laws():
    coef, intercept = np.eye(2, 4), np.zeros(2)
    for names in (("a", "a"), ("a", ""), ("a", "b\n"), ("a", "\ud800"), ("a", "b" * 201)):
        with pytest.raises(DataError, match="name"):
            DigitReader(coef, intercept, names, (2, 2))
    with pytest.raises(DataError, match="at least two classes"):
        DigitReader(coef[:1], intercept[:1], ("a",), (2, 2))
    for size in (np.nan, np.inf, 1e101, -1e308):
        with pytest.raises(DataError, match="beyond"):
            DigitReader(np.full((2, 4), size), intercept, ("a", "b"), (2, 2))
    assert np.isfinite(DigitReader(coef * 1e100, intercept, ("a", "b"), (2, 2)).predict_proba(np.ones((1, 4)))).all()
