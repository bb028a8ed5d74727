"""Columns that hold anything, where most hold nothing: of a hashed text's million, some thousand do."""

import numpy as np

from inklens.linear.kernels.storage import of_columns
from inklens.linear.rows.layouts import StreamedBlock, make_block, sparse_storage
from inklens.linear.rows.rows import AnyBlock, Rows

FILLED_SHARE = 0.5  # of the columns, up to which rows of those that hold anything are worth a copy


def filled(rows: Rows) -> tuple[np.ndarray, Rows] | None:
    """Return the columns that hold anything (ascending), and the rows of these alone.

    None where most hold something, and for rows that are not sparse, or not in this process's memory.
    """
    if not rows.blocks or any(isinstance(block, StreamedBlock) or block.exact.indices is None for block in rows.blocks):
        return None
    columns = np.flatnonzero((rows.low != 0.0) | (rows.high != 0.0))
    if not 0 < len(columns) < FILLED_SHARE * rows.n_features:
        return None
    parts = (of_columns(block.exact, columns).matrix for block in rows.blocks)
    blocks: list[AnyBlock] = [make_block(sparse_storage(part)) for part in parts]
    return columns, Rows(blocks, rows.scale, rows.n_threads)
