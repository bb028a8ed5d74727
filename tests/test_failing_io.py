"""Every call of the system that writes fails in turn: old files stay whole, one error, and nothing is left over."""

import shutil
import sys

import numpy as np
import pytest
from failing_io import Commands, compiled
from handwriting import encoded, photo
from openml_server import Server

from inklens import DigitReader, load_dataset

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="preloads a library")
COMMANDS = {
    "save": ("fit", "--data", "npz:{data}/d.npz", "--train", "60", "--test", "20", "-o", "{out}/m.inklens"),
    "export": ("export", "{data}/m.inklens", "-o", "{out}/m.json"),
    "figure": ("explain", "--model", "{data}/m.inklens", "{data}/7.png", "--anyway", "-o", "{out}/why.svg"),
    "table": ("evaluate", "{data}/m.inklens", "--data", "npz:{data}/d.npz", "--predictions", "{out}/p.csv"),
    "collect": ("collect", "{data}/7.png", "--label", "7", "--anyway", "-o", "{out}/mine"),
    "download": ("data", "fetch", "openml:digits@3"),
}  # fmt: skip
RESUMED = {"download.part", "download.etag"}  # of a download: kept for the next attempt
MOST = 4  # calls of a kind, of a download in pieces


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    digits = load_dataset("embedded")
    np.savez(folder / "d.npz", X=digits.X[:80], y=digits.y[:80])
    DigitReader.shipped().save(folder / "m.inklens")
    (folder / "7.png").write_bytes(encoded(photo("7"), "PNG"))
    return folder


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    library = compiled(scratch)
    if library is None:
        pytest.skip("no C compiler")
    server, found = Server(), Commands(library, scratch)
    found.environment = {"INKLENS_OPENML_URL": server.url, "SCIKIT_LEARN_DATA": str(scratch / "none")}
    yield found
    found.stop()
    server.stop()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_failing_call_is_one_error_and_leaves_whole_files(commands, data, tmp_path, name):
    out = tmp_path / "out"

    def run(before, **failing):
        """Run over an older file of the name, or over nothing; tell what became of it, and what lies there then."""
        shutil.rmtree(out, ignore_errors=True)
        for path, content in before.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(content)
        out.mkdir(exist_ok=True)
        args = [part.format(out=out, data=data) for part in COMMANDS[name]]
        cache = {"INKLENS_CACHE": str(out)}
        return commands.run(args, out, environment={**commands.environment, **cache}, **failing), contents(out)

    done, whole = run({})
    assert done["code"] == 0, done
    older = {} if name == "download" else dict.fromkeys(whole, b"older")
    failed = set()
    for before in {"save": (older,), "figure": (older,), "download": ({},)}.get(name, (older, {})):
        for kind, number in run(before)[0]["counts"].items():
            for nth in range(1, min(number, MOST) + 1):
                done, left = run(before, kind=kind, nth=nth)
                assert done["code"] in (0, 1), done
                assert done["err"].count("inklens: cannot") == done["code"], done
                assert "Traceback" not in done["err"]
                if done["code"]:
                    failed.add(kind)
                    assert {path: left[path] for path in before} == before
                    extra = {path for path in left if path.rpartition("/")[2] not in RESUMED} - before.keys()
                    assert extra <= (whole.keys() if name == "download" else set())
                else:
                    assert left.keys() == whole.keys()
                    assert all(len(content) > len(b"older") or not whole[path] for path, content in left.items())
    assert {"open", "write", "fsync", "rename"} <= failed


@pytest.mark.slow
def test_what_a_failed_download_left_is_no_hindrance(commands, data, tmp_path):
    args = COMMANDS["download"]
    environment = {**commands.environment, "INKLENS_CACHE": str(tmp_path)}
    for kind, nth in (("write", 2), ("open", 4), ("rename", 2), ("unlink", 1)):
        commands.run(args, tmp_path, environment=environment, kind=kind, nth=nth)
        assert commands.run(args, tmp_path, environment=environment)["code"] == 0
        assert not list(tmp_path.rglob("download.*"))
        shutil.rmtree(tmp_path / "datasets")


def test_a_cache_that_cannot_be_cleared_is_one_error(commands, tmp_path):
    environment = {**commands.environment, "INKLENS_CACHE": str(tmp_path)}
    assert commands.run(COMMANDS["download"], tmp_path, environment=environment)["code"] == 0
    done = commands.run(("data", "clear", "openml:digits@3"), tmp_path, environment=environment, kind="unlink", nth=1)
    assert done["code"] == 1
    assert "remove it by hand" in done["err"]
