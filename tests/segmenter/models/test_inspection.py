import importlib.util
import shutil

import keras
import pytest
from keras import layers

from pipeline.files import read_csv
from segmenter.models.inspection import count_multiply_accumulates, find_receptive_field, inspect_model
from segmenter.models.sharp_unet import Sharpen


def model_of(*steps, side=16, channels=1):
    pixels = x = keras.Input((side, side, channels))
    for step in steps:
        x = step(x)
    return keras.Model(pixels, x)


@pytest.mark.parametrize(
    ("steps", "side"),
    [
        pytest.param([layers.Conv2D(1, 1)], 1, id="1x1"),
        pytest.param([layers.Conv2D(1, 3), layers.Conv2D(1, 3)], 5, id="two 3x3"),
        pytest.param([layers.Conv2D(1, 3, dilation_rate=4)], 9, id="dilation"),
        pytest.param([layers.MaxPooling2D(2), layers.Conv2D(1, 3)], 6, id="a 3x3 on pixels of two"),
        pytest.param([layers.Conv2D(1, 3, strides=2), layers.Conv2D(1, 3)], 7, id="stride"),
        pytest.param([layers.MaxPooling2D(2), layers.Conv2DTranspose(1, 2, strides=2), layers.Conv2D(1, 3)], 4, id="down and up"),
        pytest.param([layers.MaxPooling2D(2), layers.UpSampling2D(2, interpolation="bilinear")], 4, id="bilinear joins two"),
        pytest.param([Sharpen()], 3, id="a fixed filter"),
        pytest.param([layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.5)], 1, id="point by point"),
        pytest.param([lambda x: layers.Concatenate()([layers.Conv2D(1, 5, padding="same")(x), x])], 5, id="the widest branch"),
        pytest.param([lambda x: layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)])], None, id="all"),
    ],
)
def test_receptive_field_by_hand(steps, side):
    assert find_receptive_field(model_of(*steps)) == side


@pytest.mark.parametrize(
    ("layer", "cost"),
    [
        pytest.param(layers.Conv2D(4, 3, padding="same"), 16 * 16 * 9 * 2 * 4, id="convolution"),
        pytest.param(layers.Conv2D(4, 3, strides=2, padding="same"), 8 * 8 * 9 * 2 * 4, id="stride"),
        pytest.param(layers.Conv2D(4, 3, dilation_rate=4, padding="same"), 16 * 16 * 9 * 2 * 4, id="dilation"),
        pytest.param(layers.DepthwiseConv2D(3, padding="same"), 16 * 16 * 9 * 2, id="depthwise"),
        pytest.param(layers.Conv2DTranspose(4, 2, strides=2), 16 * 16 * 4 * 2 * 4, id="transposed"),
        pytest.param(layers.Dense(5), 16 * 16 * 2 * 5, id="dense"),
        pytest.param(layers.ReLU(), 0, id="none"),
    ],
)
def test_multiply_accumulates_by_hand(layer, cost):
    model = model_of(layer, channels=2)
    assert sum(count_multiply_accumulates(model).values()) == cost
    assert count_multiply_accumulates(model).get(layer.name, 0) == cost


def test_attention_is_counted_with_its_matrix_products():
    attention = layers.MultiHeadAttention(2, 4)
    model = model_of(layers.Reshape((16, 4)), lambda x: attention(x, x), side=8)
    projections, products = 3 * 16 * 4 * 8 + 16 * 8 * 4, 2 * 2 * 16 * 16 * 4
    assert count_multiply_accumulates(model)[attention.name] == projections + products


def test_an_inspection_writes_its_files(tmp_path):
    model = model_of(layers.Conv2D(4, 3, name="first"), layers.Conv2D(1, 1, name="last"))
    values = inspect_model(model, tmp_path)
    assert values == {
        "parameters": 40 + 5,
        "trainable": 45,
        "layers": 3,
        "multiply_accumulates": 14 * 14 * (9 * 4 + 4),
        "receptive_field_px": 3,
    }
    rows = read_csv(tmp_path / "layers.csv")
    assert [row["layer"] for row in rows][1:] == ["first", "last"]
    assert rows[1] == {
        "layer": "first",
        "type": "Conv2D",
        "output_shape": "? x 14 x 14 x 4",
        "parameters": "40",
        "multiply_accumulates": str(14 * 14 * 9 * 4),
    }
    assert "first" in (tmp_path / "summary.txt").read_text()
    assert (tmp_path / "model.png").exists() == bool(shutil.which("dot") and importlib.util.find_spec("pydot"))
