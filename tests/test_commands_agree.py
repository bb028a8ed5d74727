"""Commands agree: on the number of an image, under old and new names, and on what an option means."""

import json
import re
import socket
import time

import click
import numpy as np
import pytest
from PIL import Image

from inklens import DigitReader, SoftmaxRegression, load_dataset
from inklens.cli.main import COMMANDS, OLDER, _run, inklens
from inklens.cli.output import program_name
from inklens.explanations.flips import MARGIN
from inklens.explanations.strokes import strokes

SPLIT = {"train": 400, "test": 200, "seed": 3}


def run(capfd, *args):
    code = _run([str(arg) for arg in args])
    out, err = capfd.readouterr()
    return code, out, err


def document(capfd, *args):
    code, out, err = run(capfd, *args, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.inklens"
    split = [word for name, value in SPLIT.items() for word in (f"--{name}", str(value))]
    assert _run(["fit", *split, "--C", "0.1", "--tol", "1e-2", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def rows():
    return load_dataset("embedded").split(**SPLIT)


# ---- one number for an image -----------------------------------------------------------------------------------------


def frame_of(capfd, model, sample, part):
    """The image that a number names, by way of flip."""
    return np.array(document(capfd, "flip", "--model", model, "--sample", sample, "--part", part)["frame"])


def check(capfd, model, rows, entry):
    """An entry's number within its half and its row in the data set name one image, with the entry's label."""
    X, index = {"test": (rows.X_test, rows.test_index), "train": (rows.X_train, rows.train_index)}[entry["part"]]
    assert index[entry["sample"]] == entry["row"]
    frame = frame_of(capfd, model, entry["sample"], entry["part"])
    assert np.array_equal(frame, X[entry["sample"]].reshape(28, 28) / 255)


def test_one_image_has_one_number_in_every_command(model, rows, capfd):
    true, answer = confused(DigitReader.load(model), rows)
    opened = document(capfd, "evaluate", model, "--mistakes", true, answer)
    image = opened["images"][0]
    check(capfd, model, rows, {"part": opened["part"], **image})
    why = document(capfd, "explain", "--model", model, "--sample", image["sample"])
    assert why["image"] == f"test row {image['sample']}, a {true}"
    assert why["label"] == answer
    assert why["probabilities"][answer] == pytest.approx(image["probability"])
    assert f"test row {image['sample']} " in run(capfd, "evaluate", model, "--mistakes", true, answer)[1]

    radii = document(capfd, "flip", "--model", model, "--all")
    assert radii["part"] == "test"
    assert radii["rows"] == rows.test_index.tolist()
    assert radii["answers"][image["sample"]] == answer
    nearest = int(np.argmin(radii["boxed"]["l1"]))
    assert f"test row {nearest} " in run(capfd, "flip", "--model", model, "--all")[1]


def test_the_numbers_of_training_rows_are_theirs_too(model, rows, capfd):
    suspect = document(capfd, "labels", model, "--folds", "2")["suspects"][0]
    check(capfd, model, rows, suspect)
    assert rows.y_train[suspect["sample"]] == suspect["given"]
    voter = document(capfd, "votes", "--model", model, "--sample", "3")["strongest"]["for"][0]
    check(capfd, model, rows, voter)
    assert rows.y_train[voter["sample"]] == voter["label"]
    why = document(capfd, "explain", "--model", model, "--sample", voter["sample"], "--part", "train")
    assert why["image"] == f"training row {voter['sample']}, a {voter['label']}"
    assert f"training row {voter['sample']} " in run(capfd, "votes", "--model", model, "--sample", "3")[1]


def confused(reader, rows):
    """The most frequent confusion of the test rows."""
    answers = reader.predict(rows.X_test.reshape(-1, 28, 28) / 255)
    pairs = [(t, a) for t, a in zip(rows.y_test.tolist(), answers.tolist(), strict=True) if t != a]
    return max(set(pairs), key=pairs.count)


def test_a_half_belongs_to_a_row_of_data_not_to_a_picture(model, capfd):
    code, out, err = run(capfd, "explain", "--model", model, "x.png", "--part", "train")
    assert (code, out) == (2, "")
    assert "--sample" in err


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["certainty", "{m}"], ["evaluate", "{m}", "--certainty"]),
        (["certainty", "{m}", "--coverage", "0.8"], ["evaluate", "{m}", "--certainty", "--coverage", "0.8"]),
        (["mistakes", "{m}", "--cell", "4", "9"], ["evaluate", "{m}", "--mistakes", "4", "9"]),
        (["radii", "{m}", "--part", "train"], ["flip", "--model", "{m}", "--all", "--part", "train"]),
        (["limits", "--train", "40", "--test", "9"], ["data", "limits", "--train", "40", "--test", "9"]),
    ],
)
def test_an_older_name_prints_the_same_document(old, new, model, capfd):
    one, other = (document(capfd, *(word.format(m=model) for word in words)) for words in (old, new))
    assert one == other


def test_labels_are_refitted_under_both_names(model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capfd, "labels", model, "--folds", "2", "--relabel", "old.csv")
    assert code == 0, err
    assert run(capfd, "labels", model, "--folds", "2", "--table", "new.csv")[0] == 0
    old, new = ((tmp_path / name).read_text() for name in ("old.csv", "new.csv"))
    assert old == new
    (tmp_path / "new.csv").write_text(re.sub(r",\s*$", ",drop", new, count=1, flags=re.M))
    one = document(capfd, "refit", model, "--relabel", "new.csv", "-o", "one.inklens")
    other = document(capfd, "labels", model, "--refit", "new.csv", "-o", "other.inklens")
    assert {**one, "model": ""} == {**other, "model": ""}
    assert run(capfd, "labels", model, "--refit", "new.csv")[0] == 2


def test_figures_go_where_out_says_and_its_older_name_too(model, tmp_path, capfd):
    for option, folder in (("-o", "a"), ("--figures", "b")):
        assert run(capfd, "evaluate", model, option, tmp_path / folder)[0] == 0
        assert len(list((tmp_path / folder).iterdir())) == 2


def test_help_stands_in_groups_and_hides_older_names(capfd):
    code, text, _ = run(capfd)
    assert code == 0
    assert text == run(capfd, "--help")[1]
    named = re.findall(r"^  (\w+) +[A-Z]", text, flags=re.M)
    assert sorted(named) == sorted(COMMANDS)
    assert not set(OLDER) & set(named)
    for name in OLDER:
        assert run(capfd, name, "--help")[0] == 0


def commands():
    context = click.Context(inklens)
    for name in COMMANDS:
        command = inklens.get_command(context, name)
        yield command
        yield from getattr(command, "commands", {}).values()


def test_an_option_has_one_meaning():
    """Options of one name are of one type; every -o is --out."""
    kinds = {}
    for command in commands():
        for parameter in command.params:
            if not isinstance(parameter, click.Option):
                continue
            assert ("-o" in parameter.opts) == ("--out" in parameter.opts)
            for name in parameter.opts:
                kind = parameter.type.name.removesuffix(" range")
                kind = "path" if kind in ("file", "directory") else kind
                kinds.setdefault(name, set()).add((parameter.is_flag, parameter.nargs, kind))
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("called", "typed"),
    [
        ("bin/inklens", "bin/inklens"),
        ("{here}/bin/inklens", "bin/inklens"),
        ("/nowhere/my tools/inklens", "'/nowhere/my tools/inklens'"),
        ("{path}/inklens", "inklens"),
        ("/nowhere/pytest", "inklens"),
    ],
)
def test_hints_name_the_program_as_it_was_called(called, typed, tmp_path, monkeypatch):
    for folder in ("here/bin", "path"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "inklens").touch(mode=0o755)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr("sys.argv", [called.format(here=tmp_path / "here", path=tmp_path / "path")])
    assert program_name() == typed


def test_a_model_of_another_size_says_what_to_do_instead(tmp_path, capfd):
    DigitReader(np.eye(2, 64), np.zeros(2), ("a", "b"), (8, 8)).save(tmp_path / "m.inklens")
    Image.fromarray(255 - load_dataset("embedded").images(4)).resize((200, 200)).save(tmp_path / "photo.png")
    for command in ("explain", "flip"):
        code, out, err = run(capfd, command, "--model", tmp_path / "m.inklens", tmp_path / "photo.png")
        assert (code, out) == (1, "")
        assert "28 x 28" in err
        assert "--data embedded" in err


@pytest.mark.parametrize("options", [["--coverage", "0.9"], ["-n", "3"], ["photo.png"]])
def test_what_would_be_ignored_is_refused(options, model, capfd):
    code, out, err = run(capfd, "evaluate", model, *options)
    assert (code, out) == (2, "")
    assert "goes with" in err


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_a_fit_says_what_it_fitted(tmp_path, capfd):
    options = ["--train", "300", "--test", "100", "--C", "0.5", "--l1-ratio", "1", "--tol", "1e-2"]
    code, out, err = run(capfd, "fit", *options, "-o", tmp_path / "m.inklens")
    assert code == 0, err
    coef = DigitReader.load(tmp_path / "m.inklens").coef
    used = int((coef != 0).any(axis=0).sum())
    for words in ("L1, C = 0.5", f"pixels, {used} of 784 used", "300 training, 100 test", "at most tol = 0.01"):
        assert words in out
    assert "inklens evaluate" in err
    fitted = document(capfd, "fit", *options, "-o", tmp_path / "m.inklens")["fitted"]
    assert (fitted["C"], fitted["l1_ratio"], fitted["features_used"]) == (0.5, 1.0, used)
    assert fitted["rows"] == {"train": 300, "test": 100, "added": 0}


def test_a_fit_out_of_time_says_so(tmp_path, capfd):
    options = ["--C", "1000", "--l1-ratio", "1", "--tol", "1e-12", "--time-budget", "0.3", "--train", "1000"]
    code, out, _ = run(capfd, "fit", *options, "-o", tmp_path / "m.inklens")
    assert code == 0
    assert "time budget of 0.3 s was over" in out


def test_a_missing_folder_costs_no_fit(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("inklens.tasks.models.load_dataset", lambda *_, **__: pytest.fail("data were loaded"))
    code, out, err = run(capfd, "fit", "-o", tmp_path / "none" / "m.inklens")
    assert (code, out) == (2, "")
    assert "there is no folder" in err
    assert list(tmp_path.iterdir()) == []


WRITES = {"-o", "--steps", "--boxes", "--table", "--predictions"}


def test_no_command_makes_the_folder_of_a_file(tmp_path, monkeypatch):
    """What is a folder itself is made; a file's folder is not: a misspelt path should cost no work."""
    monkeypatch.chdir(tmp_path)
    seen = set()
    for command in commands():
        for option in command.params:
            if not WRITES & set(option.opts) or option.metavar == "DIR":
                continue
            name = f"file{getattr(option.type, 'endings', ('.svg',))[0]}"
            with pytest.raises(click.UsageError, match=r"there is no folder 'none'; make it first \(mkdir\)"):
                option.type.convert(f"none/{name}", option, click.Context(command))
            assert option.type.convert(name, option, click.Context(command)) == name
            seen |= WRITES & set(option.opts)
    assert seen == WRITES


def test_an_export_into_a_missing_folder_is_refused_before_it_is_made(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("inklens.tasks.exporting.export_page", lambda *_, **__: pytest.fail("a page was made"))
    DigitReader(np.eye(2, 64), np.zeros(2), ("a", "b"), (8, 8)).save(tmp_path / "m.inklens")
    code, out, err = run(capfd, "export", tmp_path / "m.inklens", "-o", tmp_path / "none" / "page.html")
    assert (code, out) == (2, "")
    assert "there is no folder" in err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--penalty", "l1"], "--l1-ratio 1"),
        (["--penalty=l2"], "--l1-ratio 0"),
        (["--penalty", "none"], "--C inf"),
        (["--penalty", "odd"], "--l1-ratio 1 is L1"),
        (["--solver", "saga"], "--tol"),
        (["--max_iter", "100"], "--time-budget"),
        (["--alpha", "1"], "1 / (alpha"),
    ],
)
def test_options_of_other_programs_are_answered(options, words, capfd):
    code, out, err = run(capfd, "fit", *options, "-o", "x.inklens")
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"penalty": "l1"}, "l1_ratio=1"), ({"penalty": None}, "C=inf"), ({"solver": "saga"}, "tol")],
)
def test_parameters_of_other_estimators_are_answered(parameters, words):
    with pytest.raises(TypeError, match=words):
        SoftmaxRegression(**parameters)
    assert "penalty" not in SoftmaxRegression().get_params()


def test_without_a_network_the_remedy_comes_at_once(tmp_path, monkeypatch, capfd):
    def nobody_knows(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    began = time.process_time()
    code, out, err = run(capfd, "demo", "--data", "mnist", "-o", tmp_path / "report")
    assert (code, out) == (1, "")
    for remedy in ("--data embedded", "idx:DIR", "inklens data fetch mnist"):
        assert remedy in err
    assert time.process_time() - began < 5
    assert not (tmp_path / "report").exists()


def test_votes_without_a_model_name_the_commands_that_make_one(capfd):
    code, out, err = run(capfd, "votes", "--sample", "3")
    assert (code, out) == (2, "")
    assert "inklens fit --C 0.1 -o dense.inklens" in err
    assert "--model dense.inklens" in err


# ---- strokes on any features -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_strokes_flip_a_model_on_features_that_are_not_linear_in_the_ink():
    reader, frame = DigitReader.shipped(), load_dataset("embedded").images(4) / 255
    found = strokes(reader, frame, width=2.0)
    assert [s.ink for s in found] == sorted(s.ink for s in found)
    assert found
    for stroke in found:
        change = stroke.flipped - frame
        assert np.all(change >= 0) if stroke.kind == "draw" else np.all(change <= 0)
        assert stroke.ink == pytest.approx(np.abs(change).sum())
        z = reader.raw_prediction(stroke.flipped[None])[0]
        assert reader.classes[int(z.argmax())] == stroke.target
        assert np.diff(np.sort(z))[-1] == pytest.approx(stroke.margin, abs=1e-9)
        assert stroke.margin >= MARGIN
