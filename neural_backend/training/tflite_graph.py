"""Read a float TFLite model into a plain op list and its constants, for `perception.graph.GraphNet`.

Float16 constants stay float16 (the runtime widens them), so the conversion loses nothing; shapes, axes and paddings
that TFLite stores as small constant tensors become attributes of their op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CUSTOM_TRANSPOSE = "Convolution2DTransposeBias"  # MediaPipe's own op in the segmentation model


def read_tflite(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Parse one model.

    Args:
        data: the .tflite file.

    Returns:
        graph: {"inputs": [id], "outputs": [id], "shapes": {id: input shape}, "ops": [{"op", "in", "out", ...}]}.
        constants: {str(id): array} that the ops' "in" refer to.

    Raises:
        NotImplementedError: an op or option that these networks do not use.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    constants = _constants(model, graph, schema)
    ops: list[dict[str, Any]] = []
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        code = model.OperatorCodes(op.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(j) for j in op.InputsAsNumpy()]
        out = int(op.OutputsAsNumpy()[0])
        if name == "DEQUANTIZE" and inputs[0] in constants:
            constants[out] = constants[inputs[0]]  # float16 -> float32 of a constant: the runtime widens at load
            continue
        if name == "CUSTOM":
            if code.CustomCode().decode() != CUSTOM_TRANSPOSE:
                raise NotImplementedError(code.CustomCode())
            name = "TRANSPOSE_CONV_BIAS"
        ops.append({"op": name.lower(), "out": out, **_attributes(name, op, inputs, constants, schema)})
    used = {j for op in ops for j in op["in"]}
    kept = {str(j): value for j, value in constants.items() if j in used}
    ends = [[int(j) for j in side] for side in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())]
    shapes = {str(j): graph.Tensors(j).ShapeAsNumpy().tolist() for j in ends[0]}
    return {"inputs": ends[0], "outputs": ends[1], "shapes": shapes, "ops": ops}, kept


def _constants(model: Any, graph: Any, schema: Any) -> dict[int, np.ndarray]:
    kinds = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT32: np.int32,
        schema.TensorType.INT64: np.int64,
    }
    constants = {}
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        buffer = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if not isinstance(buffer, int) and len(buffer):
            shape = tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
            constants[i] = np.frombuffer(buffer.tobytes(), kinds[tensor.Type()]).reshape(shape).copy()
    return constants


def _attributes(name: str, op: Any, inputs: list[int], constants: dict[int, np.ndarray], schema: Any) -> dict[str, Any]:
    """The op's inputs and options in JSON terms."""

    def options(kind: str) -> Any:
        table = getattr(schema, kind)()
        raw = op.BuiltinOptions()
        table.Init(raw.Bytes, raw.Pos)
        return table

    def fixed(i: int) -> list[int]:
        return constants[inputs[i]].astype(int).ravel().tolist()

    def activation(table: Any) -> dict[str, str]:
        kind = {0: None, 1: "relu", 3: "relu6"}[table.FusedActivationFunction()]
        return {"activation": kind} if kind else {}

    def same(table: Any) -> bool:
        return table.Padding() == schema.Padding.SAME

    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        table = options("Conv2DOptions" if name == "CONV_2D" else "DepthwiseConv2DOptions")
        return {
            "in": inputs,
            "stride": [table.StrideH(), table.StrideW()],
            "dilation": [table.DilationHFactor(), table.DilationWFactor()],
            "same": same(table),
            **activation(table),
        }
    if name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        table = options("Pool2DOptions")
        return {
            "in": inputs,
            "kernel": [table.FilterHeight(), table.FilterWidth()],
            "stride": [table.StrideH(), table.StrideW()],
            "same": same(table),
        }
    if name in ("ADD", "MUL", "SUB", "DIV"):
        return {"in": inputs, **activation(options(f"{name.capitalize()}Options"))}
    if name in ("MEAN", "SUM"):
        return {"in": inputs[:1], "axes": fixed(1), "keep": bool(options("ReducerOptions").KeepDims())}
    if name == "TRANSPOSE":
        return {"in": inputs[:1], "order": fixed(1)}
    if name == "RESHAPE":
        shape = fixed(1) if len(inputs) > 1 else options("ReshapeOptions").NewShapeAsNumpy().tolist()
        return {"in": inputs[:1], "shape": shape}
    if name == "PAD":
        return {"in": inputs[:1], "pads": fixed(1)}
    if name == "CONCATENATION":
        return {"in": inputs, "axis": options("ConcatenationOptions").Axis()}
    if name == "RESIZE_BILINEAR":
        table = options("ResizeBilinearOptions")
        if table.AlignCorners() or not table.HalfPixelCenters():
            raise NotImplementedError("only half-pixel bilinear resizing")
        return {"in": inputs[:1], "size": fixed(1)}
    if name == "STRIDED_SLICE":
        return {"in": inputs[:1], "slices": _slices(options("StridedSliceOptions"), *(fixed(i) for i in (1, 2, 3)))}
    if name == "TRANSPOSE_CONV_BIAS":
        return {"in": inputs, "stride": [2, 2]}  # padding, stride h, stride w are the custom bytes 1, 2, 2
    if name in ("RELU", "PRELU", "LOGISTIC", "HARD_SWISH", "SQRT", "RSQRT", "NEG", "SQUARED_DIFFERENCE"):
        return {"in": inputs}
    raise NotImplementedError(name)


def _slices(table: Any, begin: list[int], end: list[int], stride: list[int]) -> list[int | list[int | None]]:
    """Per axis an index, or [start, stop, step] with None for an open end."""
    result: list[int | list[int | None]] = []
    for axis, (first, last, step) in enumerate(zip(begin, end, stride, strict=True)):
        if table.ShrinkAxisMask() >> axis & 1:
            result.append(first)
        else:
            start = None if table.BeginMask() >> axis & 1 else first
            stop = None if table.EndMask() >> axis & 1 else last
            result.append([start, stop, step])
    return result
