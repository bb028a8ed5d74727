"""`inklens doctor` on array libraries: each is asked in a process of its own, so that none can hang or break it."""

import time
from importlib.util import find_spec

import pytest

from inklens.linear.rows import layouts
from inklens.tasks import devices, doctor

SANE = """
import array_api_strict
__version__ = "13.0"

class cuda:
    class runtime:
        getDeviceCount = staticmethod(lambda: 2)

    class Device:
        def __init__(self, number): pass
        def __enter__(self): pass
        def __exit__(self, *error): pass

zeros = array_api_strict.zeros
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install libraries by name and source, for this process to find and its children to import."""

    def install(**sources):
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    return install


def test_a_library_that_hangs_is_given_up(installed):
    installed(cupy="import time; time.sleep(60)")
    began = time.monotonic()
    (hung,) = devices.libraries(("cupy",), seconds=1.0)
    assert "did not answer within 1 s" in hung.trouble
    assert time.monotonic() - began < 10.0


def test_a_library_that_breaks_is_told_with_its_last_words(installed):
    installed(cupy="raise ImportError('libcudart.so.13: cannot open shared object file')")
    (broken,) = devices.libraries(("cupy",))
    assert broken.trouble == "cannot be used: ImportError: libcudart.so.13: cannot open shared object file"
    assert not broken.devices


def test_devices_are_named_with_what_happens_to_rows_there(installed):
    installed(cupy=SANE)
    (library,) = devices.libraries(("cupy",))
    how = "shared" if layouts.SHARE_MEMORY else "there"
    assert library == devices.Library("cupy", "13.0", {"cuda:0": how, "cuda:1": how})


def test_a_library_that_is_missing_is_not_asked():
    missing = [name for name in devices.ASKED if not find_spec(name)]
    assert devices.libraries(tuple(missing)) == []


def test_what_happens_to_rows_is_what_a_fit_does(monkeypatch):
    import array_api_strict as xp

    monkeypatch.setattr(layouts, "SHARE_MEMORY", False)
    assert devices.handling(xp.zeros(1)) == "there"
    assert devices.handling(xp.zeros(1, dtype=xp.float32, device=xp.Device("no_float64"))) == "no float64"


def test_doctor_tells_what_runs_where(installed, monkeypatch):
    installed(cupy=SANE)
    monkeypatch.setattr(devices, "ASKED", {"cupy": devices.ASKED["cupy"]})
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["arrays"].value == "numpy, scipy, cupy"
    assert found["cupy"].value == "13.0: cuda:0, cuda:1"
    assert "X on cuda:1: " in found["cupy"].advice
    assert found["BLAS"].value
    if find_spec("distributed"):
        assert found["--dask local"].value.endswith("on this computer")
