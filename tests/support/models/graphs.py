"""Parts of the ONNX graphs that the tone models share, and the writing of a model with its metadata."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.models.tones import Vocabulary

FLOAT, INT64, INT32 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32
_OPSET, _IR_VERSION = 13, 8  # of 2020, which every runtime reads
# How much more the right token gets than another one: a probability of nearly 1.
_GAIN = 4.0

Node = Any


class Graph:
    """Nodes and constants of a graph that is being built; `add` returns the name of a node's output."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._constants: list[Any] = []

    def constant(self, values: Any) -> str:
        """Return the name of a constant."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node of one output."""
        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def slice(self, source: str, begin: int, end: int, axis: int) -> str:
        """Add a part of a tensor along one axis."""
        begins, ends, axes = (self.constant(np.array([value], np.int64)) for value in (begin, end, axis))
        return self.add("Slice", source, begins, ends, axes)

    def tone_rows(
        self, features: str, bands: Sequence[int], *, frames: int, threshold: float, vocabulary: Vocabulary
    ) -> str:
        """Add the scores of all tokens, `[N, T / frames, V]`, from features `[N, 80, T]`; the blank's is a constant."""
        pooled = self.add("AveragePool", features, kernel_shape=[frames], strides=[frames])
        tones = self.add("Gather", pooled, self.constant(np.array(bands, np.int64)), axis=1)
        any_band = self.add("Gather", pooled, self.constant(np.array([0], np.int64)), axis=1)
        nothing = self.add("Mul", any_band, self.constant(np.float32(0)))
        blank = self.add("Add", nothing, self.constant(np.float32(threshold)))
        order = [blank, tones] if vocabulary.is_blank_first else [tones, blank]
        scores = self.add("Mul", self.add("Concat", *order, axis=1), self.constant(np.float32(_GAIN)))
        return self.add("Transpose", scores, perm=[0, 2, 1])

    def save(
        self,
        path: Path,
        inputs: Sequence[tuple[str, int, Sequence[Any]]],
        outputs: Sequence[tuple[str, int, Sequence[Any]]],
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Write the model; inputs and outputs are names, types and shapes."""
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
