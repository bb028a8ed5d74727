"""A model as ONNX and as a C header answers as it does here."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from command import run
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens import DigitReader, load_dataset
from inklens.errors import DataError, MissingPackageError
from inklens.exports.c_header import c_header
from inklens.names import unshowable

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(3)  # it warns of processors that it does not know

FEATURES = {"pixels": 784, "upright": 784, "strokes": 520}
NAMES = ('a"b\\', "*/ ??/", "é\\n\\", "//", "4", "5", "6", "7", "8", "9")
MAIN = """
#include <stdio.h>
#include "model.h"

int main(void)
{
    unsigned char x[INKLENS_PIXELS];
    float p[INKLENS_CLASSES];
    int k, best;
    while (fread(x, 1, INKLENS_PIXELS, stdin) == INKLENS_PIXELS) {
        best = inklens_predict(x, p);
        printf("%d", best);
        for (k = 0; k < INKLENS_CLASSES; ++k)
            printf(" %.9g", (double)p[k]);
        printf("\\n");
    }
    for (k = 0; k < INKLENS_CLASSES; ++k)
        printf("%s%c", inklens_label(k), 0);
    return 0;
}
"""


def model(features, *, zeros=0.0, scale=1.0):
    """A model whose scores are of the size of a fitted one's."""
    rng = np.random.default_rng(0)
    coef = rng.normal(size=(10, FEATURES[features])) * scale
    coef[rng.random(coef.shape) < zeros] = 0.0
    return DigitReader(coef, rng.normal(size=10), NAMES, (28, 28), features=features)


@pytest.fixture(scope="module")
def digits():
    """Digits, noise, blank and full frames, single pixels, as bytes (n, 28, 28)."""
    rng = np.random.default_rng(0)
    single = np.zeros((28, 784), np.uint8)
    single[np.arange(28), rng.integers(0, 784, 28)] = 200
    noise = rng.integers(0, 256, (20, 784)).astype(np.uint8)
    odd = [np.zeros((1, 784), np.uint8), np.full((1, 784), 255, np.uint8), single, noise]
    return np.concatenate([load_dataset("embedded").X[:300], *odd]).reshape(-1, 28, 28)


def run_onnx(data, frames):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == ["frames"]
    return session.run(["label", "probabilities"], {"frames": frames})


# ------------------------------------------------------------------------------------------------- ONNX


@pytest.mark.parametrize("uint8", [False, True], ids=["float32", "uint8"])
@pytest.mark.parametrize("features", FEATURES)
def test_onnx_answers_as_the_model_does(features, uint8, digits):
    reader = model(features)
    frames = digits if uint8 else digits.astype(np.float32) / np.float32(255)
    labels, proba = run_onnx(reader.to_onnx(uint8=uint8), frames)
    assert proba.dtype == np.float32
    assert np.abs(proba - reader.predict_proba(frames)).max() < 1e-5
    assert labels.tolist() == reader.predict(frames).tolist()
    assert set(labels.tolist()) <= set(NAMES)


def test_onnx_takes_one_frame_or_many_and_no_other_size(digits):
    data = model("strokes").to_onnx(uint8=True)
    assert run_onnx(data, digits[:1])[0].tolist() == run_onnx(data, digits)[0][:1].tolist()
    assert run_onnx(data, digits[:0])[1].shape == (0, 10)
    with pytest.raises(Exception, match="invalid dimensions"):
        run_onnx(data, digits[:, :27])
    with pytest.raises(Exception, match="Unexpected input data type"):
        run_onnx(data, digits / np.float32(255))


def test_pictures_of_any_shape_go_into_onnx():
    reader = DigitReader(np.random.default_rng(0).normal(size=(2, 20)), np.zeros(2), ("a", "b"), (4, 5))
    frames = np.random.default_rng(1).random((6, 4, 5)).astype(np.float32)
    labels, proba = run_onnx(reader.to_onnx(), frames)
    assert labels.tolist() == reader.predict(frames).tolist()
    assert proba == pytest.approx(reader.predict_proba(frames), abs=1e-6)


@pytest.mark.parametrize("features", FEATURES)
def test_onnx_is_checked_plain_and_says_what_it_is(features):
    reader = DigitReader.shipped() if features == "strokes" else model(features)
    proto = onnx.load_from_string(reader.to_onnx())
    onnx.checker.check_model(proto, full_check=True)
    assert {node.domain for node in proto.graph.node} == {""}
    assert (proto.ir_version, [(entry.domain, entry.version) for entry in proto.opset_import]) == (8, [("", 13)])
    said = {entry.key: entry.value for entry in proto.metadata_props}
    assert said.pop("input") == "float32 (N, rows, cols): ink from 0 (paper) to 1"
    said = {name: json.loads(value) for name, value in said.items()}
    document = reader.to_json()
    assert said == {name: document[name] for name in said}
    assert {"classes", "features", "image_shape", "card", "certificate", "penalty", "accuracy"} == said.keys()
    assert reader.to_onnx() == reader.to_onnx()


def test_without_onnx_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'inklens\[onnx\]'"):
        model("pixels").to_onnx()


@pytest.mark.slow
@pytest.mark.skipif("INKLENS_MNIST" not in os.environ, reason="set INKLENS_MNIST to the folder of MNIST's four files")
@pytest.mark.parametrize("name", ["shipped", "pixels", "upright"])
def test_onnx_decides_on_3000_digits_as_the_model_does(name):
    mnist = load_dataset(f"idx:{os.environ['INKLENS_MNIST']}")
    frames = mnist.X[-3000:].reshape(-1, 28, 28)
    reader = DigitReader.shipped() if name == "shipped" else model(name, scale=0.3)
    data = reader.to_onnx(uint8=True)
    for part in np.split(frames, 3):
        labels, proba = run_onnx(data, part)
        assert labels.tolist() == reader.predict(part).tolist()
        assert np.abs(proba - reader.predict_proba(part)).max() < 1e-5


# ------------------------------------------------------------------------------------------------- C


def compilers():
    """Every compiler that is here, as its name and its command without the file; Clang's may come with ziglang."""
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow"]
    kinds = {"gcc": ["-x", "c", "-std=c99"], "g++": ["-x", "c++", "-std=c++11"]}
    for name, language in kinds.items():
        if shutil.which(name):
            yield name, [name, *strict, *language]
        clang = {"gcc": "clang", "g++": "clang++"}[name]
        if shutil.which(clang):
            yield clang, [clang, *strict, *language]
        elif (found := find_spec("ziglang")) is not None and sys.platform == "linux":
            folder = Path(found.origin).parent
            headers = ["-isystem", str(folder / "lib/include")]
            yield f"{clang} of ziglang", [str(folder / "zig"), "clang", *headers, *strict, *language]


COMPILERS = dict(compilers())


@pytest.fixture(scope="module", params=["dense", "sparse", "empty"])
def header(request, tmp_path_factory):
    """A folder with model.h and a program that uses it, and the model."""
    folder = tmp_path_factory.mktemp(request.param)
    reader = model("pixels", zeros={"dense": 0.0, "sparse": 0.9, "empty": 1.0}[request.param], scale=0.3)
    (folder / "model.h").write_text(reader.to_c(), encoding="ascii")
    (folder / "main.c").write_text(MAIN, encoding="ascii")
    return folder, reader


@pytest.mark.skipif(not COMPILERS, reason="no C compiler here")
@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize("name", COMPILERS)
def test_every_compiler_takes_the_header_without_a_warning(name, real, header):
    folder, _ = header
    done = subprocess.run(
        [*COMPILERS[name], f"-DINKLENS_REAL={real}", "-fsyntax-only", "main.c"],
        **{"cwd": folder, "capture_output": True, "text": True},
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif("gcc" not in COMPILERS, reason="no gcc here")
@pytest.mark.parametrize(("real", "tol"), [("double", 1e-6), ("float", 1e-4)])
def test_the_header_answers_as_the_model_does(real, tol, header, digits):
    folder, reader = header
    program = folder / f"main-{real}"
    subprocess.run(
        [*COMPILERS["gcc"], f"-DINKLENS_REAL={real}", "main.c", "-o", program, "-lm"], cwd=folder, check=True
    )
    printed = subprocess.run([program], input=digits.tobytes(), capture_output=True, check=True).stdout
    *lines, names = printed.split(b"\n", len(digits))
    answers = np.array([line.split() for line in lines], float)
    proba = reader.predict_proba(digits)
    assert np.abs(answers[:, 1:] - proba).max() < tol
    assert np.array_equal(answers[:, 0], proba.argmax(axis=1))
    assert tuple(names.decode().split("\0")[:-1]) == NAMES


def test_a_sparse_model_is_a_smaller_header():
    dense, sparse = c_header(model("pixels")), c_header(model("pixels", zeros=0.9))
    assert "inklens_pixel[" in sparse
    assert "inklens_pixel[" not in dense
    assert len(sparse) < 0.2 * len(dense)


SHOWN = st.text(min_size=1, max_size=8).filter(lambda name: bool(name.strip()) and not unshowable(name))


@pytest.mark.skipif("gcc" not in COMPILERS, reason="no gcc here")
@given(st.lists(SHOWN, min_size=2, max_size=4, unique=True), st.text(max_size=30))
@settings(max_examples=10, deadline=None)
def test_no_name_becomes_code(names, title):
    reader = DigitReader(np.eye(len(names), 4), np.zeros(len(names)), tuple(names), (2, 2), recipe=title)
    text = c_header(reader) + f"int inklens_check[INKLENS_CLASSES == {len(names)} ? 1 : -1];\n"
    assert text.isascii()
    command = [*COMPILERS["gcc"], "-fsyntax-only", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_c_cannot_hold_is_refused():
    with pytest.raises(DataError, match="on strokes; export it as"):
        DigitReader.shipped().to_c()
    with pytest.raises(DataError, match="range of C's float"):
        model("pixels", scale=1e60).to_c()


# ------------------------------------------------------------------------------------------------- command


@pytest.mark.slow
def test_the_command_writes_each_kind_and_refuses_what_is_not_about_it(tmp_path):
    model("pixels").save(tmp_path / "m.inklens")
    DigitReader.shipped().save(tmp_path / "s.inklens")
    reader = DigitReader.load(tmp_path / "m.inklens")
    contents = {"m.onnx": reader.to_onnx(), "m.h": reader.to_c().encode()}
    for name, content in contents.items():
        done = run("export", tmp_path / "m.inklens", "-o", tmp_path / name, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert (document["kind"], document["bytes"]) == (name[2:], len(content))
        assert (tmp_path / name).read_bytes() == content
    for options, code, words in (
        (("s.inklens", "s.h"), 1, "on strokes"),
        (("m.inklens", "n.h", "--uint8"), 2, "goes with -o FILE.onnx"),
        (("m.inklens", "n.onnx", "--path", "3"), 2, "goes with -o FILE.html"),
        (("m.inklens", "n.onnx", "--no-path"), 2, "goes with -o FILE.html"),
    ):
        source, out, *more = options
        done = run("export", tmp_path / source, "-o", tmp_path / out, *more)
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"m.inklens", "s.inklens", "m.onnx", "m.h"}
