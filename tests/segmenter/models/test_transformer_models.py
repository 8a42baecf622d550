import keras
import numpy as np
import pytest
from pydantic import ValidationError

from segmenter.configuration.networks import MODEL_SETTINGS
from segmenter.configuration.networks import SwinUNetSettings as SwinSettings
from segmenter.configuration.networks import TransUNetSettings as TransSettings
from segmenter.models import build_model
from segmenter.models.swin_unet import WindowAttention, find_neighbours, index_offsets, merge_windows, partition_windows
from segmenter.models.trans_unet import LearnedPositions, StandardizedConv2D

SMALL_SWIN = {"image_width": 32, "image_height": 32, "base_filters": 4, "depths": [2, 2], "num_heads": [1, 2], "window_size": 2}

SMALL_TRANS = {
    "image_width": 32,
    "image_height": 32,
    "base_filters": 2,
    "num_blocks": [1, 1, 1],
    "hidden_size": 8,
    "num_heads": 2,
    "transformer_layers": 1,
    "mlp_size": 16,
    "decoder_filters": [8, 8, 4, 4, 2],
}


def dropout_rates(model):
    return [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]


def test_windows_are_cut_row_by_row_and_put_together_again():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    windows = partition_windows(image, 2)
    assert np.array(windows)[0, ..., 0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(merge_windows(windows, 4, 4), image)


def test_windows_of_a_rectangle_are_those_of_its_squares():
    image = np.arange(2 * 6 * 4 * 3, dtype=np.float32).reshape(2, 6, 4, 3)
    windows = np.array(partition_windows(image, 2))
    assert windows.shape == (2, 6, 4, 3)
    np.testing.assert_array_equal(windows[:, 3].reshape(2, 2, 2, 3), image[:, 2:4, 2:4])
    np.testing.assert_array_equal(merge_windows(windows, 6, 4), image)
    tall = find_neighbours(6, 4, window=2, shift=1)
    assert tall.shape == (6, 4, 4)
    np.testing.assert_array_equal(tall, find_neighbours(6, 6, window=2, shift=1)[[0, 2, 3, 5, 6, 8]])


def test_pairs_of_tokens_with_the_same_offset_share_a_number():
    # Tokens 0 1 / 2 3; offsets (down, right) from (-1, -1) to (1, 1) are numbered 0 to 8, so a token to itself is 4.
    assert index_offsets(2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def test_neighbours_stay_neighbours_in_a_rolled_map():
    neighbours = find_neighbours(4, 4, window=2, shift=1)
    assert neighbours[0].all()
    # Last window: each of its tokens comes from another corner of the map.
    assert neighbours[3].tolist() == np.eye(4, dtype=bool).tolist()
    # Upper right window: the right column was rolled in from the left border.
    assert neighbours[1][0].tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("shift", "moved"),
    [
        pytest.param(0, "##.. ##.. .... ....", id="the corner's window"),
        pytest.param(1, "#... .... .... ....", id="the corner alone, not the other ends that share its window"),
    ],
)
def test_attention_stays_within_the_window_and_within_the_border(shift, moved):
    layer = WindowAttention(num_heads=1, window_size=2, shift_size=shift)
    before = np.random.default_rng(1).normal(size=(1, 4, 4, 3)).astype(np.float32)
    after = before.copy()
    after[0, 0, 0] += 1
    changed = np.abs(np.array(layer(after)) - np.array(layer(before))).max(-1)[0] > 1e-6
    assert " ".join("".join(".#"[int(pixel)] for pixel in row) for row in changed) == moved


def test_a_shift_joins_tokens_of_neighbouring_windows():
    layer = WindowAttention(num_heads=1, window_size=2, shift_size=1)
    before = np.random.default_rng(1).normal(size=(1, 4, 4, 3)).astype(np.float32)
    after = before.copy()
    after[0, 1, 1] += 1
    changed = np.abs(np.array(layer(after)) - np.array(layer(before))).max(-1)[0] > 1e-6
    np.testing.assert_array_equal(np.argwhere(changed), [[1, 1], [1, 2], [2, 1], [2, 2]])


def test_an_offset_bias_turns_attention_to_the_token_at_that_offset():
    layer = WindowAttention(num_heads=1, window_size=2)
    layer.build((None, 2, 2, 2))
    # Without queries all tokens weigh the same, and values pass as they are.
    layer.queries_keys_values.set_weights([np.hstack([np.zeros((2, 4)), np.eye(2)]), np.zeros(6)])
    layer.projection.set_weights([np.eye(2), np.zeros(2)])
    bias = np.zeros((9, 1))
    bias[3] = 100  # the query is one to the left of the key
    layer.offset_bias.assign(bias)
    tokens = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    output = np.array(layer(tokens))
    np.testing.assert_allclose(output[0, :, 0], tokens[0, :, 1], atol=1e-5)
    np.testing.assert_allclose(output[0, 0, 1], tokens.mean((0, 1, 2)), atol=1e-5)


def test_window_attention_keeps_its_arguments():
    layer = WindowAttention(num_heads=2, window_size=4, shift_size=2, name="attention")
    again = WindowAttention.from_config(layer.get_config())
    assert (again.num_heads, again.window_size, again.shift_size, again.name) == (2, 4, 2, "attention")


def test_every_second_block_is_shifted_where_the_map_is_larger_than_a_window():
    model = build_model(SwinSettings(**SMALL_SWIN | {"window_size": 4}))
    windows = {layer.name: (layer.window_size, layer.shift_size) for layer in model.layers if isinstance(layer, WindowAttention)}
    assert windows == {
        "encoder0_block0_attention": (4, 0),
        "encoder0_block1_attention": (4, 2),
        "encoder1_block0_attention": (4, 0),
        "encoder1_block1_attention": (4, 0),
        "decoder0_block0_attention": (4, 0),
        "decoder0_block1_attention": (4, 2),
    }


def test_drop_path_rises_from_block_to_block_and_drops_a_whole_sample():
    model = build_model(SwinSettings(**SMALL_SWIN | {"drop_path": 0.3}))
    rates = {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
    assert [rates.get(f"encoder{stage}_block{block}_mlp_path", 0) for stage in (0, 1) for block in (0, 1)] == pytest.approx(
        [0, 0.1, 0.2, 0.3]
    )
    output = np.array(model.get_layer("encoder1_block1_mlp_path")(np.ones((64, 2, 2, 3), np.float32), training=True))
    np.testing.assert_array_equal(output.max((1, 2, 3)), output.min((1, 2, 3)))
    np.testing.assert_allclose(np.unique(output), [0, 1 / 0.7], rtol=1e-6)


def test_swin_has_dropout_only_where_it_is_on():
    assert dropout_rates(build_model(SwinSettings(**SMALL_SWIN | {"drop_path": 0.0}))) == []
    rates = dropout_rates(build_model(SwinSettings(**SMALL_SWIN | {"drop_path": 0.0, "dropout_rate": 0.2})))
    assert rates == [0.2] * (1 + 3 * 6)


@pytest.mark.slow
def test_swin_tiny_has_the_paper_s_size():
    settings = SwinSettings(image_width=224, image_height=224, image_channels=3, num_classes=9, window_size=7)
    assert build_model(settings).count_params() == pytest.approx(27.17e6, rel=0.001)


def test_a_standardized_kernel_ignores_the_scale_and_the_mean_of_its_weights():
    layer = StandardizedConv2D(1, (1, 2), use_bias=False)
    layer.build((None, 1, 2, 1))
    outputs = []
    for weights in ([-1.0, 1.0], [8.0, 12.0]):
        layer.set_weights([np.reshape(weights, (1, 2, 1, 1))])
        outputs.append(float(layer(np.reshape(np.float32([10, 30]), (1, 1, 2, 1)))[0, 0, 0, 0]))
    assert outputs == pytest.approx([20, 20], rel=1e-3)  # 30 - 10


def test_positions_distinguish_equal_tokens():
    layer = LearnedPositions()
    output = np.array(layer(np.ones((2, 3, 4), np.float32)))
    np.testing.assert_array_equal(output, 1 + np.array([layer.positions] * 2))
    assert len(np.unique(output[0], axis=0)) == 3


def test_skips_of_transunet_come_from_a_half_a_quarter_and_an_eighth():
    model = build_model(TransSettings(**SMALL_TRANS))
    joined = [[tensor.shape[1:] for tensor in model.get_layer(f"decoder{level}_join").input] for level in range(3)]
    assert joined == [[(4, 4, 8), (4, 4, 16)], [(8, 8, 8), (8, 8, 8)], [(16, 16, 4), (16, 16, 2)]]
    assert "decoder3_join" not in {layer.name for layer in model.layers}
    assert model.get_layer("positions").positions.shape == (4, 8)


def test_transunet_drops_after_positions_attention_and_within_the_mlp():
    assert dropout_rates(build_model(TransSettings(**SMALL_TRANS))) == []
    assert dropout_rates(build_model(TransSettings(**SMALL_TRANS, dropout_rate=0.1))) == [0.1] * 4


@pytest.mark.slow
def test_transunet_has_the_size_that_others_report():
    # Chen's paper gives no size; comparisons with it, such as DA-TransUNet's, report 105 M.
    settings = TransSettings(image_width=224, image_height=224, image_channels=3, num_classes=9)
    assert build_model(settings).count_params() == pytest.approx(105.28e6, rel=0.001)


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        ("SwinUNet", {"image_width": 100, "image_height": 100}, "does not suit patch_size 4, 4 stages and window_size 4; give a "
         "multiple of 32, such as 64 or 128"),
        ("SwinUNet", {"window_size": 7}, r"stages of \[32, 16, 8, 4\] tokens per side; each must be a multiple of window_size 7, "
         "or smaller; give 224, or another window_size"),
        ("SwinUNet", {"window_size": 7, "image_width": 256, "image_height": 256}, "give 224 or 448, or another"),
        ("SwinUNet", {"depths": [2, 2]}, r"depths \[2, 2\] and num_heads \[3, 6, 12, 24\] do not match; list one whole number"),
        ("SwinUNet", {"base_filters": 64}, "stage 0 has 64 filters, which cannot be divided evenly among its 3 heads"),
        ("TransUNet", {"image_width": 100, "image_height": 100}, "halves it 4 times; give a multiple of 16, such as 96 or 112"),
        ("TransUNet", {"num_blocks": [3, 4]}, r"num_blocks is \[3, 4\]; expected 3 whole numbers above 0"),
        ("TransUNet", {"decoder_filters": [1, 2, 3, 4, 0]}, r"decoder_filters is \[1, 2, 3, 4, 0\]; expected 5 whole"),
        ("TransUNet", {"num_heads": 7}, "hidden_size 768 cannot be divided evenly among num_heads 7"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(model, changes, message):
    with pytest.raises(ValidationError, match=message):
        MODEL_SETTINGS[model](**changes)


@pytest.mark.parametrize("side", [32, 64, 128, 256, 384, 512])
def test_the_default_window_suits_the_usual_sides(side):
    assert SwinSettings(image_width=side, image_height=side).side_multiple == 32
