"""Rows that live on Dask workers, behind the face of `Rows`.

A data set is cut into runs of rows, the *shards*, whatever the cluster. Each lies on one worker as `Rows` of its own.
What the driver asks is sent once to every worker (`recipes.py`), answered there for all its shards (`keeper.py`), and
added up along one fixed tree over the shards (`tree.py`): so sums have the same bits on one worker or ten, and after
any of them was lost. The driver owns recovery (`shards.py`): a call that is late, or whose worker is gone, is asked
again of another worker, which reads the shard anew from its source (`sources.py`).

Scores, probabilities and dual directions stay with their rows: what the driver holds of them is a recipe and a name.
"""
