"""Rows of some columns alone, where most say nothing: of a hashed text's million, some thousand hold anything."""

import numpy as np

from inklens.linear.kernels.storage import of_columns
from inklens.linear.rows.layouts import StreamedBlock, dense_storage, make_block, sparse_storage
from inklens.linear.rows.rows import AnyBlock, Rows

NARROW_SHARE = 0.5  # of the columns, up to which rows of some are worth a copy


def filled(rows: Rows) -> tuple[np.ndarray, Rows] | None:
    """Return the columns that hold anything (ascending), and the rows of these alone; None as in `narrowed`."""
    return narrowed(rows, (rows.low != 0.0) | (rows.high != 0.0))


def narrowed(rows: Rows, wanted: np.ndarray) -> tuple[np.ndarray, Rows] | None:
    """Return the numbers of the wanted columns, from a mask (n_features,), and the rows of these alone.

    None where most are wanted or none, and for rows that are not sparse, or not in this process's memory.
    """
    if not are_narrowable(rows):
        return None
    columns = np.flatnonzero(wanted)
    if not 0 < len(columns) < NARROW_SHARE * rows.n_features:
        return None
    parts = (of_columns(block.exact, columns).matrix for block in rows.blocks)
    blocks: list[AnyBlock] = [make_block(sparse_storage(part)) for part in parts]
    return columns, Rows(blocks, rows.scale, rows.n_threads)


def few_columns(rows: Rows, columns: np.ndarray) -> Rows:
    """Return a dense copy of some columns (ascending), in float64."""
    values = rows.dense(columns, dtype=np.float64)
    return Rows([make_block(dense_storage(values), rows.n_threads)], n_threads=rows.n_threads)


def are_narrowable(rows: Rows) -> bool:
    """Tell whether rows are sparse and in this process's memory."""
    return bool(rows.blocks) and not any(
        isinstance(block, StreamedBlock) or block.exact.indices is None for block in rows.blocks
    )
