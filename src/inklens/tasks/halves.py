"""Training and test rows as a linear model is fed, the training rows here or on the workers of a cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inklens.datasets import Split
from inklens.errors import ParameterError
from inklens.linear.blas import default_threads
from inklens.linear.rows.rows import Rows
from inklens.model.scaling import MinMax
from inklens.tasks.model_rows import feature_values

if TYPE_CHECKING:
    from distributed import Client

    from inklens.linear.rows.remote.remote_rows import RemoteRows

MOST_PARTS = 16  # in which rows go to workers, however many these are: sums over parts are what a fit depends on


@dataclass(frozen=True, eq=False)
class Halves:
    """Features and labels of the two halves, and how pixels were stretched for them, if they were."""

    X_train: Rows
    y_train: np.ndarray
    X_test: Rows
    y_test: np.ndarray
    stretch: MinMax | None = None
    far: "RemoteRows | None" = None  # the training rows, where they are on workers

    @classmethod
    def of(
        cls,
        rows: Split,
        *,
        features: str,
        image_shape: tuple[int, int],
        scale: str,
        client: "Client | None" = None,
    ) -> "Halves":
        """Make the features of both halves, and send those of the training rows to a client's workers, if there is one.

        Raises
        ------
        ParameterError
            An unknown scale, or features that are not made of these pictures.
        ClusterError
            The workers are lost, or have too little memory.
        """
        stretch = None
        if scale == "255":
            train, test = (
                feature_values(X, features=features, image_shape=image_shape) for X in (rows.X_train, rows.X_test)
            )
        elif scale == "min-max" and features == "pixels":
            stretch = MinMax.of(rows.X_train)
            train, test = ((stretch.transform(X), 1.0) for X in (rows.X_train, rows.X_test))
        else:
            raise ParameterError(
                f"expected the scale 255, or min-max with the features pixels, got {scale!r} with {features!r}"
            )
        far = None if client is None else sent(*train, client)
        near = Rows.of(train[0], scale=train[1]) if far is None else far
        return cls(near, rows.y_train, Rows.of(test[0], scale=test[1]), rows.y_test, stretch, far)

    def close(self) -> None:
        """Give the workers' memory back."""
        if self.far is not None:
            self.far.close()


def sent(X: np.ndarray, scale: float, client: "Client") -> "RemoteRows":
    """Return rows that were sent to workers, in the type that they have here.

    This process keeps them: where a worker is lost, its parts are sent again.
    """
    from dask import delayed

    from inklens.linear.rows.remote.remote_rows import RemoteRows

    parts = np.array_split(X, min(len(X), MOST_PARTS))
    return RemoteRows.on_workers(
        [delayed(part) for part in parts], client=client, scale=scale, n_threads=default_threads()
    )
