"""The lesson as a student runs it: every cell ends well, in a kernel, and what it shows stays alive without one."""

import json
import os
import re
import socket
import warnings

import pytest
from click.testing import CliRunner

from inklens import SoftmaxRegression, load_dataset, softmax_path
from inklens.cli.notebook import notebook
from inklens.errors import DataError, OutputError, ParameterError
from inklens.notebook import lesson, live
from inklens.notebook.lesson import LessonError, lesson_text, make_notebook, run_notebook, write_notebook

LARGEST = 3_000_000  # bytes of a notebook that has run

# Steps of the tutorial in its order, and what the notebook does there: in plain scikit-learn and Matplotlib, and by us.
STEPS = {
    "load": ["fetch_openml", "load_dataset(", "X.shape, y.shape"],
    "count": ["np.unique(y, return_counts=True)"],
    "gallery": ["axes[row, k].imshow(X[i]", "SampleGalleryDisplay"],
    "split": ["train_test_split(X, y, random_state=9", "digits.split("],
    "scale": ["X_train / 255.0"],
    "fit": ["C=np.inf, tol=0.1, solver=", "SoftmaxRegression(C=np.inf)", "SoftmaxRegression(C=1.0)"],
    "coefficients": ["clf.coef_.shape", "clf.coef_[k].reshape(28, 28)", "CoefficientMapsDisplay"],
    "by hand": ["clf.intercept_[k] + np.dot(clf.coef_[k]", "exps / exps.sum()", "ByHandDisplay"],
    "predict": ["classes[np.argmax(probs)]", "clf.predict_proba("],
    "accuracy": ["np.mean(y_test == y_pred)", "accuracy_score(", "clf.score(", "Evaluation.from_predictions"],
    "confusions": ["TP {} TN {}", "PlainConfusionMatrix", "ConfusionMatrixDisplay.from_evaluation"],
    "own photo": ["FileUpload(", "Image.open(my_photo)"],
    "recipe": [".convert(", ".resize((28, 28)", "ImageOps.invert", "np.percentile(", ".reshape(1, 784)"],
    "read": ["clf.predict_proba(test_sample)", "reader.read(photo)", "live(reader)"],
    "why": ["x * w", "EvidenceDisplay", "ReasonsDisplay"],
    "changed digit": ["changed = reading.frame.copy()", "reader.flip(photo)"],
    "zeros": ["np.ma.masked_where(w != 0, w)"],
    "L1": ["SoftmaxRegression(C=1.0, l1_ratio=1.0)", "LogisticRegression(l1_ratio=1, C=1", "MapComparisonDisplay"],
    "C up and down": ["StrengthDisplay", "live(path, split)"],
}


def quiet(done, total, what):
    pass


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("MemoryError", "", MemoryError),
        ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 8 GiB", MemoryError),
        ("ImportError", "\n\nREAD THIS\n\nx.so: failed to map segment from shared object", MemoryError),
        ("RuntimeError", "can't start new thread", MemoryError),
        ("ImportError", "\n\nREAD THIS\n\nno module named x", LessonError),
        ("ValueError", "", LessonError),
    ],
)
def test_what_ended_a_cell_is_one_line(kind, text, expected):
    error = lesson._failed("cell 1 of the notebook failed", kind, text)
    assert type(error) is expected
    assert "\n" not in str(error)
    assert "READ THIS" not in str(error)
    assert "--no-run" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError("Kernel died before replying"), OSError("no such program")], ids=repr)
def test_whatever_keeps_a_kernel_from_starting_is_the_one_error(error, tmp_path, monkeypatch):
    def fails(self, **_):
        raise error

    monkeypatch.setattr(pytest.importorskip("nbclient").NotebookClient, "execute", fails)
    with pytest.raises(LessonError, match=f"Python did not start: {error}; --no-run"):
        write_notebook(tmp_path / "mine", "tutorial", run=True, progress=quiet)
    assert not (tmp_path / "mine").exists()


@pytest.mark.slow
def test_a_kernel_that_does_not_start_is_the_one_error_and_leaves_nothing(tmp_path, monkeypatch, capfd):
    (tmp_path / "zmq.py").write_text("raise ValueError('two\\nlines')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(LessonError, match="Python did not start: lines; --no-run"):
        write_notebook(tmp_path / "mine", "tutorial", run=True, progress=quiet)
    assert not (tmp_path / "mine").exists()
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def nbformat():
    """Imported by these tests alone: it takes seconds."""
    import nbformat

    return nbformat


@pytest.fixture(scope="module")
def ran(tmp_path_factory, nbformat):
    """The tutorial, run in a folder of its own."""
    folder = tmp_path_factory.mktemp("student")
    return nbformat.read(write_notebook(folder, "tutorial", run=True, progress=quiet), as_version=4)


def code_of(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def said(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.mark.slow
class TestRun:
    def test_every_cell_ends_well_without_a_warning(self, ran, nbformat):
        nbformat.validate(ran)
        numbers = [cell.execution_count for cell in code_of(ran)]
        assert numbers == list(range(1, len(numbers) + 1))
        for cell in code_of(ran):
            for output in cell.outputs:
                assert output.output_type != "error"
                assert output.get("name") != "stderr", output.text

    def test_it_is_small_and_names_no_other_host(self, ran, nbformat):
        text = nbformat.writes(ran)
        assert len(text.encode()) < LARGEST
        shown = json.dumps([cell.outputs for cell in code_of(ran)])
        hosts = "www.w3.org purl.org creativecommons.org developer.mozilla.org github.com lit.dev"  # formats, licences
        assert set(re.findall(r"https?://([\w.-]+)", shown)) <= set(hosts.split(" "))

    def test_it_says_what_is_true(self, ran):
        words = "\n".join(said(cell) for cell in code_of(ran))
        assert words.lstrip().startswith("(5000, 784) (5000,) ['")
        assert "separated -" in words
        assert "certified within" in words
        assert "by hand: 9  predict: 9  label: 4" in words
        zeros = re.search(r"zeros: (\d+)% without a penalty, (\d+)% with L1", words)
        certified = re.search(r"zeros at the certified optimum: (\d+)%", words)
        assert int(zeros[1]) <= int(zeros[2]) < int(certified[1])
        before, after = re.search(r"before: (\d) .* after: (\d)", words).groups()
        assert before != after

    def test_pages_in_it_are_alive_without_a_kernel(self, ran, nbformat):
        frames = re.findall(r"<iframe sandbox=.{20,400}? srcdoc=", nbformat.writes(ran), re.DOTALL)
        assert len(frames) == 2

    def test_no_figure_says_more_than_one_screen_of_text(self, ran):
        for cell in code_of(ran):
            for output in cell.outputs:
                assert len(str(output.get("data", {}).get("text/plain", "")).splitlines()) <= 15


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_tutorial_is_there_in_its_order(step):
    text = lesson_text().partition("## 1. ")[2]
    places = {name: text.index(marks[0]) for name, marks in STEPS.items()}
    assert all(mark in text for mark in STEPS[step])
    before = list(STEPS)[: list(STEPS).index(step)]
    assert all(places[name] < places[step] for name in before)


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    broken = "# %%\n1 + 1\n\n# %%\n1 / 0\n"
    with pytest.raises(LessonError, match=r"cell 2 of the notebook failed: ZeroDivisionError"):
        run_notebook(make_notebook(broken), tmp_path, quiet)
    monkeypatch.setattr("inklens.notebook.lesson.lesson_text", lambda name: broken)
    with pytest.raises(LessonError):
        write_notebook(tmp_path / "here", "tutorial", run=True, progress=quiet)
    assert not (tmp_path / "here").exists()


def test_the_same_lesson_is_the_same_file(tmp_path):
    first, second = (write_notebook(tmp_path / n, "tutorial", run=False, progress=quiet) for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_students_work_is_never_written_over(tmp_path):
    (tmp_path / "tutorial.ipynb").write_text("mine")
    with pytest.raises(OutputError, match=r"is there already.*another folder with -o"):
        write_notebook(tmp_path, "tutorial", run=False, progress=quiet)
    assert (tmp_path / "tutorial.ipynb").read_text() == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_notebook(tmp_path / "file", "tutorial", run=False, progress=quiet)
    with pytest.raises(DataError, match="expected one of the lessons"):
        lesson_text("../lesson")


def test_the_command_writes_it_and_says_how_to_open_it(tmp_path, nbformat):
    result = CliRunner().invoke(notebook, ["-o", str(tmp_path / "mine"), "--no-run", "--no-open"])
    assert result.exit_code == 0, result.output
    book = nbformat.read(tmp_path / "mine" / "tutorial.ipynb", as_version=4)
    assert not any(cell.outputs for cell in code_of(book))


def test_live_takes_models_paths_and_rows(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked for a network"))
    split = load_dataset("embedded").only("5", "6").split(train=60, test=30, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = softmax_path(split.X_train / 255, split.y_train, Cs=3, tol=1e-2)
    from inklens import DigitReader

    reader = DigitReader.from_estimator(SoftmaxRegression(tol=1e-2).fit(split.X_train / 255, split.y_train))
    assert "3 fits along C" in repr(live(path, split))
    assert "2 classes" in repr(live(reader))
    assert len(live(reader, split).page) > len(live(reader).page)
    with pytest.raises(ParameterError, match="counted on"):
        live(path)
    with pytest.raises(ParameterError, match="DigitReader or a path"):
        live(split)
