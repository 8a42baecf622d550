import pytest

from pipeline.files import InputError, dump_toml
from segmenter.configuration import CONFIGS, Configuration, load_configuration


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_configurations_come_back_from_their_resolved_text(name, tmp_path):
    configuration = load_configuration(name)
    path = tmp_path / "resolved.toml"
    path.write_text(dump_toml(configuration))
    assert load_configuration(str(path)) == configuration


def test_published_is_the_published_experiment():
    published = load_configuration("published")
    model = published.model
    assert (model.image_width, model.image_height, model.image_channels) == (512, 512, 3)
    assert (model.base_filters, model.base_kernels, model.num_layers) == (16, (9, 9), 8)
    assert (model.input_normalize, model.loss, model.optimizer) == (False, "bce_dice_loss", "Adam")
    assert model.clipvalue is not None
    assert (published.train.batch_size, published.dataset.shuffle) == (2, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "[model]\nbase_filter = 8", r"\[model\] base_filter: unknown key; known here are model, image_width", id="key"
        ),
        pytest.param("[modle]\nbase_filters = 8", "modle: unknown key; known here are model, dataset, train", id="section"),
        pytest.param("[model]\nloss = 'dice'", r"\[model\] loss: .*'bce_dice_loss'.*found 'dice'", id="value"),
        pytest.param("[train]\nepochs = '5'", r"\[train\] epochs: .*integer.*found '5'", id="type"),
        pytest.param("[train]\nepochs = 0\npatience = 0", r"\[train\] epochs: .*; \[train\] patience: ", id="two at once"),
        pytest.param("[model]\nimage_width = 64", "image_width is 64 and image_height 128; .* squares", id="no square"),
        pytest.param(
            "[model]\nimage_width = 100\nimage_height = 100", "100 cannot be halved 4 times.* multiple of 16", id="halves"
        ),
        pytest.param("[model]\ndropout_rate = 0.3", "dropout_rate 0.3 grows to 1.2 at the last of 5 levels", id="dropout"),
        pytest.param("[model]\nmetrics = []", "metrics must name at least one", id="no metric"),
        pytest.param("[model", "is no valid TOML", id="no TOML"),
    ],
)
def test_bad_configurations_are_told(text, words, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        load_configuration(str(path))
    assert str(path) in str(told.value)


def test_an_unknown_name_tells_the_known_ones():
    with pytest.raises(InputError, match=r"--config pubished: is no known configuration; known are published, quick, or"):
        load_configuration("pubished")


def test_defaults_are_one_channel_scaled_inside_without_xla():
    model = Configuration().model
    assert (model.image_channels, model.input_normalize, model.jit_compile) == (1, True, False)
