"""A model as an ONNX file: frames in, labels and probabilities out, with plain operators of opset 13 only.

All arithmetic is in float64, as here, so that decisions are the same; deskewing and strokes are written with the
formulas of `inklens.photos.features`.

Shapes: frames (N, rows, cols), scores (N, n_classes).
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from inklens import __version__
from inklens.errors import require
from inklens.exports.model import ExportedModel
from inklens.model.scaling import PIXEL_SCALE
from inklens.model.summary import summary
from inklens.photos import features as F

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET, IR_VERSION = 13, 8  # of 2020 and 2021: what runtimes of today read
INPUT = {
    False: "float32 (N, rows, cols): ink from 0 (paper) to 1",
    True: "uint8 (N, rows, cols): ink from 0 (paper) to 255",
}


def onnx_bytes(model: ExportedModel, *, uint8: bool = False) -> bytes:
    """Return the file's bytes; the same model gives the same bytes.

    Parameters
    ----------
    uint8 : bool
        Whether the graph takes ink from 0 to 255, and divides it by 255 itself.

    Raises
    ------
    MissingPackageError
        onnx is not installed.
    """
    require("onnx", extra="onnx")
    return bytes(_onnx_model(model, uint8=uint8).SerializeToString(deterministic=True))


def _onnx_model(model: ExportedModel, *, uint8: bool) -> "ModelProto":
    from onnx import TensorProto, helper

    graph = Graph()
    given = graph.value("frames")
    ink = given.cast(TensorProto.DOUBLE) / PIXEL_SCALE if uint8 else given.cast(TensorProto.DOUBLE)
    z = graph.op("Gemm", FEATURES[model.features](ink), model.coef, model.intercept, transB=1)
    best = graph.op("ArgMax", z, axis=1, keepdims=0)
    graph.op("Gather", np.array(model.classes, dtype=object), best, axis=0, output="label")
    graph.op("Cast", graph.op("Softmax", z, axis=1), to=TensorProto.FLOAT, output="probabilities")
    kind = TensorProto.UINT8 if uint8 else TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        "inklens",
        [helper.make_tensor_value_info("frames", kind, ["N", *model.image_shape], INPUT[uint8])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["N"], "the most probable class"),
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["N", len(model.classes)], "in the order of metadata classes"
            ),
        ],
        graph.constants,
    )
    proto = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="inklens",
        producer_version=__version__,
        doc_string=model._card().title,
    )
    helper.set_model_props(proto, _properties(model, uint8=uint8))
    return proto


def _properties(model: ExportedModel, *, uint8: bool) -> dict[str, str]:
    """Return what the file says of the model; all but the input's description is JSON."""
    said = {
        "classes": list(model.classes),
        "image_shape": list(model.image_shape),
        "features": model.features,
        **summary(model),
    }
    return {"input": INPUT[uint8], **{name: json.dumps(value, ensure_ascii=False) for name, value in said.items()}}


# ------------------------------------------------------------------------------------------------- formulas


@dataclass
class Graph:
    """Operators and constants, as they are asked for."""

    nodes: "list[NodeProto]" = field(default_factory=list)
    constants: "list[TensorProto]" = field(default_factory=list)

    def value(self, name: str) -> "Value":
        """Return what an input or an operator is called."""
        return Value(self, name)

    def op(self, kind: str, *inputs: "Operand", output: str | None = None, **attributes: int | list[int]) -> "Value":
        """Add an operator; numbers and arrays become constants, reals in float64."""
        from onnx import helper

        name = output or f"{kind.lower()}_{len(self.nodes)}"
        names = [given.name if isinstance(given, Value) else self._constant(given) for given in inputs]
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))  # type: ignore[arg-type]
        return Value(self, name)

    def _constant(self, values: "float | list[int] | np.ndarray") -> str:
        from onnx import numpy_helper

        array = np.asarray(values)
        array = array.astype(np.float64) if array.dtype.kind == "f" else array
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, with NumPy's signs."""

    graph: Graph
    name: str

    def __add__(self, other: "Operand") -> "Value":
        return self.graph.op("Add", self, other)

    def __sub__(self, other: "Operand") -> "Value":
        return self.graph.op("Sub", self, other)

    def __mul__(self, other: "Operand") -> "Value":
        return self.graph.op("Mul", self, other)

    def __truediv__(self, other: "Operand") -> "Value":
        return self.graph.op("Div", self, other)

    def __matmul__(self, other: "Operand") -> "Value":
        return self.graph.op("MatMul", self, other)

    def cast(self, kind: int) -> "Value":
        """Return it in another type of `onnx.TensorProto`."""
        return self.graph.op("Cast", self, to=kind)

    def sum(self, axis: int) -> "Value":
        """Return sums along an axis, which is dropped."""
        return self.graph.op("ReduceSum", self, [axis], keepdims=0)

    def at_least(self, least: float) -> "Value":
        """Return the larger of it and a number."""
        return self.graph.op("Max", self, least)

    def between(self, least: float, most: float) -> "Value":
        """Return it clipped."""
        return self.graph.op("Clip", self, least, most)

    def new_axis(self, axis: int) -> "Value":
        """Return it with an axis of length 1."""
        return self.graph.op("Unsqueeze", self, [axis])

    def flat(self) -> "Value":
        """Return one row for each frame."""
        return self.graph.op("Flatten", self, axis=1)


Operand = Value | float | list[int] | np.ndarray


def _pixels(ink: Value) -> Value:
    return ink.flat()


def _upright(ink: Value) -> Value:
    return _deskewed(ink).flat()


def _strokes(ink: Value) -> Value:
    """As `inklens.photos.features.strokes`."""
    op, maps = ink.graph.op, _edge_maps(_deskewed(ink))
    parts = [op("Pow", op("MatMul", window, maps) @ window.T, 1 / 3).flat() for window in F.stroke_windows()]
    rows = op("Concat", *parts, axis=1)
    size = op("Sqrt", op("ReduceMean", rows * rows, axes=[1], keepdims=1))
    return rows / (size + 1e-3)


def _deskewed(ink: Value) -> Value:
    """As `inklens.photos.features.deskew`."""
    from onnx import TensorProto

    op, at = ink.graph.op, np.arange(float(F.SIDE))
    frames = ink.cast(TensorProto.FLOAT).cast(TensorProto.DOUBLE)  # features are computed from single precision
    column = at[:, None]
    by_row, by_col = frames.sum(2), frames.sum(1)  # (N, 28)
    mass = op("ReduceSum", by_row, [1], keepdims=1).at_least(1e-6)  # (N, 1), as all moments
    row, col = by_row @ column / mass, by_col @ column / mass
    row_variance = (by_row @ column**2 / mass - row * row).at_least(0.1)
    covariance = (frames @ at) @ column / mass - row * col
    slant = covariance / row_variance
    col_variance = (by_col @ column**2 / mass - col * col - slant * covariance).at_least(0.1)
    row_step = (op("Sqrt", row_variance) / F.ROW_SPREAD).between(1 / F.MAX_SCALE, F.MAX_SCALE)
    col_step = (op("Sqrt", col_variance) / F.COL_SPREAD).between(1 / F.MAX_SCALE, F.MAX_SCALE)
    rise = row_step * (at - F.CENTRE)  # (N, 28)
    source = (col + col_step * (at - F.CENTRE)).new_axis(1) + (slant * rise).new_axis(2)  # (N, 28, 28)
    distance = op("Abs", (row + rise).new_axis(2) - at)
    rows = op("Sub", 1.0, distance).at_least(0.0) @ frames
    low = op("Floor", source)
    share = source - low
    index = (low + 1.0).between(0.0, F.SIDE + 1.0).cast(TensorProto.INT64)
    padded = op("Pad", rows, [0, 0, 1, 0, 0, 2])  # a blank column before and two after
    left = op("GatherElements", padded, index, axis=2)
    right = op("GatherElements", padded, op("Add", index, [1]), axis=2)
    return left + share * (right - left)


def _edge_maps(frames: Value) -> Value:
    """As `inklens.photos.features.edge_maps`: Sobel's gradients by (1, 2, 1) and (-1, 0, 1), (N, 8, 28, 28)."""
    op, near = frames.graph.op, np.eye(F.SIDE, k=1)
    smooth, slope = near + near.T + 2 * np.eye(F.SIDE), (near - near.T) / 4
    across, down = op("MatMul", smooth, frames) @ slope.T, op("MatMul", slope, frames) @ smooth
    half = F.DIRECTIONS // 2
    angles = (np.arange(half) * np.pi / half)[:, None, None]
    along = across.new_axis(1) * np.cos(angles).astype(np.float32) + down.new_axis(1) * np.sin(angles).astype(
        np.float32
    )
    cube = along * along * along
    return op("Concat", cube.at_least(0.0), op("Neg", cube).at_least(0.0), axis=1)


FEATURES = {"pixels": _pixels, "upright": _upright, "strokes": _strokes}
