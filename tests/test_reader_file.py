"""Model files: round trip, damage, foreign and hostile files."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from inklens import reader as reader_module
from inklens.cli.main import inklens
from inklens.errors import DataError, InklensError, ModelFileError, OutputError, ParameterError
from inklens.pages.figures import ReportFigure
from inklens.reader import DigitReader
from inklens.tasks.reading import load_reader


def make_reader(n_classes=3, shape=(4, 5), seed=0):
    rng = np.random.default_rng(seed)
    coef = rng.normal(size=(n_classes, shape[0] * shape[1]))
    classes = tuple(f"class {k}" for k in range(n_classes))
    return DigitReader(coef, rng.normal(size=n_classes), classes, shape, provenance={"C": 1.0, "name": "Ünïcode"})


def test_saving_and_loading_keeps_every_bit(tmp_path):
    reader = make_reader()
    reader.save(tmp_path / "a.inklens")
    again = DigitReader.load(tmp_path / "a.inklens")
    assert np.array_equal(again.coef, reader.coef)
    assert again.classes == reader.classes
    assert again.to_bytes() == reader.to_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["a.inklens"]


def test_the_memory_layout_of_the_weights_does_not_matter():
    reader = make_reader()
    fortran = DigitReader(np.asfortranarray(reader.coef), reader.intercept, reader.classes, reader.image_shape)
    assert np.array_equal(DigitReader.from_bytes(fortran.to_bytes()).coef, reader.coef)


def test_every_flipped_bit_is_noticed():
    data = make_reader(2, (2, 2)).to_bytes()
    for position in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(ModelFileError):
            DigitReader.from_bytes(bytes(damaged))


@pytest.mark.parametrize("keep", [0, 4, 8, 40, -1])
def test_a_cut_file_is_refused(keep):
    with pytest.raises(ModelFileError):
        DigitReader.from_bytes(make_reader().to_bytes()[:keep])


def test_trailing_bytes_are_refused():
    with pytest.raises(ModelFileError):
        DigitReader.from_bytes(make_reader().to_bytes() + b"\0")


def test_a_foreign_safetensors_file_is_refused():
    with pytest.raises(ModelFileError, match="not an inklens model"):
        DigitReader.from_bytes(save({"coef": np.zeros((2, 2))}))


def test_a_header_of_four_gigabytes_is_refused_before_it_is_read():
    with pytest.raises(ModelFileError):
        DigitReader.from_bytes((2**32).to_bytes(8, "little") + b"{}")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_model_or_the_one_error(data):
    with pytest.raises(ModelFileError):
        DigitReader.from_bytes(data)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    reader = make_reader()
    coef = reader.coef.copy()
    coef[0, 0] = bad
    with pytest.raises(DataError, match="NaN"):
        DigitReader(coef, reader.intercept, reader.classes, reader.image_shape)


def test_classes_and_rows_must_agree():
    reader = make_reader()
    with pytest.raises(DataError, match="4 classes"):
        DigitReader(reader.coef, reader.intercept, (*reader.classes, "x"), reader.image_shape)


def test_an_installation_without_its_reader_says_how_to_make_one(monkeypatch):
    monkeypatch.setattr(reader_module, "SHIPPED_READER", "none.inklens")
    with pytest.raises(ModelFileError, match=r"no reader of its own; make a model with inklens fit .*--model"):
        DigitReader.shipped()


@pytest.mark.parametrize(
    "read", [DigitReader.read, DigitReader.read_lines, DigitReader.explain], ids=lambda f: f.__name__
)
def test_a_model_of_other_images_reads_no_photo(read):
    small = DigitReader(np.eye(2, 9), np.zeros(2), ("a", "b"), (3, 3))
    with pytest.raises(DataError, match=r"28 x 28 pixels, but this model takes 3 x\s+3; fit one"):
        read(small, np.zeros((200, 200), np.uint8))


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelFileError, match="inklens fit"):
        DigitReader.load(tmp_path / "none.inklens")


def test_a_failed_save_leaves_the_old_model(tmp_path, monkeypatch):
    make_reader(seed=1).save(tmp_path / "a.inklens")
    before = (tmp_path / "a.inklens").read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inklens.storage.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        make_reader(seed=2).save(tmp_path / "a.inklens")
    assert (tmp_path / "a.inklens").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.inklens"]


def test_a_frame_outside_its_range_is_refused():
    with pytest.raises(DataError, match="255"):
        make_reader().frame(np.full((4, 5), 200.0))


def test_the_shipped_reader_records_its_certificate_and_accuracy():
    fitted, accuracy = (load_reader().recorded(part) for part in ("fit", "accuracy"))
    assert 0 < fitted["lower_bound"] <= fitted["objective"]
    gap = (fitted["objective"] - fitted["lower_bound"]) / fitted["objective"]
    assert fitted["relative_gap"] == pytest.approx(gap)
    assert gap <= 2 * fitted["tol"]  # of the coefficients as they are stored, in single precision
    assert fitted["status"] == "certified"
    assert 0.99 < accuracy["test"] < 1.0


WITHOUT_ROWS = (
    {"data": "digits that I drew", "C": 1.0},
    {
        "data": {"name": "digits that I drew"},
        "fit": {"C": 1.0, "l1_ratio": 0.0, "objective": 2.0, "status": "certified"},
    },
)


def command(*args):
    """Run a command in this process; what it raises is what the command line says in one line."""
    return inklens.main([str(arg) for arg in args], standalone_mode=False)


@pytest.fixture(params=WITHOUT_ROWS, ids=("words", "no rows"))
def model(request, tmp_path):
    """Return a model file that does not name the rows of its fit, as the shipped reader does not."""
    path = tmp_path / "a.inklens"
    replace(load_reader(), provenance=request.param).save(path, dtype=np.float16)
    return path


@pytest.mark.parametrize("options", [(), ("--data", "embedded")], ids=("plain", "data named"))
@pytest.mark.parametrize("name", ["verify", "stability", "labels", "refit"])
def test_what_needs_the_rows_of_the_fit_says_so(name, options, model, tmp_path):
    (tmp_path / "labels.csv").write_text("index,label\n1,2\n")
    more = ("--relabel", tmp_path / "labels.csv", "-o", tmp_path / "b.inklens") if name == "refit" else ()
    with pytest.raises(InklensError, match=r"fitted on|how it was fitted|holds no certificate"):
        command(name, model, *more, *options)
    assert not (tmp_path / "b.inklens").exists()


def test_verify_asks_for_the_rows_of_the_shipped_reader(tmp_path):
    load_reader().save(tmp_path / "a.inklens", dtype=np.float32)
    with pytest.raises(DataError, match="--data mnist"):
        command("verify", tmp_path / "a.inklens")
    with pytest.raises(DataError, match=r"fitted on MNIST, .* its own rows only"):
        command("verify", tmp_path / "a.inklens", "--data", "embedded")


@pytest.mark.slow
@pytest.mark.skipif("INKLENS_MNIST" not in os.environ, reason="set INKLENS_MNIST to the folder of MNIST's four files")
def test_the_shipped_certificate_is_proven_again_from_mnist_alone(tmp_path, capsys):
    from inklens.tasks.verification import verify

    mnist = f"idx:{os.environ['INKLENS_MNIST']}"
    reader = load_reader()
    found = verify(reader, data=mnist)
    assert found.holds
    assert found.lower_bound > 0.999 * found.objective


@pytest.mark.parametrize("name", ["explain", "flip", "votes"])
def test_a_row_is_shown_of_named_data_only(name, model):
    with pytest.raises(ParameterError, match="--data"):
        command(name, "--sample", 3, "--model", model)


def test_a_row_of_named_data_is_explained(model, capsys):
    command("explain", "--sample", 3, "--model", model, "--data", "embedded", "--json")
    assert capsys.readouterr().out.startswith("{")


@pytest.mark.slow
@pytest.mark.parametrize("model", WITHOUT_ROWS[1:], indirect=True)
def test_a_page_is_written_of_a_model_that_does_not_name_its_rows(model, tmp_path, monkeypatch):
    for drawn in ("html", "save"):
        monkeypatch.setattr(ReportFigure, drawn, lambda *_: "")
    command("report", model, "--data", "embedded", "-o", tmp_path / "page")
    assert list((tmp_path / "page").glob("*.html"))


def test_a_fifo_that_nobody_writes_to_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "model")
    with pytest.raises(ModelFileError, match="may never end"):
        DigitReader.load(tmp_path / "model")
