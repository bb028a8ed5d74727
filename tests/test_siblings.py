"""Other classifiers beside ours: their numbers are plain scikit-learn's, what they say of a decision sums to it."""

import json
import multiprocessing
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from inklens import SoftmaxRegression, load_dataset
from inklens.errors import DataError, ParameterError
from inklens.evaluation import mcnemar, proportion
from inklens.siblings.cache import Cache
from inklens.siblings.child import Job, PairJob, RowsOnDisk
from inklens.siblings.decisions import decide
from inklens.siblings.digits import Digit, choose_digits
from inklens.siblings.duels import duel
from inklens.siblings.linear_ways import row_votes
from inklens.siblings.pair import Duelled, duel_in_depth
from inklens.siblings.race import race
from inklens.siblings.recipes import Recipe, parse_recipe
from inklens.siblings.results import Outcome
from inklens.siblings.rivals import class_scores
from inklens.siblings.roster import KEYS, ROSTER, choose
from inklens.siblings.rounds import fit_in_rounds
from inklens.siblings.run import hurried, run_siblings, write_rows

PLAIN = {  # as anybody writes them
    "knn": KNeighborsClassifier(3, weights="distance"),
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(random_state=0),
    "linear-svc": LinearSVC(random_state=0),
    "saga": LogisticRegression(solver="saga", tol=0.1, random_state=0),
    "adaboost": AdaBoostClassifier(random_state=0),
    "bagging": BaggingClassifier(random_state=0),
    "rbf-svc": SVC(),
    "BernoulliNB": BernoulliNB(),
}
PATIENT = 240.0  # seconds; no budget of a test that is about something else
TRAIN, TEST = 300, 100


@pytest.fixture(scope="module")
def split():
    return load_dataset("embedded").split(train=TRAIN, test=TEST, seed=9)


@pytest.fixture(scope="module")
def scaled(split):
    scaler = MinMaxScaler().fit(split.X_train)
    return scaler.transform(split.X_train), scaler.transform(split.X_test)


@pytest.fixture(scope="module")
def fitted(split, scaled):
    return {key: model.fit(scaled[0], split.y_train) for key, model in PLAIN.items()}


@pytest.fixture(scope="module")
def done():
    named = ["sklearn.naive_bayes:BernoulliNB()"]
    only = [key for key in PLAIN if key in KEYS] + ["strokes"]
    digits = load_dataset("embedded")
    return run_siblings(digits, train=TRAIN, test=TEST, only=only, named=named, budget=PATIENT, cached=False)


@pytest.mark.slow
def test_every_model_gives_the_answers_of_plain_scikit_learn(done, fitted, split, scaled):
    assert done.finished
    assert set(done.outcomes) == {"softmax", "strokes", *PLAIN}
    judged = {standing.outcome.key: standing for standing in done.standings}
    for key, model in fitted.items():
        said = model.predict(scaled[1])
        assert done.outcomes[key].answers == said.tolist(), key
        assert judged[key].accuracy == proportion(int((said == split.y_test).sum()), TEST)


@pytest.mark.slow
def test_ours_is_judged_beside_every_other(done, split):
    ours = np.array(done.ours.answers) == split.y_test
    for standing in done.standings:
        if standing.beside_ours is not None:
            other = np.array(standing.outcome.answers) == split.y_test
            p = mcnemar(int((other & ~ours).sum()), int((ours & ~other).sum()))
            assert standing.beside_ours.p_value == p
            assert p <= standing.p_adjusted <= 1.0
    accuracies = [s.accuracy.value for s in done.standings]
    assert accuracies == sorted(accuracies, reverse=True)
    assert "worse" in {s.verdict for s in done.standings} <= {"", "better", "worse", "not told apart"}


@pytest.mark.slow
def test_the_document_has_what_is_promised_and_is_json(done):
    document = json.loads(json.dumps(done.to_json(), allow_nan=False))
    assert document["schema_version"] == 1
    for model in document["models"]:
        assert model["interval"][0] <= model["accuracy"] <= model["interval"][1]
        assert set(model["fit"]) == set(model["predict"]) == {"wall", "cpu"}
        assert (model["predict_proba"] is None) == (model["name"] in ("linear-svc", "rbf-svc"))
        assert model["stopped"] is None
        assert model["size_bytes"] > 0
    n = len(document["models"])
    assert len(document["pairs"]) == n * (n - 1) // 2
    saga = next(model for model in document["models"] if model["name"] == "saga")
    assert saga["gap"] > 0.01  # the tutorial's tolerance stops far from the optimum, and our bound proves it
    assert document["models"][0]["gap"] <= 1e-4


@pytest.mark.slow
def test_the_digits_are_those_that_ours_misreads(done, split):
    assert len(done.digits) == 3
    for digit in done.digits:
        assert split.y_test[digit.row] == digit.true != digit.rival == done.ours.answers[digit.row]
    for outcome in done.outcomes.values():
        assert [d.said for d in outcome.decisions] == [outcome.answers[digit.row] for digit in done.digits]
        assert all(d.pixels is not None or d.voters for d in outcome.decisions)  # nobody without a picture


def lead(model, x, decision):
    """What a model's public methods say of the lead of one class over another."""
    classes = [str(name) for name in model.classes_]
    i, j = classes.index(decision.said), classes.index(decision.against)
    if isinstance(model, SVC):
        ovo = SVC(decision_function_shape="ovo")
        ovo.__dict__.update({**vars(model), "decision_function_shape": "ovo"})
        pairs = [(a, b) for a in range(len(classes)) for b in range(a + 1, len(classes))]
        value = np.atleast_1d(ovo.decision_function(x[None])[0])[pairs.index((min(i, j), max(i, j)))]
        return value if i < j else -value
    if isinstance(model, DecisionTreeClassifier | RandomForestClassifier | BaggingClassifier | KNeighborsClassifier):
        scores = model.predict_proba(x[None])[0]
    else:
        scores = class_scores(model.decision_function(x[None]))[0]
    return scores[i] - scores[j]


@pytest.mark.slow
def test_what_is_said_of_a_decision_sums_to_it(done, fitted, scaled):
    for key, model in fitted.items():
        for digit, decision in zip(done.digits, done.outcomes[key].decisions, strict=True):
            if decision.additive:
                assert decision.summed == pytest.approx(decision.margin, abs=1e-9), key
                assert decision.margin == pytest.approx(lead(model, scaled[1][digit.row], decision), abs=1e-6), key
            else:
                assert key == "BernoulliNB"


def test_boosting_sums_to_its_decision_too(split, scaled):
    X, x, y = scaled[0][:150, 308:476], scaled[1][3, 308:476], split.y_train[:150]  # the six rows in the middle
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=5, min_samples_leaf=5).fit(X, y)
        decision = decide(model, x, x.reshape(6, 28), X, y, Digit(3, "3", "5"))
    assert decision.summed == pytest.approx(decision.margin)
    assert decision.margin == pytest.approx(lead(model, x, decision))
    before = class_scores(model._baseline_prediction)[0]  # what the classes have before the first round
    i, j = (list(model.classes_).index(name) for name in (decision.said, decision.against))
    assert decision.offset == pytest.approx(before[i] - before[j])


@pytest.mark.slow
@pytest.mark.parametrize("key", ["softmax", "strokes"])
def test_ours_sums_to_log_odds(done, key):
    for decision in done.outcomes[key].decisions:
        assert decision.summed == pytest.approx(decision.margin, abs=1e-9)
        z = decision.scores
        assert decision.margin == pytest.approx(z[decision.said] - z[decision.against], abs=1e-9)


def test_the_votes_of_training_rows_sum_to_the_scores(split, scaled):
    X, x = scaled[0], scaled[1][5]
    model = SoftmaxRegression(C=0.5, tol=1e-5).fit(X, split.y_train)
    votes = row_votes(model, X, split.y_train, x)
    assert votes.z == pytest.approx(model.decision_function(x[None])[0])
    assert np.abs(votes.remainder).max() < 0.2


@pytest.mark.slow
def test_neighbours_weigh_as_their_distances(done, fitted, scaled):
    for digit, decision in zip(done.digits, done.outcomes["knn"].decisions, strict=True):
        distances, rows = fitted["knn"].kneighbors(scaled[1][digit.row][None])
        assert [voter.row for voter in decision.voters] == rows[0].tolist()
        assert list(decision.scores.values()) == pytest.approx(fitted["knn"].predict_proba(scaled[1][[digit.row]])[0])
        assert decision.voters[0].text.startswith(f"{distances[0][0]:.2f} away")


@pytest.mark.slow
def test_the_path_down_a_tree_is_the_trees_own(done, fitted, scaled):
    inside = fitted["tree"].tree_
    for digit, decision in zip(done.digits, done.outcomes["tree"].decisions, strict=True):
        x, node, asked = scaled[1][digit.row].astype(np.float32), 0, []
        while inside.children_left[node] >= 0:
            asked.append(divmod(int(inside.feature[node]), 28))
            below = x[inside.feature[node]] <= inside.threshold[node]
            node = inside.children_left[node] if below else inside.children_right[node]
        assert [(mark.row, mark.col) for mark in decision.marks] == asked[:12]
        assert decision.scores[decision.said] == inside.value[node, 0].max()


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("classes", ["56", "356"])
def test_a_duel_is_the_machines_decision(split, scaled, kernel, classes):
    rows = np.isin(split.y_train, list(classes))
    X, y = scaled[0][rows], split.y_train[rows]
    model = SVC(kernel=kernel, decision_function_shape="ovo").fit(X, y)
    values = np.atleast_2d(model.decision_function(scaled[1][:20]).T).T
    pairs = [(a, b) for a in range(len(classes)) for b in range(a + 1, len(classes))]
    for place, (a, b) in enumerate(pairs):
        for x, value in zip(scaled[1][:20], values[:, place], strict=True):
            value = -value if len(classes) == 2 else value  # of two classes, positive is the second
            assert duel(model, x, a, b).value == pytest.approx(value, abs=1e-9)
            assert duel(model, x, b, a).value == pytest.approx(-value, abs=1e-9)


@pytest.mark.parametrize("pair", [("5", "6"), ("6", "5")])
def test_two_classes_in_depth(split, scaled, pair):
    X, X_test = scaled
    found = duel_in_depth(X, split.y_train, X_test, split.y_test, pair=pair, row=7)
    among = np.isin(split.y_train, pair)
    model = SVC(kernel="linear").fit(X[among], split.y_train[among])
    value = model.decision_function(X_test[7][None])[0] * (1 if pair == ("6", "5") else -1)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.adds + found.takes + found.intercept == pytest.approx(found.value, abs=1e-9)
    assert np.dot(found.w, X_test[7]) + found.intercept == pytest.approx(found.value, abs=1e-9)
    assert sorted(found.support) == np.flatnonzero(among)[np.sort(model.support_)].tolist()
    assert set(split.y_train[found.support]) == set(pair)
    for vector in found.vectors:
        assert vector.adds == pytest.approx(vector.weight * vector.similarity)
        assert vector.similarity == pytest.approx(X[vector.row] @ X_test[7])
        assert (vector.weight > 0) == (vector.label == pair[0])
    decision = found.decision(X_test[7], (28, 28))
    assert decision.summed == pytest.approx(decision.margin)
    assert decision.margin >= 0
    assert Duelled.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.slow
def test_support_vectors_as_ours_reads_them(done, split, scaled):
    support = done.duelled.support
    ours = SoftmaxRegression(C=1.0, tol=1e-4).fit(scaled[0], split.y_train)
    among = np.flatnonzero(np.isin(split.y_train, ["5", "6"]))
    right = ours.predict(scaled[0][among]) == split.y_train[among]
    holds = np.isin(among, support)
    assert done.support.on_support == pytest.approx(right[holds].mean())
    assert done.support.on_others == pytest.approx(right[~holds].mean())
    assert (done.support.n_support, done.support.n_others) == (len(support), len(among) - len(support))


@threadpool_limits.wrap(limits=1)
def test_fits_in_rounds_are_the_fits_in_one(split, scaled):
    X, y = scaled[0][:100, 308:420], split.y_train[:100]
    for make in (
        lambda n: RandomForestClassifier(n, random_state=0),
        lambda n: BaggingClassifier(n_estimators=n, random_state=0),
        lambda n: AdaBoostClassifier(n_estimators=n, random_state=0),
        lambda n: HistGradientBoostingClassifier(max_iter=n, early_stopping=False, max_leaf_nodes=4, random_state=0),
    ):
        told = []
        grown, done, total = fit_in_rounds(
            make(5), X, y, deadline=time.perf_counter() + PATIENT, tell=lambda *step: told.append(step)
        )
        assert (done, total) == (5, 5)
        assert told[0] == (0, 5)
        assert np.array_equal(grown.predict_proba(X), make(5).fit(X, y).predict_proba(X))
        for late in (0.0, 60.0):
            stopped, done, total = fit_in_rounds(
                make(5), X, y, deadline=time.perf_counter() - late, tell=lambda *step: None
            )
            assert (done, total) == (1, 5)
            assert np.array_equal(stopped.predict(X), make(1).fit(X, y).predict(X))


def test_digits_go_from_the_surest_mistake_to_the_closest_call():
    rng = np.random.default_rng(0)
    scores, y = rng.normal(size=(60, 3)), rng.choice(list("abc"), 60)
    chosen = choose_digits(scores, y, list("abc"), most=3)
    leads = [scores[d.row, "abc".index(d.rival)] - scores[d.row, "abc".index(d.true)] for d in chosen]
    assert leads == sorted(leads, reverse=True)
    wrong = scores.argmax(axis=1) != np.array(["abc".index(label) for label in y])
    others = scores[wrong].max(axis=1) - scores[wrong, ["abc".index(label) for label in y[wrong]]]
    assert (leads[0], leads[-1]) == (others.max(), others.min())


# ---- what a person names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "os:system('touch harmed')",
        'builtins:eval(\'open("harmed", "w")\')',
        "sklearn.svm:SVC(C=__import__('os').system('touch harmed'))",
        "sklearn.svm:SVC(C=open('harmed', 'w'))",
        "sklearn.svm:SVC(**{'C': 1})",
        "sklearn.svm:SVC().fit",
        "sklearn.svm:SVC()()",
        "sklearn.svm:(lambda: 1)()",
        "sklearn.svm:SVC(C=1+1j*open('harmed', 'w'))",
        "sklearn.svm:SVC(nonsense=1)",
        "sklearn.svm:SVC(",
        "sklearn.svm:no_such_class()",
        "sklearn.svm:svm()",
        "sklearn.preprocessing:MinMaxScaler()",
        "no_such_module:Thing()",
        "../x:Thing()",
        ".svm:SVC()",
        "SVC()",
        "",
        ":",
        "sklearn.svm:" + "(" * 500,
    ],
)
def test_what_is_no_classifier_is_refused_and_nothing_is_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError):
        parse_recipe(text).build()
    assert list(tmp_path.iterdir()) == []


def test_a_named_classifier_joins_under_a_name_of_its_own():
    names = ["sklearn.svm:SVC(C=2)", "sklearn.svm:SVC(C=3)", "sklearn.dummy:DummyClassifier"]
    chosen = choose(["tree"], names)
    assert [sibling.key for sibling in chosen] == ["softmax", "tree", "SVC", "SVC-2", "DummyClassifier"]
    assert [str(sibling.recipe) for sibling in chosen[2:]] == ["SVC(C=2)", "SVC(C=3)", "DummyClassifier()"]
    assert chosen[2].recipe.build().random_state == 0
    with pytest.raises(ParameterError, match="there are: softmax"):
        choose(["trees"])


CLASSIFIERS = """
import os, time
import numpy as np

class Plain:
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

class Slow(Plain):
    def fit(self, X, y):
        time.sleep(600)

class Dies(Plain):
    def fit(self, X, y):
        os._exit(3)

class Raises(Plain):
    def predict(self, X):
        raise ValueError("not today")

class Foreign(Plain):
    def predict(self, X):
        return np.full(len(X), "no class of these")
"""


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """A module of classifiers of somebody else's."""
    (tmp_path / "strangers_of_siblings.py").write_text(CLASSIFIERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return [f"strangers_of_siblings:{name}()" for name in ("Slow", "Dies", "Raises", "Plain", "Foreign")]


@pytest.mark.slow
def test_a_model_that_dies_or_fails_is_a_row_with_a_reason(strangers):
    digits = load_dataset("embedded")
    siblings = run_siblings(
        digits, train=200, test=50, only=["softmax"], named=strangers[1:], budget=PATIENT, cached=False
    )
    ended = siblings.outcomes
    assert "ended without an answer" in ended["Dies"].failed
    assert ended["Raises"].failed == "ValueError: not today"
    assert len(ended["Plain"].answers) == 50
    assert "no class of these" in ended["Foreign"].failed
    assert {standing.outcome.key for standing in siblings.standings} == {"softmax", "Plain"}
    assert siblings.finished
    assert multiprocessing.active_children() == []


def test_a_model_that_hangs_is_stopped_when_its_time_is_over(strangers, split, tmp_path):
    write_rows(split, (28, 28), tmp_path)
    (_, slow) = choose(["softmax"], strangers[:1])
    (outcome,) = race([Job(slow, str(tmp_path), 0.5, ())], n_jobs=1)
    assert (outcome.stopped, outcome.answers) == ("stopped after 0.5 s, before it was fitted", None)
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_ctrl_c_leaves_no_child_and_says_so(strangers):
    seen = []

    def changed(state):
        seen.append((list(state.outcomes), state.interrupted, state.finished))
        if len(state.outcomes) == 1 and not state.interrupted:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_siblings(
            load_dataset("embedded"), train=200, test=50, only=["knn"], named=strangers[:1], changed=changed,
            cached=False, budget=PATIENT,
        )  # fmt: skip
    assert seen[-1] == (["softmax"], True, False)
    assert multiprocessing.active_children() == []


# ---- the cache ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_computed_is_taken_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path))
    rules = {"train": 200, "test": 60, "only": ["knn"], "budget": PATIENT}
    digits = load_dataset("embedded")
    first = run_siblings(digits, **rules)
    assert not any(outcome.cached for outcome in first.outcomes.values())
    again = run_siblings(digits, **rules)
    assert all(outcome.cached for outcome in again.outcomes.values())
    assert again.outcomes == first.outcomes
    assert (again.duelled, again.support) == (first.duelled, first.support)
    for path in (tmp_path / "siblings").iterdir():
        path.write_text("{}")
    damaged = run_siblings(digits, **rules)
    assert not any(outcome.cached for outcome in damaged.outcomes.values())
    assert damaged.outcomes["knn"].answers == first.outcomes["knn"].answers


def test_an_entry_of_another_shape_is_no_entry(tmp_path):
    knn = next(sibling for sibling in ROSTER if sibling.key == "knn")
    job, cache = Job(knn, "folder", 60.0, ()), Cache("rows", tmp_path)
    outcome = Outcome("knn", "neighbours", "", answers=["1"], notes=("é",))
    cache.put(job, outcome)
    (path,) = tmp_path.iterdir()
    kept = json.loads(path.read_bytes())
    assert cache.get(job) == replace(outcome, cached=True)
    others = [b"", b"[" * 100_000, b"null", b"[]", b"1e999", b"\xff", json.dumps(kept["outcome"]).encode()]
    for name, value in kept["outcome"].items():
        for other in (None, 1, "x", [1], {"a": 1}):
            if other != value:
                others.append(json.dumps({**kept, "outcome": {**kept["outcome"], name: other}}).encode())
    for other in others:
        path.write_bytes(other)
        assert cache.get(job) is None, other
    path.unlink()
    path.mkdir()
    assert cache.get(job) is None
    cache.put(job, outcome)  # no error


@pytest.mark.slow
def test_another_job_is_another_entry(tmp_path):
    knn = next(sibling for sibling in ROSTER if sibling.key == "knn")
    job = Job(knn, "folder", 60.0, (Digit(1, "1", "7"),))
    cache = Cache("rows", tmp_path)
    outcome = Outcome("knn", "neighbours", "", answers=["1"], digits=job.digits)
    cache.put(job, outcome)
    assert cache.get(replace(job, folder="another")) == outcome
    for other in (
        replace(job, budget=61.0),
        replace(job, digits=(Digit(2, "1", "7"),)),
        replace(job, sibling=replace(knn, recipe=Recipe("sklearn.neighbors", "KNeighborsClassifier"))),
        PairJob("folder", ("1", "7"), 1),
    ):
        assert cache.get(other) is None
    assert Cache("other rows", tmp_path).get(job) is None
    cache.put(replace(job, budget=1.0), Outcome("knn", "neighbours", "", failed="it did"))
    assert cache.get(replace(job, budget=1.0)) is None


# ---- rows ---------------------------------------------------------------------------------------------------------


def test_rows_are_scaled_as_scikit_learn_does(split, scaled, tmp_path):
    write_rows(split, (28, 28), tmp_path)
    rows = RowsOnDisk(tmp_path)
    assert np.array_equal(rows["X_train"], scaled[0])
    assert np.array_equal(rows["X_test"], scaled[1])
    assert np.array_equal(rows["ink_test"], split.X_test)


def test_bad_rules_are_refused_before_anything_runs():
    digits = load_dataset("embedded")
    with pytest.raises(ParameterError, match="above 0 seconds"):
        run_siblings(digits, budget=0.0)
    with pytest.raises(ParameterError, match="two classes out of"):
        run_siblings(digits, train=200, test=50, pair=("5", "x"))
    with pytest.raises(DataError, match="no training row has the class"):
        run_siblings(digits, train=3, test=50)
    one = replace(digits, X=digits.X[digits.y == "5"], y=digits.y[digits.y == "5"])
    with pytest.raises(DataError, match="one class"):
        run_siblings(one, train=20, test=5)


def test_a_hurried_race_has_few_rows_unless_they_are_given():
    digits = load_dataset("embedded")
    assert hurried(digits, seed=9) == {"train": 1000, "test": 500, "budget": 10.0, "seed": 9}
    assert hurried(digits, train=40, budget=3.0) == {"train": 40, "test": None, "budget": 3.0}


@pytest.mark.slow
def test_two_classes_and_small_pictures():
    from sklearn.datasets import load_digits

    from inklens.datasets import Dataset

    small = load_digits(n_class=2)
    data = Dataset(np.rint(small.data * 255 / 16).astype(np.uint8), small.target.astype(str), (8, 8), "zeros and ones")
    only = ["tree", "linear-svc", "lbfgs", "adaboost", "rbf-svc", "knn", "boosting"]
    done = run_siblings(data, train=100, test=60, only=only, budget=PATIENT, cached=False)
    assert {o.key: o.failed for o in done.outcomes.values() if o.failed} == {}
    for outcome in done.outcomes.values():
        for decision in outcome.decisions:
            assert not decision.additive or decision.summed == pytest.approx(decision.margin, abs=1e-9), outcome.key
    assert set(done.duelled.pair) == {"0", "1"}
