"""What is published: the wheel without kernels works in a browser, and libraries for other systems are what they say.

With INKLENS_WHEELS naming a folder that `scripts/build_wheels.py` filled, what lies there is tried too: `make wheels`
does so. Kernels for other processors then run under qemu-user, those for musl by its loader, those
for Windows under Wine, where these are there (Debian: apt install qemu-user libc6-arm64-cross musl wine64 wine).
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from inklens.linear.kernels import library

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import build_wheels  # noqa: E402 (it lies with the scripts)
import libraries  # noqa: E402

KERNELS = "inklens/linear/kernels/_kernels.so"
FOREIGN = ROOT / "tests/foreign"


def run(*command, **environment):
    """Return what a command prints; fail with what it complains about."""
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:] or done.stdout[-3000:]
    return done.stdout


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---- the wheel without kernels ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pure(tmp_path_factory):
    return build_wheels.build_wheel("any", tmp_path_factory.mktemp("dist"))


def test_the_pure_wheel_holds_no_library_says_why_and_is_always_the_same(pure, tmp_path):
    assert pure.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(pure) as wheel:
        names = wheel.namelist()
        assert [name for name in names if Path(name).suffix in {".so", ".dll", ".dylib", ".o"}] == []
        assert wheel.read("inklens/linear/kernels/_kernels.failed").decode() == build_wheels.NOT_COMPILED
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith("dist-info/WHEEL"))
    assert "Root-Is-Purelib: true" in metadata
    assert digest(build_wheels.build_wheel("any", tmp_path)) == digest(pure)


@pytest.mark.slow
def test_it_does_all_that_a_browser_allows(pure, tmp_path):
    """No kernels, one processor, no threads, no processes, no network: fits are proven; nothing warns."""
    with zipfile.ZipFile(pure) as wheel:
        wheel.extractall(tmp_path / "package")
    command = sys.executable, "-I", FOREIGN / "browser.py", tmp_path / "package", tmp_path
    found = json.loads(run(*command, OPENBLAS_NUM_THREADS="1"))
    assert Path(found["file"]).is_relative_to(tmp_path)
    assert found["kernels"] == "numpy"
    assert found["status"] == ["certified", "certified"]
    assert max(found["gaps"]) <= 1e-2
    assert min(found["accuracy"]) > 0.8
    assert found["truth"] == found["read"] == found["explained"]
    assert found["flip"]["optimal"]
    assert found["flip"]["to"] != found["flip"]["from"]


# ---- libraries of three systems --------------------------------------------------------------------------------------

SMALL = """
__attribute__((visibility("default"))) int answer(void) { return 42; }
__attribute__((visibility("default"))) int answer_again(void) { return answer(); }
int kept_inside(void) { return 1; }
int DllMainCRTStartup(void *a, unsigned b, void *c) { return 1; }
"""
EXPORTED = "__declspec(dllexport)"
FORMS = {  # by the name that Zig has for the target
    "aarch64-linux-gnu.2.17": ("ELF", "aarch64"),
    "aarch64-macos.11.0": ("Mach-O", "aarch64"),
    "x86_64-windows-gnu": ("PE", "x86_64"),
}


@pytest.mark.parametrize("target", FORMS)
def test_exports_are_read_from_every_format(target, tmp_path):
    pytest.importorskip("ziglang")
    form, machine = FORMS[target]
    source = tmp_path / "small.c"
    source.write_text(SMALL if form != "PE" else SMALL.replace('__attribute__((visibility("default")))', EXPORTED))
    options = ["-shared", "-nostdlib", "-fvisibility=hidden", "-O1", "-g0", "-o", "small.so"]
    subprocess.run([*build_wheels.ZIG, "-target", target, *options, str(source)], cwd=tmp_path, check=True)
    found = libraries.read(tmp_path / "small.so")
    assert (found.form, found.machine) == (form, machine)
    assert found.exports - build_wheels.LINKERS == {"answer", "answer_again"}
    assert not found.runs_its_stack
    assert found.needs <= {"libc.so.6", "/usr/lib/libSystem.B.dylib"}
    if form == "Mach-O":
        assert found.is_signed
        assert found.system == (11, 0)


@pytest.fixture
def own_library():
    if not library.LIBRARY.exists() or sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("no kernels of Linux on x86-64")
    return library.LIBRARY


def test_what_is_read_of_our_library_is_what_the_loader_finds(own_library):
    found = libraries.read(own_library)
    loaded = library.choice().library
    assert all(hasattr(loaded, name) for name in found.exports)
    assert {f"{function}_plain" for function in library.FUNCTIONS} | build_wheels.OURS <= found.exports
    assert "libc.so.6" in found.needs
    assert found.glibc >= (2, 17)


PLATFORM = build_wheels.Platform("here", "ELF", "x86_64", build_wheels.GLIBC, glibc=(99, 0))


def test_a_library_that_is_not_what_its_tag_says_is_refused(own_library, tmp_path, monkeypatch):
    def faults(path=own_library, **changes):
        changed = build_wheels.Platform(**{**vars(PLATFORM), **changes})
        monkeypatch.setitem(build_wheels.PLATFORMS, "here", changed)
        return " ".join(build_wheels.faults("here", path))

    found = libraries.read(own_library)
    sets = {name: [] for name in build_wheels.INSTRUCTION_SETS["x86"] if f"pack_{name}" in found.exports}
    monkeypatch.setitem(build_wheels.INSTRUCTION_SETS, "x86", sets)
    assert faults() == ""
    assert "needs glibc" in faults(glibc=(2, 4))
    assert "libc.so.6" in faults(needs=("libm.so.6",))
    assert "for x86_64" in faults(machine="aarch64")
    other = tmp_path / "other.so"
    abi = build_wheels.struct.pack("<q", library.expected_abi()[1])
    other.write_bytes(own_library.read_bytes().replace(abi, bytes(8)))
    assert "ABI" in faults(other)
    monkeypatch.setattr(build_wheels, "FUNCTIONS", (*library.FUNCTIONS, "of_next_year"))
    assert "lacks ['of_next_year_" in faults()
    monkeypatch.setattr(build_wheels, "FUNCTIONS", library.FUNCTIONS[1:])
    assert f"also exports ['{library.FUNCTIONS[0]}" in faults()


def test_the_best_instruction_set_of_the_processor_is_found():
    """As the system sees it: a compiler whose own answer is always no would leave every user with the slowest code."""
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text())) if sys.platform == "linux" else set()
    if library.choice().library is None or "sse2" not in flags:
        pytest.skip("no kernels of Linux on x86-64")
    asked = library.choice().library.inklens_isa().decode()
    avx2, avx512 = {"avx2", "fma"}, {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
    assert asked == ("avx512" if avx2 | avx512 <= flags else "avx2" if avx2 <= flags else "plain")


# ---- all wheels, where they have been built --------------------------------------------------------------------------

DIST = Path(os.environ.get("INKLENS_WHEELS", "")).absolute()
BUILT = pytest.mark.skipif("INKLENS_WHEELS" not in os.environ, reason="INKLENS_WHEELS names no folder of wheels")


def wheel_for(tag):
    (found,) = DIST.glob(f"*-{tag}.whl")
    return found


def unpacked_library(tag, folder):
    with zipfile.ZipFile(wheel_for(tag)) as wheel:
        return Path(wheel.extract(KERNELS, folder))


@BUILT
@pytest.mark.parametrize("tag", build_wheels.PLATFORMS)
def test_each_wheel_holds_what_its_tag_says(tag, tmp_path):
    assert build_wheels.faults(tag, unpacked_library(tag, tmp_path)) == []
    with zipfile.ZipFile(wheel_for(tag)) as wheel:
        (metadata,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("dist-info/WHEEL"))
        assert "_kernels.failed" not in " ".join(wheel.namelist())
    assert f"Tag: py3-none-{tag}" in metadata
    assert "Root-Is-Purelib: false" in metadata


@BUILT
@pytest.mark.slow
def test_a_wheel_with_kernels_is_always_the_same(tmp_path):
    pytest.importorskip("ziglang")
    tag = "manylinux_2_17_aarch64"
    assert digest(build_wheels.build_wheel(tag, tmp_path)) == digest(wheel_for(tag))


FIT = """
import inklens
from inklens.linear.kernels import library
rows = inklens.load_dataset("embedded").split(train=1000, test=200, seed=9)
model = inklens.SoftmaxRegression(tol=1e-3).fit(rows.X_train / 255, rows.y_train)
print(inklens.__file__, library.active(), model.status_)
"""


def fit_from(wheel, folder):
    """Install a wheel into a fresh environment, beside the packages of this one; return what a fit there says."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if not uv:
        pytest.skip("no uv")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    run(uv, "pip", "install", "--offline", "--no-deps", "--python", python, wheel)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    assert run(folder / "bin/inklens", "--version").strip()
    file, active, status = run(python, "-I", "-W", "error", "-c", FIT, INKLENS_KERNELS="").split()
    assert Path(file).is_relative_to(folder)
    assert status == "certified"
    return active


@BUILT
@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="a wheel for another machine")
def test_the_wheel_for_this_machine_installs_and_fits(tmp_path):
    assert fit_from(wheel_for("manylinux_2_17_x86_64"), tmp_path / "venv") in {"avx512", "avx2", "plain"}


@BUILT
@pytest.mark.slow
@pytest.mark.parametrize("compiler", [True, False])
def test_the_sdist_installs_with_and_without_a_compiler(compiler, tmp_path):
    (archive,) = DIST.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path, filter="data")
    tree = tmp_path / archive.name.removesuffix(".tar.gz")
    where = {} if compiler else {"PATH": "", "CC": ""}
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tree, env={**os.environ, **where}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = (tree / "dist").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert (KERNELS in names) == compiler
    assert wheel.name.endswith("py3-none-any.whl") != compiler
    assert ("no working C compiler" in done.stderr) != compiler


LOADERS = {  # tag: how the harness is built, what runs it, instruction sets
    "manylinux_2_17_aarch64": ([], ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], ["neon"]),
    "musllinux_1_2_x86_64": (["-dynamic"], ["/lib/ld-musl-x86_64.so.1"], ["avx2"]),
    "win_amd64": ([], ["wine"], ["avx2", "plain"]),
}
NEWTON = "test_sparse_newton.py::test_"
WITH_KERNELS = [  # small tests that call every function of the library; each call goes through a pipe
    "test_linear_kernels.py", "test_hessian_systems.py", f"{NEWTON}pair_hessian_is_the_hessian",
    f"{NEWTON}eliminated_intercepts_are_the_schur_complement", f"{NEWTON}subproblems_reach_their_optimality_conditions",
    f"{NEWTON}the_factor_of_one_face_solves_its_neighbours",
    "test_dual_ascent.py::test_a_visit_of_one_row_maximises_the_dual",
]  # fmt: skip
WITHOUT = "library or noticed or compiler or other_kernels or by_choice"  # these look for a library themselves


@BUILT
@pytest.mark.slow
@pytest.mark.parametrize(("tag", "isa"), [(tag, isa) for tag, (*_, sets) in LOADERS.items() for isa in sets])
def test_the_kernels_of_another_system_compute_the_same(tag, isa, tmp_path):
    """The tests of the kernels, run here, with every call answered by the wheel's library on the other system."""
    pytest.importorskip("ziglang")
    flags, loader, _ = LOADERS[tag]
    if not all(shutil.which(word) or Path(word).exists() for word in loader if "/" in word or word == loader[0]):
        pytest.skip(f"no {loader[0]} (Debian: apt install qemu-user libc6-arm64-cross musl wine64 wine)")
    if isa == "avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2")
    harness = tmp_path / "harness.exe"
    target = build_wheels.PLATFORMS[tag].target
    run(*build_wheels.ZIG, "-target", target, *flags, "-O1", FOREIGN / "harness.c", "-o", harness)
    command = [isa, *loader, harness, unpacked_library(tag, tmp_path)]
    path = os.pathsep.join([str(FOREIGN), str(FOREIGN.parent), *filter(None, sys.path)])
    tests = [f"{FOREIGN.parent}/{name}" for name in WITH_KERNELS]
    said = run(
        sys.executable, "-m", "pytest", "-p", "kernels", "-p", "no:cacheprovider", *tests, "-k", f"not ({WITHOUT})",
        INKLENS_FOREIGN=" ".join(map(str, command)), PYTHONPATH=path, PYTEST_ADDOPTS="", PYTEST_XDIST_WORKER="",
        WINEPREFIX=str(tmp_path / "wine"), WINEDEBUG="-all",
    )  # fmt: skip
    assert "[100%]" in said
    assert re.search("never called:(.*)", said)[1].strip() == ""
