"""The backend of the C library (`c/*.c`)."""

from inklens.linear.kernels import library
from inklens.linear.kernels.compiled_matrices import CompiledMatrices
from inklens.linear.kernels.compiled_packing import CompiledPacking
from inklens.linear.kernels.compiled_passes import CompiledColumns, CompiledPasses, CompiledVisitor
from inklens.linear.kernels.compiled_rounds import CompiledRounds
from inklens.linear.kernels.compiled_simplex import CompiledSimplex


class Compiled(CompiledPasses, CompiledPacking, CompiledMatrices, CompiledSimplex):
    """A `Backend` on the C library; it has no state."""

    visitor = CompiledVisitor()
    column_visitor = CompiledColumns()
    rounds = CompiledRounds()

    @property
    def name(self) -> str:
        return library.active()
