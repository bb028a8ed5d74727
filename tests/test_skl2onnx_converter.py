"""skl2onnx, where it is installed, writes graphs that answer as the estimators do."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inklens import SoftmaxRegression, SoftmaxRegressionCV
from inklens.errors import MissingPackageError
from inklens.exports.skl2onnx_converter import register_skl2onnx


def test_graphs_answer_as_the_estimators():
    try:
        register_skl2onnx()
    except MissingPackageError:
        pytest.skip("skl2onnx is not installed")
    runtime = pytest.importorskip("onnxruntime")
    from skl2onnx import to_onnx

    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    for classes in (2, 3):
        for model in (SoftmaxRegression(), SoftmaxRegression(binary="softmax"), SoftmaxRegressionCV(Cs=2, cv=2)):
            kept = y < classes
            fitted = make_pipeline(StandardScaler(), model).fit(X[kept], y[kept])
            graph = to_onnx(fitted, X[:1], options={"zipmap": False}).SerializeToString()
            labels, proba = runtime.InferenceSession(graph).run(None, {"X": X[kept]})
            np.testing.assert_array_equal(labels, fitted.predict(X[kept]))
            np.testing.assert_allclose(proba, fitted.predict_proba(X[kept]), rtol=1e-4, atol=1e-5)


def test_without_it_there_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skl2onnx", None)
    with pytest.raises(MissingPackageError, match="skl2onnx"):
        register_skl2onnx()
