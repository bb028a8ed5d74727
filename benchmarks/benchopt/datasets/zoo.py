from benchmark_utils import zoo
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """Tables of twenty-one kinds, made by seeds or shipped with scikit-learn; `place` counts the shapes of a kind."""

    name = "zoo"
    requirements = ["numpy", "scipy", "scikit-learn"]
    parameters = {
        "kind, place": [(kind, place) for kind, recipe in zoo.KINDS.items() for place in range(len(recipe.shapes))],
        "seed": list(zoo.SEEDS),
    }

    def get_data(self):
        table = zoo.made(self.kind, zoo.KINDS[self.kind].shapes[self.place], self.seed)
        return {"X": table.X, "y": table.y, "weights": table.weights}
