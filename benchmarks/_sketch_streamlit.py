"""The same for Streamlit, with the drawing component that people use."""

import numpy as np
import streamlit
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from streamlit_drawable_canvas import st_canvas


@streamlit.cache_resource
def fitted():
    digits = load_digits()
    return LogisticRegression(max_iter=50).fit(digits.data / 16, digits.target)


drawn = st_canvas(width=280, height=280, stroke_width=24, stroke_color="#000000")
if drawn.image_data is not None:
    picture = np.asarray(drawn.image_data, float)[..., -1]
    small = picture.reshape(8, 35, 8, 35).mean(axis=(1, 3)) / 255
    streamlit.bar_chart(fitted().predict_proba(small.reshape(1, -1))[0])
