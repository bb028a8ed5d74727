# %% [markdown]
# # Logistic regression for handwritten digits
#
# The tutorial, step by step, in this package's names. Every cell runs as it stands, on the 5,000 digits that come with
# the package; for all of MNIST write `load_dataset("mnist")`. An object at the end of a cell shows itself.

# %%
import numpy as np

from inklens import DigitReader, SoftmaxRegression, load_dataset, softmax_path
from inklens.displays import (
    ByHandDisplay,
    CoefficientMapsDisplay,
    ConfusionMatrixDisplay,
    EvidenceDisplay,
    FlipDisplay,
    MapComparisonDisplay,
    MisclassifiedDisplay,
    PathDisplay,
    ProbabilityBarsDisplay,
    ReasonsDisplay,
    RecipeStepsDisplay,
    SampleGalleryDisplay,
    StrengthDisplay,
    ToleranceDisplay,
)
from inklens.evaluation import Comparison, Evaluation

# %% [markdown]
# ## Load the digits
# 784 pixels each, from 0 (paper) to 255 (full ink); labels are text.

# %%
digits = load_dataset("embedded")
digits

# %%
print(digits.X.shape, digits.y.shape, digits.y)
print(digits.counts)

# %%
SampleGalleryDisplay.from_dataset(digits, per_class=5)

# %% [markdown]
# ## Training and test rows
# As scikit-learn's `train_test_split` does with the same seed. Then scale to 0..1.

# %%
split = digits.split(train=1500, test=500, seed=9)
X_train, X_test = split.X_train / 255, split.X_test / 255
y_train, y_test = split.y_train, split.y_test
split

# %% [markdown]
# ## Fit without a penalty
# 784 pixels separate 1,500 digits without a mistake, so larger coefficients always fit better, and there is no best
# one: the fit proves it and says so. (The tutorial's solver stops somewhere on the way, in silence.)

# %%
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    free = SoftmaxRegression(C=np.inf).fit(X_train, y_train)
print(free.status_, "-", caught[0].message)
free

# %% [markdown]
# With a penalty (`C` is the inverse of its strength) there is one answer, and `tol` promises how near it is.

# %%
clf = SoftmaxRegression(C=1.0).fit(X_train, y_train)
print(clf.coef_.shape, clf.status_, clf.dual_gap_)
clf

# %% [markdown]
# What a loose tolerance hides: both objectives, and what no coefficients can go below.

# %%
loose = SoftmaxRegression(C=1.0, tol=0.1).fit(X_train, y_train)
ToleranceDisplay.from_estimators({"tol=0.1": loose, "tol=0.0001": clf})

# %% [markdown]
# ## What it learned
# Blue pixels add to a class, red ones subtract, white ones matter little.

# %%
CoefficientMapsDisplay.from_estimator(clf)

# %% [markdown]
# ## One image, by hand
# z = b + w x for each class, then the softmax.

# %%
sample = 33
z = clf.intercept_ + clf.coef_ @ X_test[sample]
by_hand = np.exp(z) / np.exp(z).sum()
probabilities = clf.predict_proba(X_test[[sample]])[0]
assert np.allclose(by_hand, probabilities)
assert clf.classes_[by_hand.argmax()] == clf.predict(X_test[[sample]])[0]
ByHandDisplay.from_estimator(clf, X_test[sample], true=str(y_test[sample]))

# %%
ProbabilityBarsDisplay.from_estimator(clf, X_test[sample], true=str(y_test[sample]))

# %%
EvidenceDisplay.from_estimator(clf, X_test[sample])

# %% [markdown]
# ## How good is it?
# Accuracy in three ways, counts of right and wrong answers per class, and the confusion matrix.

# %%
y_pred = clf.predict(X_test)
scores = Evaluation.from_predictions(y_test, y_pred, clf.classes_)
assert scores.accuracy == np.mean(y_test == y_pred) == clf.score(X_test, y_test)
scores

# %%
for k, name in enumerate(scores.classes):
    counts = scores.true_positives[k], scores.true_negatives[k], scores.false_positives[k], scores.false_negatives[k]
    print(name, "TP {} TN {} FP {} FN {}".format(*counts))

# %%
ConfusionMatrixDisplay.from_evaluation(scores)

# %%
ConfusionMatrixDisplay.from_evaluation(scores, normalize="true")

# %%
MisclassifiedDisplay.from_estimator(clf, X_test, y_test)

# %% [markdown]
# Beside another model, on the same rows: is the difference more than chance?

# %%
from sklearn.neighbors import KNeighborsClassifier

neighbours = KNeighborsClassifier(3, weights="distance").fit(X_train, y_train)
Comparison.from_predictions(y_test, y_pred, neighbours.predict(X_test)).in_words("softmax", "3 nearest neighbours")

# %% [markdown]
# ## Your own digit
# A reader is a fitted model that also knows how a photo becomes 28 x 28 pixels. Put the name of your picture in the
# place of `photo`; here it is a digit of the test half, as dark ink on grey paper, off the middle.

# %%
reader = DigitReader.from_estimator(clf)
reader

# %%
row = np.flatnonzero(y_test == "4")[0]
small = digits.images(split.test_index[row])
photo = np.full((300, 260, 3), 214, np.uint8)
photo[40:264, 20:244] -= (small.repeat(8, axis=0).repeat(8, axis=1)[..., None] * 0.7).astype(np.uint8)
print("shape:", photo.shape, "label:", str(y_test[row]))

# %% [markdown]
# The tutorial's recipe, and what the model would say after each step; then the recipe that also centres the digit.

# %%
RecipeStepsDisplay.from_photo(reader.with_recipe("tutorial"), photo)

# %%
RecipeStepsDisplay.from_photo(reader, photo)

# %%
(reading,) = reader.read(photo)
reading

# %%
ProbabilityBarsDisplay.from_reading(reading, true="4")

# %% [markdown]
# Why: each pixel's part in the decision. The sum of the parts, with the intercept, *is* the score.

# %%
why = reader.explain(photo)
assert np.allclose(why.contributions.sum(axis=(1, 2)) + why.intercept, why.z)
why

# %%
ReasonsDisplay.from_evidence(why)

# %%
EvidenceDisplay.from_photo(reader, photo)

# %% [markdown]
# ## Change its mind
# The least ink that must be added or erased, with the proof that less is not enough. Then confirm it: the model reads
# the changed picture as it was told.

# %%
change = reader.flip(photo)
assert reader.predict(change.flipped)[0] == change.target
assert change.optimal
change

# %%
FlipDisplay.from_flip(change)

# %% [markdown]
# ## Regularisation
# Coefficients that are exactly zero are black. An L1 penalty leaves only the pixels that matter; a smaller `C` is a
# stronger penalty.

# %%
clf_l1 = SoftmaxRegression(C=1.0, l1_ratio=1.0).fit(X_train, y_train)
MapComparisonDisplay.from_estimators({"L2": clf, "L1": clf_l1})

# %%
strengths = [SoftmaxRegression(C=C, l1_ratio=1.0).fit(X_train, y_train) for C in (0.01, 0.1, 1.0, 10.0)]
StrengthDisplay.from_estimators(strengths, train=(X_train, y_train), test=(X_test, y_test))

# %% [markdown]
# All strengths at once: a path of fits, every one proven.

# %%
path = softmax_path(X_train, y_train, Cs=20)
path

# %%
PathDisplay.from_path(path)

# %% [markdown]
# ## Only 5 and 6

# %%
pair = digits.only("5", "6").split(train=0.7, test=0.3, seed=9)
five_or_six = SoftmaxRegression(C=1.0).fit(pair.X_train / 255, pair.y_train)
print(five_or_six.score(pair.X_test / 255, pair.y_test))
CoefficientMapsDisplay.from_estimator(five_or_six, image_shape=pair)

# %% [markdown]
# ## A model of scikit-learn
# Scalers before it are folded into its coefficients, so that it reads photos and explains itself like any other.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

pipeline = make_pipeline(MinMaxScaler(), LogisticRegression()).fit(pair.X_train, pair.y_train)
theirs = DigitReader.from_estimator(pipeline)
assert np.allclose(theirs.predict_proba(pair.X_test), pipeline.predict_proba(pair.X_test))
theirs.flip(pair.X_test[0])
