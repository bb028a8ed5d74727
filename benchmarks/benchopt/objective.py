import numpy as np
from benchmark_utils import referee
from benchopt import BaseObjective


class Objective(BaseObjective):
    """C * sum_i s_i [log sum_k exp(z_ik) - z_i,y_i] + penalty(W), z_i = W x_i + b; the intercept b is not penalised.

    W has a row for each class, for two classes as well, and counts as it is returned: `value` is the objective, and
    `gauge` what shifting all rows by one vector would save, which is 0 at an optimum.
    """

    name = "Multinomial logistic regression"
    min_benchopt_version = "1.10"
    requirements = ["numpy", "scipy"]
    parameters = {"penalty": ["l2", "l1", "elasticnet", "group"], "C": [1.0]}
    sampling_strategy = "tolerance"
    test_config = {"penalty": "l2", "dataset": {"kind": "shipped", "place": 0, "seed": 0}}

    def set_data(self, X, y, weights):
        self.X, self.y, self.weights = X, y, weights

    def evaluate_result(self, coef, intercept):
        value = referee.objective(coef, intercept, self.X, self.y, penalty=self.penalty, C=self.C, weights=self.weights)
        return {"value": value, "gauge": referee.gauge_excess(coef, penalty=self.penalty)}

    def get_one_result(self):
        n_classes = int(self.y.max()) + 1
        return {"coef": np.zeros((n_classes, self.X.shape[1])), "intercept": np.zeros(n_classes)}

    def get_objective(self):
        return {"X": self.X, "y": self.y, "weights": self.weights, "penalty": self.penalty, "C": self.C}
