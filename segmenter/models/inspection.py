"""Inspects a network: its layers, the cost of one prediction, and its receptive field."""

import importlib.util
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf
from keras import layers

from pipeline.files import replacing, write_csv, write_text
from segmenter.models.sharp_unet import Sharpen

LAYER_COLUMNS = ("layer", "type", "output_shape", "parameters", "multiply_accumulates")
# Layers in which a pixel of the output comes from the same pixel of the inputs, or from a channel's mean (normalisation).
_POINTWISE = (
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.Add,
    layers.Multiply,
    layers.Subtract,
    layers.Concatenate,
    layers.Rescaling,
    layers.Normalization,
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.Dropout,
    layers.Dense,
    layers.ZeroPadding2D,
    layers.Cropping2D,
)
_PLAIN_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
_CONVOLUTIONS = (*_PLAIN_CONVOLUTIONS, layers.SeparableConv2D)
_POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)


def inspect_model(model: keras.Model, folder: Path) -> dict[str, object]:
    """Writes `summary.txt`, `layers.csv` and, where graphviz and pydot are installed, `model.png`.

    Returns:
      Values by name: parameters, trainable parameters, multiply-accumulates of one image, receptive field in pixels.
    """
    costs = count_multiply_accumulates(model)
    lines: list[str] = []
    model.summary(line_length=120, print_fn=lambda line, **_: lines.append(line))
    write_text(folder / "summary.txt", "\n".join(lines) + "\n")
    write_csv(folder / "layers.csv", LAYER_COLUMNS, list_layers(model, costs))
    _draw(model, folder / "model.png")
    field = find_receptive_field(model)
    return {
        "parameters": model.count_params(),
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "layers": len(model.layers),
        "multiply_accumulates": sum(costs.values()),
        "receptive_field_px": "all" if field is None else field,
    }


def list_layers(model: keras.Model, costs: Mapping[str, int]) -> list[dict[str, object]]:
    """One row of `layers.csv` per layer, in the model's order."""
    return [
        {
            "layer": layer.name,
            "type": type(layer).__name__,
            "output_shape": " x ".join("?" if size is None else str(size) for size in _first(layer.output).shape),
            "parameters": layer.count_params() if layer.built else 0,
            "multiply_accumulates": costs.get(layer.name, 0),
        }
        for layer in model.layers
    ]


def count_multiply_accumulates(model: keras.Model) -> dict[str, int]:
    """Counts the multiply-accumulates of one image's prediction by layer: convolutions and matrix products.

    Plain convolutions are counted by their shapes, everything else in the graph that TensorFlow runs, so that layers of any
    type are included.
    """
    shape = (1, *model.inputs[0].shape[1:])
    traced = tf.function(lambda pixels: model(pixels, training=False)).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    names = {layer.name for layer in model.layers}
    costs: dict[str, int] = {}
    for operation in traced.graph.get_operations():
        if cost := _cost(operation):
            # Scopes look like Model_1/layer_1/convolution; Keras appends the numbers.
            scopes = operation.name.split("/")
            layer = next((name for scope in scopes for name in (scope, scope.rpartition("_")[0]) if name in names), scopes[0])
            costs[layer] = costs.get(layer, 0) + cost
    # TensorFlow may run a dilated convolution on a padded copy, whose padding does not belong to the network.
    return costs | {layer.name: _convolution_cost(layer) for layer in model.layers if isinstance(layer, _PLAIN_CONVOLUTIONS)}


def _convolution_cost(layer: layers.Conv2D | layers.DepthwiseConv2D) -> int:
    height, width = layer.output.shape[1:3]
    return height * width * math.prod(layer.kernel.shape)


def _cost(operation: tf.Operation) -> int:
    if operation.type in ("Conv2D", "DepthwiseConv2dNative"):
        output, kernel = operation.outputs[0].shape, operation.inputs[1].shape
        return math.prod(output) * math.prod(kernel[:3] if operation.type == "Conv2D" else kernel[:2])
    if operation.type == "Conv2DBackpropInput":  # a transposed convolution: each input pixel meets the whole kernel
        kernel, pixels = operation.inputs[1].shape, operation.inputs[2].shape
        return math.prod(pixels) * math.prod(kernel[:3])
    if operation.type in ("MatMul", "BatchMatMulV2"):
        transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        left = operation.inputs[0].shape
        return math.prod(operation.outputs[0].shape) * left[-2 if transposed else -1]
    if operation.type == "Einsum":
        terms = operation.get_attr("equation").decode().split("->")[0].split(",")
        pairs = zip(terms, operation.inputs, strict=True)
        sizes = {letter: size for term, tensor in pairs for letter, size in zip(term, tensor.shape, strict=True)}
        return math.prod(sizes.values())
    return 0


def find_receptive_field(model: keras.Model) -> int | None:
    """Side of the square of input pixels that one output pixel can depend on, or None for all, however large the image.

    It follows kernels, strides and dilations from input to output, and takes the widest where branches join; statistics
    of normalisation do not count. A layer that joins distant pixels (attention, pooling of the whole image) reaches all.

    Source: A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.
    """
    reach: dict[int, tuple[float, float]] = {}  # tensor: side of the field, and distance between neighbours, in input pixels
    for operation in model.operations:
        inputs, outputs = keras.tree.flatten(operation.input), keras.tree.flatten(operation.output)
        is_start = isinstance(operation, layers.InputLayer)
        field = (1.0, 1.0) if is_start else _widen(operation, [reach[id(tensor)] for tensor in inputs], inputs[0], outputs[0])
        reach |= {id(tensor): field for tensor in outputs}
    side = reach[id(model.outputs[0])][0]
    return None if math.isinf(side) else int(side)


def _widen(operation, fields: list[tuple[float, float]], source, result) -> tuple[float, float]:
    """The field of an operation's output, from those of its inputs; `source` and `result` are its first input and output."""
    side, jump = max(fields)
    if isinstance(operation, _CONVOLUTIONS):
        reach = max((size - 1) * rate for size, rate in zip(operation.kernel_size, operation.dilation_rate, strict=True))
        return side + reach * jump, jump * max(operation.strides)
    if isinstance(operation, Sharpen):
        return side + 2 * jump, jump
    if isinstance(operation, _POOLINGS):
        return side + (max(operation.pool_size) - 1) * jump, jump * max(operation.strides)
    if isinstance(operation, layers.Conv2DTranspose):
        overlap = math.ceil(max(operation.kernel_size) / max(operation.strides)) - 1
        return side + overlap * jump, jump / max(operation.strides)
    if isinstance(operation, layers.UpSampling2D | layers.Resizing):
        nearest = operation.interpolation == "nearest"
        return side + (0 if nearest else jump), jump * source.shape[1] / result.shape[1]
    if type(operation).__name__ == "GaussianBlur":
        return side + (max(operation.kernel_size) - 1) * jump, jump
    same_grid = len(source.shape) == len(result.shape) == 4 and source.shape[1:3] == result.shape[1:3]
    same_pixel = type(operation).__name__ in ("Pad", "GetItem") or (same_grid and not isinstance(operation, keras.Layer))
    return (side, jump) if same_pixel or isinstance(operation, _POINTWISE) else (math.inf, jump)


def _draw(model: keras.Model, path: Path) -> None:
    """Draws the layers and their shapes, if graphviz and pydot are installed."""
    if shutil.which("dot") and importlib.util.find_spec("pydot"):
        graph = keras.utils.model_to_dot(model, show_shapes=True, show_layer_names=True, dpi=60)
        graph.set("splines", "true")  # Keras asks for right angles, with which graphviz fails on hundreds of layers
        with replacing(path) as temporary:
            graph.write(str(temporary), format="png")


def _first(tensors):
    return tensors[0] if isinstance(tensors, list | tuple) else tensors
