"""What a notebook does through public names: readers from any softmax regression, one image in any usual shape."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from inklens import DigitReader, SoftmaxRegression, explain, flip, load_dataset
from inklens.datasets import Dataset
from inklens.displays import (
    ByHandDisplay,
    CoefficientMapsDisplay,
    ConfusionCellDisplay,
    ConfusionMatrixDisplay,
    Display,
    EvidenceDisplay,
    FlipDisplay,
    LabelErrorsDisplay,
    MisclassifiedDisplay,
    PathDisplay,
    ProbabilityBarsDisplay,
    ReasonsDisplay,
    RecipeStepsDisplay,
    ToleranceDisplay,
    VotesDisplay,
)
from inklens.errors import DataError, ParameterError, ScaleWarning
from inklens.evaluation import Evaluation
from inklens.explanations import LabelErrors, Voters, out_of_fold, robustness
from inklens.linear.path import softmax_path
from inklens.linear.rows.rows import Rows


def over_byte(X):
    return X / 255


def squared(X):
    return X**2


@pytest.fixture(scope="module")
def rows():
    return load_dataset().only("3", "5", "8").split(train=150, test=60, seed=9)


@pytest.fixture(scope="module")
def clf(rows):
    return SoftmaxRegression(C=0.1).fit(rows.X_train / 255, rows.y_train)


@pytest.fixture(scope="module")
def reader(clf):
    return DigitReader.from_estimator(clf)


@pytest.fixture(scope="module")
def photo(rows):
    page = np.full((140, 140), 1.0)
    page[14:126, 14:126] -= rows.X_test[0].reshape(28, 28).repeat(4, axis=0).repeat(4, axis=1) / 255
    return page


# ------------------------------------------------------------------------------------------------- readers

SCALERS = {
    "MinMaxScaler": [MinMaxScaler()],
    "MinMaxScaler to -1..3": [MinMaxScaler((-1, 3))],
    "StandardScaler": [StandardScaler()],
    "StandardScaler without mean": [StandardScaler(with_mean=False)],
    "StandardScaler without deviation": [StandardScaler(with_std=False)],
    "MaxAbsScaler": [MaxAbsScaler()],
    "RobustScaler": [RobustScaler()],
    "X / 255": [FunctionTransformer(over_byte)],
    "X / 255 and StandardScaler": [FunctionTransformer(over_byte), StandardScaler()],
    "three in a row": [MinMaxScaler((1, 3)), "passthrough", StandardScaler()],
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", SCALERS)
def test_scalers_are_folded_exactly(rows, name, n_classes):
    """The reader says of ink what the pipeline says of bytes."""
    kept = np.isin(rows.y_train, ["3", "5", "8"][:n_classes])
    pipeline = make_pipeline(*SCALERS[name], LogisticRegression(C=0.01, max_iter=500, tol=0.1))
    pipeline.fit(rows.X_train[kept].astype(float), rows.y_train[kept])
    reader = DigitReader.from_estimator(pipeline)
    theirs = pipeline.predict_proba(rows.X_test.astype(float))
    np.testing.assert_allclose(reader.predict_proba(rows.X_test / 255), theirs, atol=1e-10)
    np.testing.assert_allclose(reader.predict_proba(rows.X_test), theirs, atol=1e-10)  # bytes are ink to 255
    assert reader.image_shape == (28, 28)


def test_scalers_that_saw_ink_from_0_to_1_take_it_so(rows):
    ink = rows.X_train / 255
    for scaler in (MinMaxScaler(), StandardScaler(), MaxAbsScaler()):
        pipeline = make_pipeline(scaler, LogisticRegression(C=0.01, max_iter=500, tol=0.1)).fit(ink, rows.y_train)
        ours = DigitReader.from_estimator(pipeline).predict_proba(rows.X_test)
        np.testing.assert_allclose(ours, pipeline.predict_proba(rows.X_test / 255), atol=1e-10)


def test_full_ink_may_be_said(rows):
    sixteenth = (rows.X_train / 255 * 16).astype(float)
    fitted = LogisticRegression(C=0.01, max_iter=500, tol=0.1).fit(sixteenth, rows.y_train)
    reader = DigitReader.from_estimator(fitted, full_ink=16.0)
    np.testing.assert_allclose(reader.predict_proba(rows.X_test), fitted.predict_proba(rows.X_test / 255 * 16))
    assert reader.fit_record is None


def test_a_search_is_its_best_model(rows):
    search = GridSearchCV(make_pipeline(MaxAbsScaler(), LogisticRegression(tol=0.1)), {}, cv=2)
    search.fit(rows.X_train, rows.y_train)
    ours = DigitReader.from_estimator(search).predict(rows.X_test)
    assert ours.tolist() == search.predict(rows.X_test).tolist()


@pytest.mark.parametrize(
    ("estimator", "named"),
    [
        (DecisionTreeClassifier(), "DecisionTreeClassifier"),
        (LinearSVC(), "LinearSVC"),
        (OneVsRestClassifier(LogisticRegression(tol=0.1)), "OneVsRestClassifier"),
        (make_pipeline(PCA(5), LogisticRegression()), "PCA"),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression(tol=0.1)), "clip=True"),
        (make_pipeline(FunctionTransformer(squared), LogisticRegression(tol=0.1)), "not a factor and an offset"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_models_are_one_clear_error(rows, estimator, named):
    estimator.fit(rows.X_train / 255, rows.y_train)
    with pytest.raises(DataError, match=r"expected a fitted SoftmaxRegression .* LogisticRegression") as told:
        DigitReader.from_estimator(estimator)
    assert named in str(told.value)


@pytest.mark.parametrize("nothing", [LogisticRegression(), SoftmaxRegression(), SoftmaxRegression, 7, None])
def test_what_is_not_fitted_is_the_same_error(nothing):
    with pytest.raises(DataError, match="expected a fitted SoftmaxRegression"):
        DigitReader.from_estimator(nothing)


def test_one_class_against_the_rest_is_no_softmax(rows, clf):
    class Against(SoftmaxRegression):
        def predict_proba(self, X):
            odds = 1 / (1 + np.exp(-self.decision_function(X)))
            return odds / odds.sum(axis=1, keepdims=True)

    with pytest.raises(DataError, match="no softmax of its scores"):
        DigitReader.from_estimator(Against(C=0.1).fit(rows.X_train / 255, rows.y_train))


def test_pictures_that_are_not_square_need_their_shape():
    X, y = np.random.default_rng(0).random((9, 6)), ["a", "b", "c"] * 3
    fitted = SoftmaxRegression().fit(X, y)
    with pytest.raises(DataError, match=r"image_shape=\(rows, columns\)"):
        DigitReader.from_estimator(fitted)
    assert DigitReader.from_estimator(fitted, image_shape=(2, 3)).predict(X).tolist() == fitted.predict(X).tolist()


# ------------------------------------------------------------------------------------------------- images


def test_one_image_may_have_any_usual_shape(reader, rows):
    flat = rows.X_test[0] / 255
    forms = [flat, flat[None], flat.reshape(28, 28), rows.X_test[0]]
    for image in forms:
        np.testing.assert_array_equal(explain(reader, image).z, explain(reader, forms[0]).z)
        np.testing.assert_array_equal(reader.explain(image).frame, flat.reshape(28, 28))
        np.testing.assert_array_equal(reader.predict_proba(image), reader.predict_proba(flat))
    assert reader.predict_proba(flat).shape == (1, 3)
    assert flip(reader, flat).ink_changed == reader.flip(flat.reshape(28, 28)).ink_changed
    assert reader.read(flat)[0].probabilities == reader.read(flat.reshape(28, 28))[0].probabilities


def test_many_images_may_be_rows_or_pictures(reader, rows, clf):
    X = rows.X_test / 255
    for frames in (X, X.reshape(-1, 28, 28), rows.X_test, rows.X_test.reshape(-1, 28, 28)):
        np.testing.assert_allclose(reader.predict_proba(frames), clf.predict_proba(X), atol=1e-12)
    strokes = DigitReader.shipped()
    np.testing.assert_array_equal(strokes.predict_proba(X), strokes.predict_proba(X.reshape(-1, 28, 28)))
    assert reader.score(rows.X_test, rows.y_test) == clf.score(X, rows.y_test)
    for frames in (X[:3], rows.X_test[:3]):
        radii = robustness(reader, frames).boxed["l1"]
        np.testing.assert_array_equal(radii, robustness(reader, X[:3].reshape(-1, 28, 28)).boxed["l1"])


@pytest.mark.parametrize("shape", [(783,), (27, 28), (2, 27, 28), (2, 783), (1, 1, 28, 28)])
def test_other_shapes_are_one_clear_error(reader, shape):
    with pytest.raises(DataError, match=r"expected frames of 28 x 28 pixels.*got \("):
        reader.predict(np.zeros(shape))


def test_bytes_of_one_picture_are_no_frame_since_paper_may_be_white(reader, rows):
    with pytest.raises(DataError, match="divide"):
        reader.explain(rows.X_test[0].reshape(28, 28))


def test_methods_of_a_reader_are_the_functions(reader, photo):
    np.testing.assert_array_equal(reader.explain(photo).z, explain(reader, photo).z)
    np.testing.assert_array_equal(reader.flip(photo, "8").flipped, flip(reader, photo, "8").flipped)
    assert reader.flip(photo, norm="energy", margin=0.5).margin >= 0.5


# ------------------------------------------------------------------------------------------------- data


def test_only_keeps_the_images_of_some_labels_in_order():
    digits = load_dataset()
    pair = digits.only("6", 5)
    kept = np.isin(digits.y, ["5", "6"])
    np.testing.assert_array_equal(pair.X, digits.X[kept])
    assert pair.y.tolist() == digits.y[kept].tolist()
    assert pair.image_shape == digits.image_shape
    assert pair.split(train=0.5, test=0.5, seed=1).image_shape == (28, 28)


def test_only_keeps_the_halves_of_the_source():
    X = np.arange(6, dtype=np.uint8)[:, None]
    data = Dataset(X, np.array(list("abcabc")), (1, 1), "six", n_train=4).only("a", "c")
    assert data.subset("train").X.ravel().tolist() == [0, 2, 3]
    assert data.subset("test").X.ravel().tolist() == [5]


@pytest.mark.parametrize("labels", [(), ("5", "x")])
def test_only_names_the_labels_that_there_are(labels):
    with pytest.raises(ParameterError, match="expected labels of embedded"):
        load_dataset().only(*labels)


# ------------------------------------------------------------------------------------------------- names of columns


def test_names_of_columns_are_kept_and_used():
    pyarrow = pytest.importorskip("pyarrow")
    X = np.random.default_rng(0).normal(size=(60, 2)) * [1.0, 1e-30]
    y = np.where(X[:, 1] > 0, "yes", "no")
    with pytest.warns(ScaleWarning, match=r"column 'weight' tells classes apart, but in values so small"):
        model = SoftmaxRegression(binary="softmax").fit(pyarrow.table({"height": X[:, 0], "weight": X[:, 1]}), y)
    assert model.feature_names_in_.tolist() == ["height", "weight"]
    table = model.named_coefficients()
    assert list(table) == ["no", "yes"]
    assert table["yes"] == dict(zip(["height", "weight"], model.coef_[1], strict=True))
    assert "height" in model._repr_html_()
    with pytest.warns(ScaleWarning, match=r"column 1 \(counted from 0\) tells"):
        plain = SoftmaxRegression().fit(X, y)
    assert list(plain.named_coefficients()) == ["yes"]  # one row of two classes speaks for the second
    assert list(plain.named_coefficients()["yes"]) == ["x0", "x1"]


def test_the_warning_of_separated_classes_is_short_and_names_its_page():
    from sklearn.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="How a fit ends") as told:
        SoftmaxRegression(C=np.inf).fit([[0.0], [1.0]], ["a", "b"])
    assert len(str(told[0].message)) < 200


# ------------------------------------------------------------------------------------------------- displays


@pytest.fixture(scope="module")
def made(rows, clf, reader, photo):
    """Every display from what a person has."""
    X, y, frame = rows.X_train / 255, rows.y_train, rows.X_test[0] / 255
    reading = reader.read(photo)[0]
    votes = Voters(reader, rows.X_train, y, C=0.1).votes(frame)
    folds = out_of_fold(reader, Rows.of(X), y, estimator=SoftmaxRegression(C=0.1, tol=1e-2), folds=2)
    errors = LabelErrors(reader.classes, np.searchsorted(reader.classes, y), folds.proba)
    loose = SoftmaxRegression(C=0.1, tol=0.3).fit(X, y)
    images = rows.X_train.reshape(-1, 28, 28)
    return {
        "maps of an estimator": CoefficientMapsDisplay.from_estimator(clf),
        "maps of a reader": CoefficientMapsDisplay.from_estimator(reader),
        "maps with a split": CoefficientMapsDisplay.from_estimator(clf, image_shape=rows),
        "tolerance": ToleranceDisplay.from_estimators({"loose": loose, "tight": clf}),
        "evidence": EvidenceDisplay.from_photo(reader, photo),
        "by hand": ByHandDisplay.from_photo(reader, frame, true="3"),
        "bars of a photo": ProbabilityBarsDisplay.from_photo(reader, photo),
        "bars of a reading": ProbabilityBarsDisplay.from_reading(reading, true="3"),
        "reasons": ReasonsDisplay.from_photo(reader, frame),
        "flip": FlipDisplay.from_photo(reader, frame, "8"),
        "steps": RecipeStepsDisplay.from_photo(reader, photo),
        "steps of a reading": RecipeStepsDisplay.from_reading(reading),
        "votes": VotesDisplay.from_votes(votes, frame.reshape(28, 28), rows.X_train, y, most=3),
        "label errors": LabelErrorsDisplay.from_label_errors(errors, folds, images, rows=rows.train_index, most=3),
        "cell": ConfusionCellDisplay.from_reader(reader, rows.X_train, y, true="3", answer="3", most=3),
        "empty cell": ConfusionCellDisplay.from_reader(reader, rows.X_train[:0], y[:0], true="3", answer="5"),
        "counts": ConfusionMatrixDisplay.from_evaluation(Evaluation.from_estimator(reader, rows.X_test, rows.y_test)),
        "mistakes of a reader": MisclassifiedDisplay.from_estimator(reader, rows.X_test / 255, rows.y_test),
        "path": PathDisplay.from_path(softmax_path(X, y, Cs=3)),
    }


def test_displays_are_made_from_what_a_person_has(made):
    for display in made.values():
        assert display.plot().alt


def test_every_display_has_a_way_to_be_made():
    import inklens.displays as room

    for name in room.__all__:
        if name.endswith("Display") and name != "Display":
            kind = getattr(room, name)
            own = {way for base in kind.__mro__[:-1] for way in vars(base) if way.startswith("from_")}
            assert issubclass(kind, Display)
            assert own, name


def test_what_displays_took_is_what_the_models_say(made, rows, clf, reader, photo):
    X, frame = rows.X_train / 255, rows.X_test[0] / 255
    maps = clf.coef_.reshape(-1, 28, 28)
    for name in ("maps of an estimator", "maps of a reader", "maps with a split"):
        np.testing.assert_array_equal(made[name].coef, maps)
    assert made["tolerance"].objectives["tight"] == clf.objective_
    assert made["tolerance"].lower_bounds["loose"] <= clf.objective_
    reading = reader.read(photo)[0]
    np.testing.assert_array_equal(made["evidence"].image, reading.frame)
    for name in ("bars of a photo", "bars of a reading"):
        np.testing.assert_allclose(made[name].proba, list(reading.probabilities.values()))
    assert made["steps"].answers[-1].startswith(reading.label)
    assert made["steps of a reading"].answers == [None] * len(reading.steps)
    assert made["flip"].answers[1] == "8"
    assert made["flip"].cost == flip(reader, frame, "8").cost
    total = made["votes"].shares["total"]
    assert total == pytest.approx(float(explain(reader, frame).z.max()))
    pred, true = clf.predict(X), rows.y_train
    assert made["cell"].n_images == int(((true == "3") & (pred == "3")).sum())
    assert made["cell"].against != "3"
    assert made["empty cell"].n_images == 0
    assert np.trace(made["counts"].counts) == int((clf.predict(rows.X_test / 255) == rows.y_test).sum())
    given = dict(zip(rows.train_index.tolist(), rows.y_train.tolist(), strict=True))
    assert [given[row] for row in made["label errors"].rows] == made["label errors"].given


def test_displays_know_the_size_of_a_reader_s_images():
    X, y = np.random.default_rng(0).random((9, 16)), ["a", "b", "c"] * 3
    fitted = SoftmaxRegression().fit(X, y)
    reader = DigitReader.from_estimator(fitted, image_shape=(2, 8))
    assert CoefficientMapsDisplay.from_estimator(reader).coef.shape == (3, 2, 8)
    assert EvidenceDisplay.from_photo(reader, X[0]).image.shape == (2, 8)
    assert CoefficientMapsDisplay.from_estimator(fitted).coef.shape == (3, 4, 4)
    assert CoefficientMapsDisplay.from_estimator(fitted, image_shape=reader).coef.shape == (3, 2, 8)


def test_a_cell_is_the_one_that_the_command_opens(rows, reader, made):
    """Mean evidence of the images that are read right, against the class that comes second on average."""
    frames = rows.X_train[(rows.y_train == "3") & (reader.predict(rows.X_train) == "3")] / 255
    evidence = [explain(reader, frame) for frame in frames]
    against = made["cell"].against
    assert made["cell"].log_odds == pytest.approx(np.mean([why.log_odds("3", against) for why in evidence]))
    means = [why.probabilities for why in evidence]
    assert against == max("58", key=dict(zip(reader.classes, np.mean(means, axis=0), strict=True)).get)
