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
    assert (model.input_normalize, model.loss, model.optimizer) == (False, {"bce_dice_loss": 1.0}, "Adam")
    assert model.clipvalue is not None
    assert (published.train.batch_size, published.dataset.shuffle) == (2, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[model]\nbase_filter = 8", r"\[model\] base_filter: unknown key; expected one of model, image_width", id="key"
        ),
        pytest.param(
            "[modle]\nbase_filters = 8", "modle: unknown key; expected one of model, dataset, image, mask, train", id="section"
        ),
        pytest.param(
            "[model]\nloss = 'dice'",
            r"\[model\] loss: dice is not a known loss; expected one of bce_dice_loss, .*found 'dice'",
            id="value",
        ),
        pytest.param("[train]\nepochs = '5'", r"\[train\] epochs: .*integer.*found '5'", id="type"),
        pytest.param("[train]\nepochs = 0\npatience = 0", r"\[train\] epochs: .*; \[train\] patience: ", id="two at once"),
        pytest.param(
            "[model]\nimage_width = 64",
            r"image_width is 64 and image_height 128; .* are square, so give both the same value, or set \[dataset\] crop = ",
            id="not square",
        ),
        pytest.param(
            "[model]\nimage_width = 160\nimage_height = 250\n[dataset]\ncrop = 'breast'",
            "image_height 250 does not suit num_layers 5.* multiple of 16, such as 240 or 256",
            id="height",
        ),
        pytest.param(
            "[model]\nimage_width = 8\nnum_layers = 1\nloss = 'ssim_loss'\n[dataset]\ncrop = 'breast'",
            "image_width 8 is too small for ssim_loss; give 11 or more",
            id="width of a loss",
        ),
        pytest.param("[dataset]\ncrop = 'lesion'", r"\[dataset\] crop: .*'none' or 'breast'.*found 'lesion'", id="crop"),
        pytest.param(
            "[dataset]\ncrop = 'breast'\n[train]\nepoch_change_tiledinfer = true",
            r"epoch_change_tiledinfer is on, but a model with \[dataset\] crop = .* and no tiles; turn it off",
            id="tiles of a crop",
        ),
        pytest.param(
            "[model]\nimage_width = 64\n[dataset]\ncrop = 'breast'\n[infer]\naugmentation = 'turns'",
            r"\[infer\] augmentation = \"turns\" turns images by 90 degrees, which needs .* to be the same; give \"flips\", or",
            id="turns of a rectangle",
        ),
        pytest.param(
            "[model]\nimage_width = 64\n[dataset]\ncrop = 'breast'\n[augmentor]\nrotation = true",
            r"rotation with angles \[90.0, 180.0, 270.0\] turns images by 90 degrees, .*; give angles = \[180.0\], or angle",
            id="quarter turns of a rectangle",
        ),
        pytest.param(
            "[model]\nimage_width = 100\nimage_height = 100",
            "image_width 100 does not suit num_layers 5.* multiple of 16, such as 96 or 112",
            id="halves",
        ),
        pytest.param("[model]\ndropout_rate = 0.3", "dropout_rate 0.3 grows to 1.2 at the last of 5 levels", id="dropout"),
        pytest.param("[model]\nmetrics = []", "metrics must name at least one", id="no metric"),
        pytest.param(
            "[model]\nmetrics = ['dice']",
            r"\[model\] metrics: dice is not a known metric; expected one of dice_coef, .*found \['dice'\]",
            id="unknown metric",
        ),
        pytest.param("[model]\nfocal_alpha = 1.0", r"\[model\] focal_alpha: Input should be less than 1", id="loss parameter"),
        pytest.param(
            "[model]\nloss = 'ssim_loss'\nimage_width = 8\nimage_height = 8\nnum_layers = 1",
            "image_width 8 is too small for ssim_loss; give 11 or more",
            id="side of a loss",
        ),
        pytest.param(
            "[model]\nmodel = 'VNet'",
            r"model: VNet is not a known network; expected one of .*AttentionUNet",
            id="network",
        ),
        pytest.param(
            "[model]\nmodel = 'AttentionUNet'\nbase_kernels = [3, 3]",
            r"\[model\] base_kernels: unknown key; expected one of model, .*base_filters",
            id="key of another network",
        ),
        pytest.param(
            "[model.loss]\ndice_loss = 0", r"\[model\] loss: dice_loss has the weight 0; expected a number above 0", id="weight"
        ),
        pytest.param(
            "[model]\nimage_channels = 2", r"image_channels is 2; image files have 1 or 3 channels, so give", id="channels"
        ),
        pytest.param("[model]\nnum_classes = 3\nfinal_activation = 'sigmoid'", "several take softmax", id="activation"),
        pytest.param("[model]\nclipvalue = 1.0\nclipnorm = 1.0", "both clip gradients; leave one out", id="clipping"),
        pytest.param(
            "[model]\nweight_decay = 0.1", "weight_decay needs optimizer AdamW, but optimizer is Adam", id="weight decay"
        ),
        pytest.param(
            "[model]\nema_momentum = 0.9\n[train]\ngradient_accumulation_steps = 2",
            r"ema_momentum needs \[train\] gradient_accumulation_steps = 1, because",
            id="average of accumulated steps",
        ),
        pytest.param("[model]\ngenerator = true", r"generator is on and \[augmentor\] turns nothing on", id="generator"),
        pytest.param("[train]\ncosine_decay = true", "cosine_decay and learning_rate_reducer both", id="two schedules"),
        pytest.param(
            "[model]\nnum_classes = 3\n[dataset]\nclass_names = ['a']",
            r"class_names has length 1; expected 2, one per lesion class of .*num_classes 3",
            id="names",
        ),
        pytest.param(
            "[model]\nnum_classes = 3\n[dataset]\nclass_names = ['a', 'a']",
            "class_names lists a, a; each name must be different",
            id="twice",
        ),
        pytest.param(
            "[model]\nnum_classes = 3\n[dataset]\nclass_names = ['a', 'b c']",
            "class_names holds 'b c'; expected letters",
            id="name of two words",
        ),
        pytest.param(
            "[dataset]\npartner = true", r"partner needs \[model\] image_channels = 3; found 1", id="channels of a pair"
        ),
        pytest.param(
            "[dataset]\npartner_dropout = 0.25",
            "partner_dropout 0.25 needs partner = true; set it, or leave this out",
            id="dropout alone",
        ),
        pytest.param(
            "[dataset]\npartner = true\npartner_dropout = 1.0", "partner_dropout: Input should be less than 1", id="all"
        ),
        pytest.param(
            "[model]\nimage_channels = 3\n[dataset]\npartner = true\n[image]\ncolor_converter = 'COLOR_RGB2HSV'",
            r"color_converter COLOR_RGB2HSV mixes the images that \[dataset\] partner puts into three channels",
            id="colors of a pair",
        ),
        pytest.param("[image]\nblur_size = 4", r"image: blur_size 4 has no middle pixel", id="even kernel"),
        pytest.param("[model", "is not valid TOML", id="not TOML"),
    ],
)
def test_faults_are_reported(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_configuration(str(path))
    assert str(path) in str(error.value)


def test_an_unknown_name_tells_the_known_ones():
    with pytest.raises(
        InputError, match=r"--config pubished: is not a known configuration; expected one of best, classes, published, quick, or"
    ):
        load_configuration("pubished")


def test_an_unknown_name_that_is_almost_a_known_one_is_corrected():
    with pytest.raises(InputError, match=r"or \.config file; did you mean published\?$"):
        load_configuration("pubished")


def test_the_old_name_of_classes_is_refused_with_the_new_one():
    assert load_configuration("classes").model.num_classes == 3
    with pytest.raises(InputError, match=r"^--config full: full is called classes now; give classes instead$"):
        load_configuration("full")


def test_defaults_are_one_channel_scaled_inside_and_compiled_as_the_backend_does():
    model = Configuration().model
    assert (model.image_channels, model.input_normalize, model.jit_compile) == (1, True, None)


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("TensorflowUNet", "SlightlyFlexibleUNet"),
        ("UNet", "SlightlyFlexibleUNet"),
        ("TensorflowSlightlyFlexibleUNet", "SlightlyFlexibleUNet"),
        ("TensorflowAttentionUNet", "AttentionUNet"),
    ],
)
def test_networks_are_known_by_their_published_names(written, network):
    assert Configuration.model_validate({"model": {"model": written}}).model.model == network


@pytest.mark.parametrize(
    "augmentor",
    [{"rotation": True, "angles": [180]}, {"rotation": True, "angle_range": [-20, 20]}, {"hflip": True}, {"angles": [90]}],
)
def test_rectangles_may_be_varied_without_quarter_turns(augmentor):
    rectangle = {"model": {"image_width": 80}, "dataset": {"crop": "breast"}, "augmentor": augmentor}
    assert not Configuration.model_validate(rectangle).model.is_square


def test_losses_may_be_added_by_weight():
    settings = Configuration.model_validate({"model": {"loss": {"bce_loss": 1, "tversky_loss": 0.5}}}).model
    assert settings.loss == {"bce_loss": 1.0, "tversky_loss": 0.5}
    assert settings.model_dump()["loss"] == settings.loss
    assert Configuration().model.model_dump()["loss"] == "bce_dice_loss"
