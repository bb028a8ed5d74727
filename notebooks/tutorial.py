# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which digit is it, and why?
# **Logistic regression for handwritten digits, step by step.** You will load small pictures of digits, fit a classifier, look
# at what it learned, compute its answer by hand, judge it, give it a digit of your own, find out why it answered what it
# answered, and change its mind.
#
# Most steps are done twice: in plain scikit-learn and Matplotlib as they are today, so that nothing is hidden, and with
# `inklens`, which proves what it computes. No step needs a network. Run a cell with Shift + Enter; change something; run it
# again. An object at the end of a cell shows itself.

# %%
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay as PlainConfusionMatrix
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from inklens import DigitReader, SoftmaxRegression, load_dataset, softmax_path
from inklens.displays import (
    ByHandDisplay,
    CoefficientMapsDisplay,
    ConfusionMatrixDisplay,
    EvidenceDisplay,
    FlipDisplay,
    MapComparisonDisplay,
    MisclassifiedDisplay,
    ProbabilityBarsDisplay,
    ReasonsDisplay,
    RecipeStepsDisplay,
    SampleGalleryDisplay,
    StrengthDisplay,
    ToleranceDisplay,
)
from inklens.evaluation import Comparison, Evaluation
from inklens.notebook import live

plt.rcParams["figure.dpi"] = 72

# %% [markdown]
# ## 1. Load the digits
# Each picture is a grid of 28 by 28 pixels, from 0 (paper) to 255 (full ink): 784 numbers, the **features**. The **target** is
# the digit it shows, kept as text. These 5,000 pictures come with the package. All 70,000 of MNIST are
# `load_dataset("mnist")`, or `fetch_openml("mnist_784", version=1, as_frame=False)`; both ask the network once.

# %%
digits = load_dataset("embedded")
X, y = digits.X, digits.y
print(X.shape, y.shape, y)

# %% [markdown]
# How many are there of each class?

# %%
classes, counts = np.unique(y, return_counts=True)
for name, count in zip(classes, counts, strict=True):
    print(name, count)

# %% [markdown]
# Five of each class, drawn as pictures. White is ink here, because a large number is bright.

# %%
rng = np.random.default_rng(9)
figure, axes = plt.subplots(5, 10, figsize=(10, 5.2))
for k, name in enumerate(classes):
    for row, i in enumerate(rng.choice(np.flatnonzero(y == name), 5, replace=False)):
        axes[row, k].imshow(X[i].reshape(28, 28), cmap="gray")
        axes[row, k].axis("off")

# %% [markdown]
# Objects of `inklens` show themselves. A data set says what it is and where it is from:

# %%
digits

# %% [markdown]
# The same gallery in one line. Every figure of `inklens` can be saved as SVG, PNG or a table: `.save("gallery.svg")`.

# %%
SampleGalleryDisplay.from_dataset(digits, per_class=5)

# %% [markdown]
# ## 2. Prepare
# A classifier must be judged on pictures that it has not seen, so some are put aside as **test** rows. A fixed
# `random_state` gives everybody in the room the same rows.

# %%
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=9, train_size=3750, test_size=1250)
print(X_train.shape, X_test.shape)

# %% [markdown]
# `digits.split` takes the same rows, and remembers which ones they are.

# %%
split = digits.split(train=3750, test=1250, seed=9)
assert np.array_equal(split.X_train, X_train)
assert np.array_equal(split.y_test, y_test)
split

# %% [markdown]
# Scale every pixel to 0..1: solvers are quicker when features have one range.

# %%
X_train_scaled, X_test_scaled = X_train / 255.0, X_test / 255.0

# %% [markdown]
# ## 3. Fit
# Logistic regression has no closed-form solution; a **solver** searches for the best coefficients. `saga` does softmax
# regression with any penalty. `tol` says when to stop: a loose one is quick.
#
# | in an older tutorial | today |
# |---|---|
# | `penalty='none'` | `C=np.inf` |
# | `penalty='l1'` | `l1_ratio=1` |
# | `multi_class='multinomial'` | leave it out: more than two classes are softmax |

# %%
clf = LogisticRegression(C=np.inf, tol=0.1, solver="saga", random_state=9).fit(X_train_scaled, y_train)
clf.coef_.shape

# %% [markdown]
# A coefficient for each class and each pixel: 10 rows of 784.
#
# Is this the best fit? `saga` cannot say. `inklens` either proves how close to the optimum it is, or proves that there is
# none. Here there is none: 784 pixels separate these rows without a mistake, so larger coefficients always fit better.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    free = SoftmaxRegression(C=np.inf).fit(X_train_scaled, y_train)
print(free.status_, "-", caught[0].message)

# %% [markdown]
# So the answer of `saga` is the place where it happened to stop. With **regularisation** (`C` is the *inverse* of its
# strength) there is one best answer, and the fit is certified to be within `tol` of it.

# %%
model = SoftmaxRegression(C=1.0).fit(X_train_scaled, y_train)
print(model.status_, "within", f"{model.dual_gap_:.1e}", "of the optimum")
model

# %% [markdown]
# What a loose tolerance hides: the objective that a fit reached, beside what no coefficients can go below.

# %%
loose = SoftmaxRegression(C=1.0, tol=0.1).fit(X_train_scaled, y_train)
ToleranceDisplay.from_estimators({"tol = 0.1": loose, "tol = 0.0001": model})

# %% [markdown]
# ## 4. What it learned
# Coefficients can be looked at. Blue pixels raise the score of a class where there is ink, red ones lower it, and white ones
# hardly matter.

# %%
scale = np.abs(clf.coef_).max()
figure, axes = plt.subplots(1, 10, figsize=(12, 1.6))
for k, ax in enumerate(axes):
    ax.imshow(clf.coef_[k].reshape(28, 28), cmap=plt.cm.RdBu, vmin=-scale, vmax=scale)
    ax.set_title(f"Class {k}")
    ax.axis("off")

# %% [markdown]
# Find the ring in class 0, and the red middle where a 0 has no ink. The same for the certified model:

# %%
CoefficientMapsDisplay.from_estimator(model)

# %% [markdown]
# ## 5. One answer by hand
# The model gives a class $k$ the score $z_k = b_k + w_k \cdot x$, and turns scores into probabilities with the
# **softmax**: $P(y = k \mid x) = e^{z_k} / \sum_l e^{z_l}$.
#
# Take the first 4 among the test rows that is misread as a 9.

# %%
y_pred = clf.predict(X_test_scaled)
sample = int(np.flatnonzero((y_test == "4") & (y_pred == "9"))[0])
figure = plt.figure(figsize=(2, 2.2))
plt.imshow(X_test_scaled[sample].reshape(28, 28), cmap="gray")
plt.title(f"Test row {sample}, label {y_test[sample]}")
plt.axis("off")
print("test row", sample)

# %%
z = np.array([clf.intercept_[k] + np.dot(clf.coef_[k], X_test_scaled[sample]) for k in range(10)])
z

# %%
exps = np.exp(z)
probs = exps / exps.sum()
probs

# %%
figure = plt.figure(figsize=(6, 2.6))
plt.bar(classes, probs)
plt.xlabel("Class")
_ = plt.ylabel("Probability")

# %% [markdown]
# The answer is the class with the highest probability; scikit-learn computes the same.

# %%
print(
    "by hand:",
    classes[np.argmax(probs)],
    " predict:",
    clf.predict(X_test_scaled[[sample]])[0],
    " label:",
    y_test[sample],
)
assert np.allclose(probs, clf.predict_proba(X_test_scaled[[sample]])[0])

# %% [markdown]
# The same sum with the certified model: scores, exponentials, probabilities in one table.

# %%
ByHandDisplay.from_estimator(model, X_test_scaled[sample], true=str(y_test[sample]))

# %% [markdown]
# ## 6. How good is it?
# **Accuracy** is the share of test rows that are read right. Three ways to compute it:

# %%
print(np.mean(y_test == y_pred), accuracy_score(y_test, y_pred), clf.score(X_test_scaled, y_test))

# %% [markdown]
# For one class against the rest, each row is a true positive, a true negative, a false positive or a false negative. The
# **confusion matrix** counts every pair of true class and answer; divided by its rows, its diagonal is the share of each
# class that was read right.

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 5))
PlainConfusionMatrix.from_predictions(y_test, y_pred, ax=axes[0], colorbar=False)
_ = PlainConfusionMatrix.from_predictions(
    y_test, y_pred, ax=axes[1], normalize="true", values_format=".2f", colorbar=False
)

# %% [markdown]
# An accuracy counted on 1,250 rows is not exact: `Evaluation` gives intervals too, for every class.

# %%
scores = Evaluation.from_predictions(y_test, model.predict(X_test_scaled), model.classes_)
assert scores.accuracy == model.score(X_test_scaled, y_test)
scores

# %%
for k, name in enumerate(scores.classes):
    counts = scores.true_positives[k], scores.true_negatives[k], scores.false_positives[k], scores.false_negatives[k]
    print(name, "TP {} TN {} FP {} FN {}".format(*counts))

# %%
ConfusionMatrixDisplay.from_evaluation(scores, normalize="true")

# %% [markdown]
# Which digits are hardest? Which are taken for which? Look at the mistakes:

# %%
MisclassifiedDisplay.from_estimator(model, X_test_scaled, y_test)

# %% [markdown]
# Is the certified model better than the one that stopped early, or is that chance?

# %%
Comparison.from_predictions(y_test, model.predict(X_test_scaled), y_pred).in_words("certified", "stopped early")

# %% [markdown]
# ## 7. Your own digit
# Write a digit with a dark pen on plain paper and take a photo. Then put its name in the place of `None`, or choose it with
# the button that the cell below the next one makes. As long as there is none, the notebook draws one.

# %%
my_photo = None  # for example "my-digit.jpg"

# %%
try:
    from ipywidgets import FileUpload

    upload = FileUpload(accept="image/*", description="Your photo")
except ImportError:
    upload = None
upload

# %%
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps


def drawn():
    """Return a 3 with a pen on grey paper, off the middle, as a photo would have it."""
    paper = Image.new("RGB", (300, 340), (214, 212, 205))
    points = [
        (90, 85),
        (125, 60),
        (170, 65),
        (185, 100),
        (160, 140),
        (125, 150),
        (170, 165),
        (190, 205),
        (165, 250),
        (85, 245),
    ]
    ImageDraw.Draw(paper).line(points, fill=(40, 42, 70), width=15, joint="curve")
    return paper


if upload is not None and upload.value:
    image = Image.open(BytesIO(upload.value[0].content))
elif my_photo is not None:
    image = Image.open(my_photo)
else:
    image = drawn()
print("shape:", np.asarray(image).shape)
image

# %% [markdown]
# The classifier knows grids of 28 by 28 numbers, light ink on a dark ground. The tutorial's recipe gets there in four
# steps. (`Image.ANTIALIAS` of older tutorials is called `Image.LANCZOS` today.)

# %%
grey = image.convert("L")
small = grey.resize((28, 28), Image.LANCZOS)
inverted = np.asarray(ImageOps.invert(small), dtype=float)

pixel_filter = 60  # this share of the pixels, in percent, is paper: try other values for your photo
paper = np.percentile(inverted, pixel_filter)
filtered = np.clip(inverted - paper, 0, 255)
filtered = filtered / filtered.max()

figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
steps = {"grey": grey, "28 x 28": small, "inverted": inverted, "paper taken away": filtered}
for ax, (title, picture) in zip(axes, steps.items(), strict=True):
    ax.imshow(picture, cmap="gray")
    ax.set_title(f"{title}\n{np.asarray(picture).shape}")
    ax.axis("off")

# %%
test_sample = filtered.reshape(1, 784)
print("predicted class:", clf.predict(test_sample)[0])
figure = plt.figure(figsize=(6, 2.6))
plt.bar(classes, clf.predict_proba(test_sample)[0])
plt.xlabel("Class")
_ = plt.ylabel("Probability")

# %% [markdown]
# The digits that the classifier learned from were centred by their centre of mass, and yours was not. A **reader** is a
# model that knows the whole way from a photo to its 784 numbers; it finds the ink, scales and centres it, and says so when a
# picture does not look like one digit.

# %%
reader = DigitReader.from_estimator(model)
photo = np.asarray(image.convert("RGB"))
RecipeStepsDisplay.from_photo(reader.with_recipe("tutorial"), photo)

# %%
RecipeStepsDisplay.from_photo(reader, photo)

# %%
(reading,) = reader.read(photo)
reading

# %%
ProbabilityBarsDisplay.from_reading(reading)

# %% [markdown]
# Or draw: everything follows the pen. This output works on without a kernel and without a network.

# %%
live(reader)

# %% [markdown]
# To have what you draw in Python as well, take the widget (it needs `pip install 'inklens[notebook]'`), draw, and read
# `pad.frame` in another cell:
#
# ```python
# from inklens.notebook import DrawDigit
#
# pad = DrawDigit(reader)
# pad
# ```

# %% [markdown]
# ## 8. Why this answer?
# Multiply each pixel by its coefficient: above, what each class looks for; below, what your digit has of it. Blue ink speaks
# for the class, red ink against it.

# %%
x = reading.frame
scale = np.abs(clf.coef_).max()
figure, axes = plt.subplots(2, 10, figsize=(12, 2.8))
for k in range(10):
    w = clf.coef_[k].reshape(28, 28)
    axes[0, k].imshow(w, cmap=plt.cm.RdBu, vmin=-scale, vmax=scale)
    axes[0, k].set_title(f"Class {k}")
    axes[1, k].imshow(x * w, cmap=plt.cm.RdBu, vmin=-scale / 2, vmax=scale / 2)
    axes[0, k].axis("off")
    axes[1, k].axis("off")

# %% [markdown]
# These parts are the whole truth about a linear model: with the intercept they *sum* to the score.

# %%
why = reader.explain(photo)
assert np.allclose(why.contributions.sum(axis=(1, 2)) + why.intercept, why.z)
ReasonsDisplay.from_evidence(why)

# %%
EvidenceDisplay.from_photo(reader, photo)

# %% [markdown]
# ## 9. Change its mind
# Now draw a *slightly* changed version of your digit that you believe is read differently (if yours was misread: one that is
# read right). Where would you add or erase ink? Erase a few pixels of the evidence for the answer, and see.

# %%
changed = reading.frame.copy()
for_answer = why.contributions[why.classes.index(reading.label)]
changed.flat[np.argsort(for_answer, axis=None)[-25:]] = 0
before, after = reader.predict_proba(np.stack([reading.frame, changed]))
print(
    "before:",
    reader.classes[before.argmax()],
    f"{before.max():.2%}",
    " after:",
    reader.classes[after.argmax()],
    f"{after.max():.2%}",
)

# %% [markdown]
# What would be enough? The least ink that must be added or erased, with the proof that less is not enough; then confirm
# that the model reads the changed picture as it was told.

# %%
flip = reader.flip(photo)
assert reader.predict(flip.flipped)[0] == flip.target
flip

# %%
FlipDisplay.from_flip(flip)

# %% [markdown]
# ## 10. Regularisation
# Many pixels cannot matter: the border is always paper. Yet the fit without a penalty gives nearly all of them a coefficient.
# Exact zeros are black here.

# %%
clf_l1 = LogisticRegression(l1_ratio=1, C=1, tol=0.1, solver="saga", random_state=9).fit(X_train_scaled, y_train)
figure, axes = plt.subplots(2, 10, figsize=(12, 2.8))
for row, fitted in zip(axes, (clf, clf_l1), strict=True):
    for k, ax in enumerate(row):
        w = fitted.coef_[k].reshape(28, 28)
        ax.imshow(w, cmap=plt.cm.RdBu, vmin=-scale, vmax=scale)
        ax.imshow(np.ma.masked_where(w != 0, w), cmap=plt.cm.gray, vmin=0, vmax=1)
        ax.axis("off")
print("zeros:", f"{(clf.coef_ == 0).mean():.0%} without a penalty, {(clf_l1.coef_ == 0).mean():.0%} with L1")

# %% [markdown]
# An L1 penalty sets coefficients to zero that do not earn their place. How many it *really* leaves shows only near the
# optimum: stopped early, most of them are still on their way.

# %%
sparse = SoftmaxRegression(C=1.0, l1_ratio=1.0).fit(X_train_scaled, y_train)
print("zeros at the certified optimum:", f"{(sparse.coef_ == 0).mean():.0%}")
MapComparisonDisplay.from_estimators({"L2": model, "L1": sparse})

# %% [markdown]
# **Things to try.** What happens if `C` grows? If it shrinks?

# %%
strengths = [SoftmaxRegression(C=C, l1_ratio=1.0).fit(X_train_scaled, y_train) for C in (0.01, 0.1, 1.0, 10.0)]
StrengthDisplay.from_estimators(strengths, train=(X_train_scaled, y_train), test=(X_test_scaled, y_test))

# %% [markdown]
# All strengths at once: a path of fits, each one proven. Move the slider: maps, zeros, accuracy and the answer for your
# drawing follow it.

# %%
path = softmax_path(X_train_scaled, y_train, Cs=20)
live(path, split)

# %% [markdown]
# ## 11. Only 5 and 6
# Two classes are easier to follow: one map is the other's negative.

# %%
pair = digits.only("5", "6").split(train=0.7, test=0.3, seed=9)
five_or_six = SoftmaxRegression(C=1.0).fit(pair.X_train / 255, pair.y_train)
print(five_or_six.score(pair.X_test / 255, pair.y_test))
CoefficientMapsDisplay.from_estimator(five_or_six, image_shape=pair)

# %% [markdown]
# ## 12. Keep it
# A model file holds the classifier, what it was fitted to, and its certificate. The command line, the studio
# (`inklens studio my-model.inklens`) and `inklens verify`, which recomputes the proof, all take it.

# %%
reader.save("my-model.inklens")
print(Path("my-model.inklens").stat().st_size, "bytes")
