"""The estimator contract: scikit-learn's own checks, and the fit against independent optima."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from inklens import SoftmaxRegression


@parametrize_with_checks([SoftmaxRegression()])
def test_estimator_contract(estimator, check):
    check(estimator)
