"""inklens under what Python in a browser allows: one processor, no threads, no processes, no network, no libraries.

    python -I tests/foreign/browser.py FOLDER-OF-THE-PACKAGE FOLDER-FOR-FILES

Prints what came out as JSON. Other packages are imported before the doors close: those of a browser are made for it.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import scipy.sparse  # noqa: F401
import sklearn.linear_model  # noqa: F401 (imported while it may ask for the platform)
import threadpoolctl  # noqa: F401


def refused(*arguments, **options):
    raise RuntimeError("this is refused in a browser")


def close_doors():
    threading.Thread.start = refused
    subprocess.Popen.__init__ = refused
    socket.socket.__init__ = refused
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        if hasattr(os, name):
            setattr(os, name, refused)
    if hasattr(os, "sched_getaffinity"):
        del os.sched_getaffinity
    os.cpu_count = lambda: 1
    sys.platform = "emscripten"
    # what threadpoolctl asks there for the libraries that are loaded
    loaded = types.SimpleNamespace(loadedLibsByName=types.SimpleNamespace(as_py_json=list))
    sys.modules["pyodide_js"] = types.ModuleType("pyodide_js")
    sys.modules["pyodide_js._module"] = types.SimpleNamespace(LDSO=loaded)


def photo_of(frame, path):
    """Write a picture of a digit in the middle of white paper."""
    paper = np.full((200, 200), 245, np.uint8)
    paper[30:170, 30:170] -= np.kron(frame * 220, np.ones((5, 5))).astype(np.uint8)
    PIL.Image.fromarray(paper).save(path)
    return path


def main(package, folder):
    sys.path.insert(0, package)
    close_doors()
    import inklens
    from inklens.linear.kernels import library

    rows = inklens.load_dataset("embedded").split(train=1000, test=200, seed=9)
    X_train, X_test, frame = rows.X_train / 255, rows.X_test / 255, rows.X_test[0].reshape(28, 28) / 255
    models = [inklens.SoftmaxRegression(l1_ratio=ratio, tol=1e-2).fit(X_train, rows.y_train) for ratio in (0.0, 1.0)]
    shipped = inklens.DigitReader.shipped()
    flip = inklens.DigitReader.from_estimator(models[1], image_shape=(28, 28)).flip(frame)
    return {
        "file": inklens.__file__,
        "kernels": library.active(),
        "status": [model.status_ for model in models],
        "gaps": [float(model.dual_gap_) for model in models],
        "accuracy": [float(model.score(X_test, rows.y_test)) for model in models],
        "truth": str(rows.y_test[0]),
        "read": shipped.read(photo_of(frame, Path(folder) / "photo.png"))[0].label,
        "explained": shipped.explain(frame).label,
        "flip": {"from": flip.source, "to": flip.target, "optimal": flip.optimal},
    }


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(main(*sys.argv[1:])))
