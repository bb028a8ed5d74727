"""Sums over shards along one fixed binary tree, in whatever order and grouping the parts arrive.

Node (level, index) covers the shards from index 2^level on, 2^level of them, or as many as there are.
"""

from typing import TypeAlias

import numpy as np

from inklens.linear.rows.row_arrays import Joins, Tree, merged

Node: TypeAlias = tuple[int, int]
Sums: TypeAlias = dict[Node, Tree]


def add(sums: Sums, node: Node, value: Tree, n_shards: int, by: Joins = np.add) -> None:
    """Add the sum of a node to those that are known; two halves of a node become its sum at once.

    >>> sums = {}
    >>> for shard in (2, 0, 1):
    ...     add(sums, (0, shard), float(shard), n_shards=3)
    >>> sums
    {(2, 0): 3.0}
    """
    level, index = node
    while 1 << level < n_shards:
        other = index ^ 1
        if other << level < n_shards:  # else there is no other half
            if (level, other) not in sums:
                break
            rest = sums.pop((level, other))
            value = merged(value, rest, by) if index < other else merged(rest, value, by)
        level, index = level + 1, index // 2
    sums[level, index] = value


def root(n_shards: int) -> Node:
    """Return the node that covers all shards.

    >>> root(1), root(3), root(16)
    ((0, 0), (2, 0), (4, 0))
    """
    return (n_shards - 1).bit_length(), 0


def shards_of(node: Node, n_shards: int) -> range:
    """Return the shards that a node covers."""
    level, index = node
    return range(index << level, min((index + 1) << level, n_shards))
