"""The sketch app that Gradio's guide shows: a pad and a classifier's label."""

import sys

import gradio
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

digits = load_digits()
model = LogisticRegression(max_iter=50).fit(digits.data / 16, digits.target)


def read(sketch):
    if sketch is None:
        return {}
    picture = np.asarray(sketch["composite"], float)[..., -1]
    rows, cols = (edge // 8 * 8 for edge in picture.shape)
    small = picture[:rows, :cols].reshape(8, rows // 8, 8, cols // 8).mean(axis=(1, 3)) / 255
    return {str(k): float(p) for k, p in enumerate(model.predict_proba(small.reshape(1, -1))[0])}


if __name__ == "__main__":
    app = gradio.Interface(read, gradio.Sketchpad(), gradio.Label(), live=True)
    app.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
