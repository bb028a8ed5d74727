"""The command line as scripts see it: exit codes, one line per error, one JSON document, no traceback."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np
import pytest
from command import run
from PIL import Image

from inklens import DigitReader, load_dataset
from inklens.cli.main import COMMANDS, LazyGroup, _run, inklens, main

SMALL = ["--train", "300", "--test", "200"]


def clear_error(done, code, *words):
    """Assert the one clear line: exit code, nothing on stdout, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("inklens: ")
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.inklens"
    done = run("fit", *SMALL, "--C", "0.1", "--tol", "1e-2", "-o", path, "--json")
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    digit = load_dataset("embedded").images(2500)
    path = tmp_path_factory.mktemp("picture") / "digit.png"
    Image.fromarray(255 - digit).resize((280, 280)).save(path)
    return path


def test_help_names_every_command_and_each_command_teaches():
    text = run("--help").stdout
    assert all(name in text for name in COMMANDS)
    for name in COMMANDS:
        done = run(name, "--help")
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) > 4


def test_fit_prints_the_promised_document(model):
    path, document = model
    assert document["schema_version"] == 1
    assert document["model"] == str(path)
    assert document["status"] == "certified"
    assert document["lower_bound"] <= document["objective"]
    assert document["relative_gap"] == pytest.approx(1 - document["lower_bound"] / document["objective"])
    assert document["relative_gap"] <= 1e-2
    assert set(document["accuracy"]) == {"train", "test"}
    assert document["zeros"] == int((DigitReader.load(path).coef == 0).sum())


def test_evaluate_judges_the_models_own_test_rows(model, tmp_path):
    path, document = model
    done = run("evaluate", path, "--json", "--figures", tmp_path / "figures")
    scores = json.loads(done.stdout)
    assert scores["accuracy"] == document["accuracy"]["test"]
    assert scores["n_samples"] == 200
    assert np.sum(scores["confusion"]) == 200
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == [
        "confusion-counts.svg",
        "confusion-normalised.svg",
    ]
    said = run("evaluate", path).stdout
    assert "Hardest" in said
    assert "\\n" not in said  # a line that was meant to be empty
    assert "\n\nConfusion\n" in said


def test_verify_finds_the_stated_certificate_true(model):
    done = run("verify", model[0], "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["holds"]
    assert document["computed"]["objective"] == pytest.approx(model[1]["objective"], rel=1e-9)
    assert document["computed"]["lower_bound"] <= document["computed"]["objective"]


def test_verify_notices_a_model_that_claims_too_much(model, tmp_path):
    reader = DigitReader.load(model[0])
    fit = {**reader.provenance["fit"], "lower_bound": reader.provenance["fit"]["objective"]}
    replace(reader, provenance={**reader.provenance, "fit": fit}).save(tmp_path / "liar.inklens")
    done = run("verify", tmp_path / "liar.inklens")
    assert done.returncode == 1
    assert "does NOT hold" in done.stdout


@pytest.mark.parametrize("side", [4, 14])  # existence is proven; too many coefficients for that proof
def test_verify_proves_the_bound_of_a_fit_without_a_penalty(side, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (3000, side, side), dtype=np.uint8), rng.choice(list("abcdefghij"), 3000)
    np.savez(tmp_path / "noise.npz", X=X, y=y)
    model = tmp_path / "m.inklens"
    stated = json.loads(run("fit", "--data", f"npz:{tmp_path}/noise.npz", "--C", "inf", "-o", model, "--json").stdout)
    document = json.loads(run("verify", model, "--json").stdout)
    assert stated["status"] == "certified"
    assert document["holds"]
    assert document["computed"]["relative_gap"] == pytest.approx(stated["relative_gap"], abs=1e-6)


@pytest.mark.slow
def test_max_pixels_is_kept(tmp_path):
    options = ["--l1-ratio", "1", "--group", "--max-pixels", "30", "--tol", "1e-3", "-o", tmp_path / "m.inklens"]
    assert run("fit", *SMALL, *options).returncode == 0
    assert 0 < (DigitReader.load(tmp_path / "m.inklens").coef != 0).any(axis=0).sum() <= 30


def test_every_point_of_a_path_is_proven():
    document = json.loads(run("path", *SMALL, "--points", "6", "--json").stdout)
    assert len(document["points"]) == 6
    assert document["points"][0]["pixels"] == 0
    for point in document["points"]:
        assert 0.0 <= point["relative_gap"] <= 1e-3
        assert point["lower_bound"] <= point["objective"]
    assert len(document["entry_order"]) >= document["points"][-1]["pixels"]


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """A model of 7 x 7 pixels and three classes: the curvature of few coefficients is quick, as are its figures."""
    folder, digits = tmp_path_factory.mktemp("coarse"), load_dataset("embedded")
    few = np.flatnonzero(np.isin(digits.y, ["0", "1", "2"]))[:500]
    boards = digits.images()[few].reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).astype(np.uint8)
    np.savez(folder / "digits.npz", X=boards, y=digits.y[few])
    options = ["--data", f"npz:{folder / 'digits.npz'}", "--C", "0.1", "--tol", "1e-2", "-o", folder / "m.inklens"]
    done = run("fit", *SMALL, *options, "--json")
    assert done.returncode == 0, done.stderr
    return folder / "m.inklens", json.loads(done.stdout)


@pytest.mark.slow
def test_report_is_one_page_about_the_model(coarse, tmp_path, monkeypatch, capsys):
    """In this process, where no figure is drawn once more, as PNG."""
    monkeypatch.setattr("inklens.displays.base.Display.to_png", lambda _: b"")
    assert _run(list(map(str, ["report", coarse[0], "--stability", "--out", tmp_path / "page", "--json"]))) == 0
    assert json.loads(capsys.readouterr().out)["report"].endswith("index.html")
    assert (tmp_path / "page" / "predictions.csv").exists()
    numbers = json.loads((tmp_path / "page" / "numbers.json").read_text())
    assert numbers["evaluation"]["accuracy"] == coarse[1]["accuracy"]["test"]
    assert numbers["how_sure"]["answers"]["accuracy"]["value"] == coarse[1]["accuracy"]["test"]
    assert (tmp_path / "page" / "figures" / "coefficients.svg").exists()
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert f"{numbers['evaluation']['accuracy'] * 100:.1f}%" in page
    assert "http" not in re.sub(r"http://www.w3.org/[\w/]+", "", page)


def test_read_answers_for_every_picture(model, picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:100])
    done = run("read", "--model", model[0], "--json", broken, picture, tmp_path / "none.jpg")
    images = json.loads(done.stdout)["images"]
    assert done.returncode == 1
    assert [bool(image["error"]) for image in images] == [True, False, True]
    assert set(images[0]["error"]) == {"code", "message"}
    (digit,) = images[1]["digits"]
    assert sum(digit["probabilities"].values()) == pytest.approx(1.0)
    assert digit["probability"] == max(digit["probabilities"].values()) == digit["probabilities"][digit["label"]]


@pytest.mark.slow
def test_read_by_several_processes_gives_the_same(model, picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:100])
    many = [broken, *[picture] * 49]
    one, two = (run("read", "--model", model[0], "--json", "--jobs", n, *many) for n in ("1", "2"))
    assert one.returncode == two.returncode == 1
    assert one.stdout == two.stdout


@pytest.mark.parametrize(
    "options",
    [["--recipe", "tutorial", "--pixel-filter", "30", "--centre"], ["--pen", "0.15", "--polarity", "dark"],
     ["--threshold", "0.4", "--no-lines", "--orientation", "1"], ["--pen", "none", "--no-centre"]],
)  # fmt: skip
def test_every_parameter_of_the_recipe_is_an_option(model, picture, tmp_path, options):
    done = run("read", "--model", model[0], *options, "--steps", tmp_path / "steps.png", picture)
    assert done.returncode == 0
    assert (tmp_path / "steps.png").exists()


@pytest.mark.parametrize("name", ["explain", "flip", "votes"])
def test_what_looks_at_one_digit_takes_the_parameters_of_the_recipe_too(name, model, picture):
    def frame(*options):
        done = run(name, "--model", model[0], picture, "--json", *options)
        return done.returncode, done.stdout

    plain, upside_down = frame(), frame("--orientation", "3", "--no-lines", "--polarity", "dark", "--no-centre")
    assert plain[0] == upside_down[0] == 0
    assert plain != upside_down
    assert frame("--orientation", "9")[0] == 2


def test_read_takes_a_picture_from_standard_input(model, picture):
    done = run("read", "--model", model[0], "-", "--json", input=picture.read_bytes(), text=False)
    assert json.loads(done.stdout)["images"][0]["path"] == "-"
    assert done.returncode == 0


def test_collected_digits_are_fitted_and_verified(picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:100])
    done = run("collect", "--label", "7", picture, broken, "--to", tmp_path / "mine")
    assert done.returncode == 1
    assert len(list((tmp_path / "mine" / "7").iterdir())) == 1
    options = ["--add", tmp_path / "mine", "--C", "0.1", "--tol", "1e-2", "-o", tmp_path / "m.inklens"]
    assert run("fit", *SMALL, *options).returncode == 0
    assert DigitReader.load(tmp_path / "m.inklens").provenance["data"]["add"]["rows"] == 1
    assert run("verify", tmp_path / "m.inklens").returncode == 0


@pytest.mark.parametrize("label", ["", "../x", "a/b", ".hidden", "x" * 61, "two\nlines"])
def test_labels_that_are_no_names_are_refused(label, picture, tmp_path):
    clear_error(run("collect", "--label", label, picture, "--to", tmp_path / "mine"), 2, "label")
    assert not (tmp_path / "mine").exists()


def test_a_page_is_drawn_with_its_boxes(model, picture, tmp_path):
    done = run("read", "--model", model[0], "--many", "--boxes", tmp_path / "boxes.png", picture)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "boxes.png") as drawn:
        assert drawn.size == (280, 280)


def test_boxes_on_a_tiny_picture_have_room(model, picture, tmp_path):
    with Image.open(picture) as large:
        large.resize((20, 20)).save(tmp_path / "tiny.png")
    done = run("read", "--model", model[0], "--one", "--boxes", tmp_path / "boxes.png", tmp_path / "tiny.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "boxes.png") as drawn:
        assert drawn.size == (240, 240)


def test_explain_sums_to_the_score(model, picture, tmp_path):
    done = run("explain", "--model", model[0], picture, "-o", tmp_path / "why.svg", "--json")
    why = json.loads(done.stdout)
    for name, contributions in why["contributions"].items():
        assert np.sum(contributions) + why["intercept"][name] == pytest.approx(why["z"][name], abs=1e-9)
    assert (tmp_path / "why.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nonsense"], 2, ["no command"]),
        (["ft"], 2, ["'fit'"]),
        (["fit"], 2, ["--out"]),
        (["fit", "--c", "1", "-o", "x.inklens"], 2, ["--C"]),
        (["fit", "--C", "0", "-o", "x.inklens"], 2, ["C must be greater than 0"]),
        (["fit", "--C", "-3", "-o", "x.inklens"], 2, ["C must be greater than 0"]),
        (["fit", "--C", "nan", "-o", "x.inklens"], 2, ["C must be greater than 0"]),
        (["fit", "--max-pixels", "9", "-o", "x.inklens"], 2, ["--l1-ratio"]),
        (["path", "--l1-ratio", "0"], 2, ["--l1-ratio"]),
        (["fit", "--l1-ratio", "2", "-o", "x.inklens"], 2, ["0<=x<=1"]),
        (["fit", "--train", "9999", "-o", "x.inklens"], 2, ["5000", "lower it"]),
        (["fit", "--train", "many", "-o", "x.inklens"], 2, ["7500"]),
        (["fit", "--data", "nonsense", "-o", "x.inklens"], 2, ["embedded"]),
        (["fit", "--data", "idx:no-such-folder", "-o", "x.inklens"], 1, ["no-such-folder"]),
        (["fit", "--data", "csv:no-such.csv", "-o", "x.inklens"], 1, ["no-such.csv"]),
        (["evaluate", "none.inklens"], 1, ["none.inklens", "inklens fit"]),
        (["read"], 2, ["IMAGE"]),
        (["read", "--recipe", "magic", "x.jpg"], 2, ["faithful"]),
        (["explain"], 2, ["--sample"]),
    ],
)
def test_wrong_usage_gives_one_clear_line(args, code, words, tmp_path):
    clear_error(run(*args, cwd=tmp_path), code, *words)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_gives_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    clear_error(run("fit", *SMALL, "--tol", "0.1", "-o", tmp_path / "file" / "m.inklens"), 2, "cannot write")


@pytest.mark.slow
def test_a_reader_that_left_is_no_traceback(model):
    command = f"{sys.executable} -m inklens evaluate {model[0]} | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_lost_output_is_an_error(model):
    with Path("/dev/full").open("w") as full:
        done = run("evaluate", model[0], capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def run_closed(streams, *args):
    command = " ".join([sys.executable, "-m", "inklens", *map(str, args), streams])
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("group", [(), ("data",), ("homework",), ("class",)], ids=" ".join)
def test_what_a_command_does_is_said_to_the_end(group):
    assert "..." not in run(*group, "--help").stdout.partition("Commands:" if group else "Options:")[2]


@pytest.mark.parametrize("args", [("data", "list"), ("--help",), ("completion", "bash")], ids=" ".join)
def test_a_closed_output_is_one_clear_error(args):
    clear_error(run_closed(">&-", *args), 1, "closed")
    assert run_closed(">&- 2>&-", *args).returncode == 1


@pytest.mark.slow
def test_what_is_to_be_written_is_written_whatever_is_closed(tmp_path):
    for number, (streams, code) in enumerate({"2>&-": 0, ">&- 2>&-": 1}.items()):
        out = tmp_path / f"{number}.inklens"
        assert run_closed(streams, "fit", *SMALL, "--tol", "1e-2", "-o", out).returncode == code
        assert DigitReader.load(out).classes == tuple("0123456789")


def test_nothing_that_is_opened_takes_the_place_of_a_closed_stream(tmp_path):
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from inklens.cli.main import main\n"
        "for number in range(3): os.close(number)\n"
        "sys.stdin = sys.stdout = sys.stderr = None\n"
        "from contextlib import suppress\n"
        "with suppress(SystemExit): main(['completion', 'bash'])\n"
        "opened = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)\n"
        "os.write(opened, b'%d' % opened)"
    )
    subprocess.run([sys.executable, "-c", code, "", tmp_path / "file"], check=True, timeout=60)
    assert int((tmp_path / "file").read_text()) > 2


@pytest.mark.parametrize("name", ["", "x/", "no/x.inklens"])
def test_a_name_of_no_file_is_refused_before_any_work(tmp_path, name):
    clear_error(run("fit", "--data", "csv:nothing", "-o", name, cwd=tmp_path), 2, "cannot write")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_with_its_code_and_leaves_nothing_half_written(number, code, tmp_path):
    """Interrupted while a terminal shows the fit; the terminal gets its cursor back."""
    import pty

    options = ["--group", "--l1-ratio", "1", "--C", "1e4", "--tol", "0", "-o", "m.inklens"]  # takes long anywhere
    terminal, its_end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "inklens", "fit", *options],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm"},
        stdout=subprocess.DEVNULL,
        stderr=its_end,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs inherit that it is ignored
    )
    os.close(its_end)
    seen = b""
    while b"objective" not in seen:
        seen += os.read(terminal, 4096)
    process.send_signal(number)
    with contextlib.suppress(OSError):  # the other end closes
        while part := os.read(terminal, 4096):
            seen += part
    os.close(terminal)
    assert process.wait(timeout=60) == code
    assert b"Traceback" not in seen
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
    left = {path.name for path in tmp_path.iterdir()} - {"m.inklens.checkpoint"}  # from which --resume goes on
    assert left <= {"m.inklens"}
    for name in left:
        DigitReader.load(tmp_path / name)


@pytest.mark.slow
def test_a_poor_environment_is_enough(model, picture):
    poor = {"PATH": os.environ["PATH"], "LANG": "C", "NO_COLOR": "1", "COLUMNS": "20", "HOME": "/nonexistent"}
    done = run("read", "--model", model[0], picture, fresh=True, env=poor)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout


ILL_SET = {"HOME": "/proc/1", "SOURCE_DATE_EPOCH": "abc", "NUMPY_MADVISE_HUGEPAGE": "much", "MPLBACKEND": "nonsense"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="nothing can be written into /proc")
def test_settings_that_are_broken_are_nobodys_concern(model, tmp_path):
    """No byte of a figure depends on them, and nothing is said of them: of nonsense, nor of what is no text."""
    draw = ["explain", "--model", str(model[0]), "--sample", "3", "-o"]
    assert run(*draw, tmp_path / "usual.svg").returncode == 0
    (tmp_path / "matplotlibrc").write_bytes(b"nonsense\nfont.size: huge\n\xff: 3\n")
    done = run(*draw, "drawn.svg", fresh=True, cwd=tmp_path, env={**os.environ, **ILL_SET})
    assert (done.returncode, done.stderr) == (0, "wrote drawn.svg\n")
    assert (tmp_path / "drawn.svg").read_bytes() == (tmp_path / "usual.svg").read_bytes()


def test_a_warning_is_one_line_whatever_the_environment_makes_of_warnings():
    args = ("path", "--train", "60", "--test", "20", "--points", "2", "--C", "0.1", "--tol", "1e-15", "--json")
    done = run(*args, fresh=True, env={**os.environ, "PYTHONWARNINGS": "error"})
    assert (done.returncode, len(json.loads(done.stdout)["points"])) == (0, 2)
    assert done.stderr.startswith("inklens: 2 of 2 fits stopped short of tol=1.0e-15, ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="nothing can be written into /proc")
def test_without_any_folder_to_write_to_a_figure_is_refused_with_the_remedy(model, tmp_path):
    code = (
        "import sys, tempfile; tempfile.mkdtemp = lambda **_: open('/proc/1/folder', 'x')\n"
        "from inklens.cli.main import main; main(['explain', '--model', *sys.argv[1:], '--sample', '3', '-o', 'a.svg'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, model[0]],
        env={**os.environ, "HOME": "/proc/1"}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    clear_error(done, 1, "TMPDIR")


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit to the address space")
@pytest.mark.parametrize(
    "megabytes", [pytest.param(size, marks=[pytest.mark.slow] * (size != 520)) for size in (460, 465, 470, 480, 520)]
)
def test_no_library_ends_a_command_for_want_of_memory(megabytes, tmp_path):
    """OpenBLAS would, at the first product behind a large array, with words of its own and exit code 1."""
    limited = f"ulimit -v {megabytes * 1000}; exec {sys.executable} -m inklens data limits --train 400 --test 100"
    unmeasured = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }  # it wants memory
    done = subprocess.run(
        ["/bin/sh", "-c", limited], cwd=tmp_path, env=unmeasured, capture_output=True, text=True, timeout=250
    )
    done.stderr = "".join(re.findall(r"(?m)^(?!<jemalloc>).*\n", done.stderr))  # Arrow's allocator without a thread
    if done.returncode:
        clear_error(done, 1, "memory")
    else:
        assert done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit to the address space")
@pytest.mark.parametrize("megabytes", [150, 300, 430])
def test_too_little_memory_to_begin_is_one_line_at_once(megabytes, tmp_path):
    limited = f"ulimit -v {megabytes * 1000}; exec {sys.executable} -m inklens fit --train 200 --test 50 -o m.inklens"
    done = subprocess.run(["/bin/sh", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    clear_error(done, 1, "not enough memory", "ulimit")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit to the address space")
@pytest.mark.parametrize(
    ("args", "megabytes"),
    [
        *(("export {} -o out/w.json", size) for size in (320, 440, 480, 600)),
        *(("report {} --no-open -o out/page", size) for size in (440, 480, 540)),
    ],
)
def test_little_memory_leaves_a_whole_output_or_none_and_one_line(megabytes, args, model, tmp_path):
    """It may end while libraries are loaded, while figures are drawn, or not at all.

    A library that ends the process itself (a C++ bad_alloc, glibc's ABORT) leaves what a kill leaves: a hidden folder.
    """
    (tmp_path / "out").mkdir()
    limited = f"ulimit -v {megabytes * 1000}; exec {sys.executable} -m inklens {args.format(model[0])}"
    done = subprocess.run(["/bin/sh", "-c", limited], cwd=tmp_path, capture_output=True, text=True, timeout=250)
    left = [path.name for path in (tmp_path / "out").iterdir()]
    if done.returncode == 0:
        assert left == [Path(args.split()[-1]).name]
    elif done.returncode == 1:
        lines = done.stderr.splitlines()  # a library may have said something for itself
        assert [line for line in lines if line.startswith("inklens: ")] == lines[-1:]
        assert "memory" in lines[-1]
        assert "Traceback" not in done.stderr
        assert left == []
    else:
        assert done.returncode in {127, -signal.SIGABRT, -signal.SIGSEGV}
        assert all(name.startswith(".") for name in left)


@pytest.mark.parametrize(
    "said",
    [
        ImportError("_imaging.so: failed to map segment from shared object"),
        SystemError("error return without exception set"),
    ],
)
def test_a_library_that_does_not_fit_into_memory_is_one_line(said, monkeypatch, capsys):
    def imported(*_):
        raise said

    monkeypatch.setattr(sys.modules[LazyGroup.__module__], "import_module", imported)
    with pytest.raises(SystemExit) as ended:
        main(["data", "list"])
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "not enough memory" in err


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", ["not enough memory for this", "close other programs"]),
        ("Unable to allocate 8.00 EiB for an array", ["Unable to allocate 8.00 EiB for an array", "close other"]),
        ("no memory for the Hessian", ["no memory for the Hessian", "close other programs"]),
        (
            "9 columns take about 8 GB, and 1 GB are free; leave some out",
            ["9 columns take about 8 GB", "leave some out"],
        ),
        ("a\nb \x1b[2J; less of it", ["a\\nb \\x1b[2J; less of it"]),
    ],
)
def test_what_a_library_says_of_too_little_memory_is_told(said, words, monkeypatch, capsys):
    def imported(*_):
        raise MemoryError(said)

    monkeypatch.setattr(sys.modules[LazyGroup.__module__], "import_module", imported)
    with pytest.raises(SystemExit) as ended:
        main(["data", "list"])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
    assert "not enough memory" in err
    assert all(each in err for each in words)
    assert ("close other programs" in err) == (";" not in said), "what to do, once"


@pytest.mark.parametrize("name", [*COMMANDS, *(f"data {name}" for name in ("fetch", "limits", "list", "twins"))])
def test_too_little_memory_advises_what_the_command_has(name, monkeypatch, capsys):
    command = inklens
    for part in name.split():
        command = command.get_command(click.Context(command), part)
    if isinstance(command, click.Group):
        return

    def found_too_little(*_, **__):
        raise MemoryError

    monkeypatch.setattr(command, "invoke", found_too_little)
    monkeypatch.setattr(command, "make_context", lambda *_, **__: click.Context(command))
    with pytest.raises(SystemExit):
        main(name.split())
    advised = set(re.findall(r"--[a-z-]+", capsys.readouterr().err))
    assert advised == {"--train"} & {option for parameter in command.params for option in parameter.opts}


@pytest.mark.slow
def test_odd_file_names_are_handled(model, picture, tmp_path):
    names = [os.fsencode(name) for name in ("-rf.png", "two\nlines.png", "ünï.png", "x" * 250 + ".png")] + [
        b"\xff\xfe.png"
    ]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(picture.read_bytes())
    command = [sys.executable, "-m", "inklens", "read", "--model", str(model[0]), "--json", "--", *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert [len(image["digits"]) for image in json.loads(done.stdout)["images"]] == [1] * len(names)


def test_completion_scripts_are_printed():
    for shell in ("bash", "zsh", "fish"):
        assert "_INKLENS_COMPLETE" in run("completion", shell).stdout


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("inklens dem", {"demo"}),
        ("inklens fit --feat", {"--features"}),
        ("inklens fit --features st", {"strokes"}),
        ("inklens demo --data fas", {"fashion-mnist"}),
        ("inklens data fe", {"fetch"}),
    ],
)
def test_bash_completes(line, offered, tmp_path):
    """Driven as the shell does: words so far, the place of the cursor, then the array of answers."""
    tool = tmp_path / "inklens"
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m inklens "$@"\n')
    tool.chmod(0o755)
    script = (
        f'eval "$(inklens completion bash)"; COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); '
        '_inklens_completion inklens "${COMP_WORDS[COMP_CWORD]}"; echo "${COMPREPLY[@]}"'
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert set(done.stdout.split()) == offered, done.stderr


def test_doctor_says_what_is_there():
    document = json.loads(run("doctor", "--json").stdout)
    assert document["schema_version"] == 1
    assert {"inklens", "numpy", "threads", "data cache"} <= document.keys()
    assert "compiled" in document["kernels"] or "NumPy" in document["kernels"]
    assert "10 classes" in document["reader"]
    usable, _, absent = document["arrays"].partition("(not installed")
    assert "torch" in (usable if find_spec("torch") else absent)


@pytest.mark.slow
def test_doctor_says_which_kernels_run_and_how_to_get_faster_ones():  # test_linear_kernels.py: without a compiler
    done = run("doctor", fresh=True, env={**os.environ, "INKLENS_KERNELS": "numpy"})
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("kernels")]
    assert "NumPy" in line
    assert "unset" in line


def test_importing_the_command_line_twice_in_one_process_is_harmless(capsys):
    assert _run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("inklens ")


@pytest.mark.slow
def test_pictures_arrive_through_a_pipe_of_bytes(model):
    buffer = io.BytesIO()
    Image.new("L", (50, 50), 255).save(buffer, "PNG")
    done = run("read", "--model", model[0], "-", "--json", input=buffer.getvalue(), text=False)
    entry = json.loads(done.stdout)["images"][0]
    assert entry["error"] or not entry["digits"][0]["accepted"]


@pytest.mark.slow
def test_fit_evaluate_and_verify_do_without_what_takes_longest_to_import(tmp_path):
    """scikit-learn and scipy.stats take longer to import than a fit of the embedded digits takes."""
    script = (
        "import sys; from inklens.cli.main import _run\n"
        "fit = 'fit --train 200 --test 100 --tol 0.01 -o m.inklens'\n"
        "for line in (fit, 'evaluate m.inklens', 'verify m.inklens'):\n"
        "    assert _run(line.split()) == 0\n"
        "heavy = {'sklearn', 'scipy.stats', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
