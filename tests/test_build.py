"""What the set-up builds: kernels keyed by sources and target, or what the compiler said; an sdist of sources only."""

import ctypes
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import build_kernels  # noqa: E402 (it lies with the scripts)

SOURCE = """
__attribute__((visibility("default"))) int JOIN(void);
int JOIN(void) { return %d; }
#if defined(BASELINE) && defined(BUILT_FROM)
__attribute__((visibility("default"))) const char *built_from(void);
const char *built_from(void) { return BUILT_FROM; }
#endif
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of kernels with one small file."""
    (tmp_path / "c").mkdir()
    write(tmp_path, 1)
    return tmp_path


def write(folder, answer):
    lines = "#define PASTE(a) answer_##a\n#define NAME(a) PASTE(a)\n#define JOIN NAME(ISA)\n"
    (folder / "c" / "answer.c").write_text(lines + SOURCE % answer)


def answer(library):
    copy = library.with_name(f"{library.stat().st_mtime_ns}.so")  # one path is loaded only once
    copy.write_bytes(library.read_bytes())
    name = next(iter(build_kernels.INSTRUCTION_SETS[build_kernels.FAMILY]))
    return getattr(ctypes.CDLL(str(copy)), f"answer_{name}")()


def test_other_sources_are_built_anew_whatever_their_times(folder):
    library = build_kernels.build(folder)
    assert answer(library) == 1
    built = library.stat().st_mtime_ns
    assert build_kernels.build(folder).stat().st_mtime_ns == built
    write(folder, 2)
    for file in (folder / "c").iterdir():  # as an archive sets them: all older than the library
        os.utime(file, (0, 0))
    assert answer(build_kernels.build(folder)) == 2


def test_a_library_for_another_processor_is_built_anew(folder, monkeypatch):
    library = build_kernels.build(folder)
    elsewhere = library.read_bytes()
    monkeypatch.setattr(build_kernels.platform, "machine", lambda: "s390x")
    assert build_kernels.fingerprint(folder).encode() not in elsewhere


def test_what_the_compiler_said_is_kept_until_one_works(folder, monkeypatch, capsys):
    right = (folder / "c" / "answer.c").read_text()
    (folder / "c" / "answer.c").write_text("int f(void) { return undeclared_name; }")
    failure = build_kernels.build(folder)
    assert failure.name == "_kernels.failed"
    assert "undeclared_name" in failure.read_text()
    assert "undeclared_name" in capsys.readouterr().err
    assert not (folder / "_kernels.so").exists()
    (folder / "c" / "answer.c").write_text(right)
    assert answer(build_kernels.build(folder)) == 1
    assert not failure.exists()


def test_without_a_compiler_that_is_said(folder, monkeypatch):
    monkeypatch.setattr(build_kernels.shutil, "which", lambda name: None)
    assert build_kernels.build(folder).read_text() == "no C compiler was found"


def test_a_source_with_a_warning_is_refused_by_lint(folder):
    if not build_kernels.shutil.which("gcc"):
        pytest.skip("no gcc")
    build_kernels.check(folder, ["gcc"])
    (folder / "c" / "answer.c").write_text("#include <stddef.h>\nvoid *f(size_t n) { return malloc(n); }")
    with pytest.raises(SystemExit, match="malloc"):
        build_kernels.check(folder, ["gcc"])


@pytest.mark.slow
def test_the_sdist_holds_sources_only(tmp_path):
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = [Path(name) for name in file.getnames()]
    assert {"kernels.c", "kernels.h", "build_kernels.py", "hatch_build.py"} <= {path.name for path in names}
    assert [path for path in names if path.suffix in {".so", ".dll", ".dylib", ".o", ".failed"}] == []
