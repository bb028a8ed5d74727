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
# # Siblings of logistic regression
# Softmax regression adds up weights of pixels. Other classifiers decide in other ways: they ask neighbours, put questions to
# single pixels, let trees vote, or remember the images near a border. Here they learn from the same digits, and each is asked
# the same: how right are you, how long did you take, and **why did you say that?**
#
# No step needs a network. Run a cell with Shift + Enter; change something; run it again.

# %%
import time

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from inklens import SoftmaxRegression, load_dataset
from inklens.displays import SampleGalleryDisplay
from inklens.evaluation import Comparison, proportion
from inklens.siblings.decisions import decide
from inklens.siblings.digits import choose_digits
from inklens.siblings.drawings import DecisionDisplay, ImportancesDisplay, WeightsDisplay
from inklens.siblings.pair import duel_in_depth

# %% [markdown]
# ## 1. The same rows for all
# The split is scikit-learn's; every pixel is stretched from 0 to 1 by its range in the training rows. Raise `TRAIN` to 3750
# for all that comes with the package.

# %%
TRAIN, TEST = 1000, 400
digits = load_dataset("embedded")
ink, ink_test, y_train, y_test = train_test_split(digits.X, digits.y, random_state=9, train_size=TRAIN, test_size=TEST)
scaler = MinMaxScaler().fit(ink)
X_train, X_test = scaler.transform(ink), scaler.transform(ink_test)
X_train.shape, X_test.shape

# %%
SampleGalleryDisplay.from_dataset(digits, per_class=3)

# %% [markdown]
# ## 2. Fit them all
# One line each. `SoftmaxRegression` is ours: it stops when it is proven that no weights are better by more than `tol`.

# %%
models = {
    "softmax": SoftmaxRegression(C=1.0),
    "neighbours": KNeighborsClassifier(3, weights="distance"),
    "tree": DecisionTreeClassifier(random_state=0),
    "bagging": BaggingClassifier(n_estimators=10, random_state=0),
    "forest": RandomForestClassifier(n_estimators=100, random_state=0),
    "AdaBoost": AdaBoostClassifier(n_estimators=50, random_state=0),
    "linear SVC": LinearSVC(random_state=0),
    "RBF SVC": SVC(kernel="rbf"),
}
seconds, answers = {}, {}
for name, model in models.items():
    begun = time.process_time()
    model.fit(X_train, y_train)
    seconds[name] = time.process_time() - begun
    answers[name] = model.predict(X_test)

# %% [markdown]
# ## 3. How right?
# An accuracy is an estimate. The interval says how good an estimate: with 95% confidence the true accuracy lies within it.

# %%
for name in sorted(models, key=lambda name: -accuracy_score(y_test, answers[name])):
    right = int((answers[name] == y_test).sum())
    print(f"{name:12} {proportion(right, TEST)}   fitted in {seconds[name]:.2f} s")

# %% [markdown]
# Intervals that overlap do not mean that two models are equally good. They answered the *same* images, so look at those where
# exactly one of them is right. If both were equally good, each of these would fall to either side like a coin.

# %%
Comparison.from_predictions(y_test, answers["neighbours"], answers["softmax"]).in_words("neighbours", "softmax")

# %% [markdown]
# **Who wins, and who loses?** On single pixels, softmax regression loses to the neighbours and to the forest: it cannot know that
# a stroke has moved a little. Keep that in mind when you see how each decides.

# %% [markdown]
# ## 4. One digit, many ways
# Take a digit that softmax regression misreads, half-way between the one that it is surest of and the closest call.

# %%
softmax = models["softmax"]
hard = choose_digits(softmax.decision_function(X_test), y_test, softmax.classes_.tolist(), most=3)[1]
row = hard.row
picture = ink_test[row].reshape(28, 28) / 255
{name: str(said[row]) for name, said in answers.items()} | {"truth": hard.true}


# %%
def why(name):
    """Ask a model how it decides the digit, and draw what it says."""
    decision = decide(models[name], X_test[row], picture, X_train, y_train, hard)
    print(*decision.sentences, sep="\n")
    voters = [ink[voter.row].reshape(28, 28) for voter in decision.voters]
    return DecisionDisplay(picture, decision, true=hard.true, voters=voters)


why("softmax")

# %% [markdown]
# Blue pixels speak for its answer, red ones for the class beside it; they sum to the lead. The training images beneath say the
# same in another way: under this penalty, the lead is also a sum over them.
#
# **The three nearest neighbours** learn nothing. They look for the most similar training images.

# %%
why("neighbours")

# %%
distances, rows = models["neighbours"].kneighbors(X_test[[row]])
weights = 1 / distances[0]
[(str(label), round(float(w), 3)) for label, w in zip(y_train[rows[0]], weights / weights.sum(), strict=True)]

# %% [markdown]
# **A tree** asks about one pixel after another. The numbers on the digit are its questions, in their order. A stroke that misses
# one of these pixels by a hair sends the digit down another branch.

# %%
why("tree")

# %% [markdown]
# **A forest** grows a hundred such trees, each from other rows and other pixels, and averages them. What one tree gets wrong by
# accident, the others do not.

# %%
why("forest")

# %%
np.unique([tree.predict(X_test[[row]])[0] for tree in models["forest"].estimators_], return_counts=True)

# %% [markdown]
# **AdaBoost** puts one question at a time, and every next one looks hardest at the images that those before got wrong. With ten
# classes, questions of one pixel each are a poor start.

# %%
why("AdaBoost")

# %% [markdown]
# **Support vector machines** hold a duel for every two classes. Training images near the border decide it, the more alike the
# louder.

# %%
why("RBF SVC")

# %%
why("linear SVC")

# %% [markdown]
# ## 5. Which pixels matter to the trees?
# Bright pixels sort the training images best. One tree knows few pixels, a forest most of them.

# %%
ImportancesDisplay({name: models[name].feature_importances_.reshape(28, 28) for name in ("tree", "forest", "AdaBoost")})

# %% [markdown]
# ## 6. 5 against 6 in depth
# A linear support vector machine for two classes decides by a sum over the few training images that it keeps,
# $f(x) = \sum_i \alpha_i y_i \langle x_i, x \rangle + b$. First by hand:

# %%
fives_and_sixes = np.isin(y_train, ["5", "6"])
X56, y56 = X_train[fives_and_sixes], y_train[fives_and_sixes]
machine = SVC(kernel="linear").fit(X56, y56)
x = X_test[np.flatnonzero(np.isin(y_test, ["5", "6"]))[0]]

alpha_y = machine.dual_coef_[0]  # alpha_i y_i; scikit-learn counts the second class, 6, as positive
products = alpha_y * (machine.support_vectors_ @ x)
print(f"{len(alpha_y)} of {len(y56)} images are support vectors")
print("the sum by hand:   ", products.sum() + machine.intercept_[0])
print("decision_function: ", machine.decision_function(x[None])[0])

# %% [markdown]
# The images that push most, each with $\alpha_i y_i \times \langle x_i, x \rangle$ and what that adds; here 5 counts as positive:

# %%
among = np.flatnonzero(np.isin(y_test, ["5", "6"]))
duelled = duel_in_depth(X_train, y_train, X_test, y_test, pair=("5", "6"), row=int(among[0]))
decision = duelled.decision(X_test[duelled.row], (28, 28))
DecisionDisplay(
    ink_test[duelled.row].reshape(28, 28) / 255,
    decision,
    true=duelled.true,
    voters=[ink[voter.row].reshape(28, 28) for voter in decision.voters],
)

# %% [markdown]
# With this likeness, a sum over images is a sum over pixels too: one weight each, as softmax regression has.

# %%
WeightsDisplay(
    {
        "SVC": np.reshape(duelled.w, (28, 28)),
        "softmax": (softmax.coef_[5] - softmax.coef_[6]).reshape(28, 28),
    },
    pair=("5", "6"),
)

# %% [markdown]
# Do both find the same images hard? Support vectors are the images near the border. How does softmax regression, which tells all
# ten classes apart, read those, and how the others?

# %%
among = np.flatnonzero(np.isin(y_train, ["5", "6"]))
support = np.isin(among, duelled.support)
said = softmax.predict(X_train[among]) == y_train[among]
print(f"softmax reads {said[support].mean():.1%} of the support vectors, {said[~support].mean():.1%} of the others")

# %% [markdown]
# ## 7. Your turn
# - Take another digit: `most=3)[0]` is the mistake that softmax regression is surest of.
# - Let another classifier of scikit-learn join `models`, such as `GaussianNB()`, and ask it `why`: what is drawn then?
# - Give AdaBoost deeper trees: `AdaBoostClassifier(DecisionTreeClassifier(max_depth=5), random_state=0)`. What does that cost?
# - `inklens siblings` in a terminal makes a page of all this, with more models, a budget of time for each, and tests.
