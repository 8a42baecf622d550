"""What files of the published project's other networks and other versions hold; the texts are written for these tests."""

import pytest
from skips import need_folder

from pipeline.files import InputError
from segmenter.cli import main
from segmenter.configuration import load_configuration
from segmenter.configuration.published.conversion import convert_to_toml
from segmenter.configuration.published.reader import read_published

SIDES = "image_width = 512\nimage_height = 512\n"
SMALL = "[model]\nimage_width = 16\nimage_height = 16\nbase_filters = 2\nnum_layers = 1\n"


def test_keys_that_nothing_reads_are_accepted_and_listed_in_one_line(tmp_path, capsys):
    path = tmp_path / "mine.config"
    path.write_text(
        f'{SMALL}self.activation = "ReLU"\n[train]\nsave_model_file = "best_model.h5"\nsave_waits_only = True\n'
        '[eval]\noutput_dir = "./eval_output"\n[augmentor]\nspin = [1. 2]'
    )
    load_configuration(str(path))
    unread, rest = capsys.readouterr().err.splitlines()
    assert unread == (
        f"{path}: nothing reads [model] self.activation, [train] save_model_file, [train] save_waits_only, [eval] output_dir, "
        "[augmentor] spin, there or here"
    )
    assert "2 keys are ignored here or read with another name or value" not in rest
    assert main(["convert-config", str(path)]) == 0
    assert '# [train] save_model_file = "best_model.h5": nothing reads it, there or here' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "learning_rte = 0.1", "line 2: [model] learning_rte = 0.1 is not a known key; similar to learning_rate", id="one"
        ),
        pytest.param(
            "model = 'TensorflowSwinUNet'\nnum_head = 3",
            "is not a known key; similar to num_heads",
            id="a key of another network",
        ),
    ],
)
def test_what_resembles_a_key_with_an_effect_is_a_misspelling(read, text, message):
    with pytest.raises(InputError) as error:
        read(f"[model]\n{text}")
    assert message in str(error.value)
    assert read(f"[model]\nlearning_rate = 0.1\n{text.replace('SwinUNet', 'UNet')}").unread


def test_keys_in_another_section_and_of_another_network_are_no_misspellings(read):
    assert read("[model]\nbatch_size = 4\npatch_sizes = 4").unread == ("[model] batch_size", "[model] patch_sizes")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "model = 'TensorflowSwinUNet'\nimage_width = 256\nimage_height = 256\nbase_filters = 16\nnum_layers = 6\n"
            "filter_num_begin = 64\ndepth = 4\nstack_num_down = 3\nstack_num_up = 3\npatch_size = (4, 4)\n"
            "num_heads = [4, 8, 8, 8]\nwindow_size = [4, 2, 2, 2]\nnum_mlp = 512\nshift_window = True",
            {
                "model": "SwinUNet",
                "base_filters": 64,
                "depths": (3, 3, 3, 3),
                "patch_size": 4,
                "num_heads": (4, 8, 8, 8),
                "window_size": (4, 2, 2, 2),
                "mlp_ratio": 8,
            },
            id="SwinUNet",
        ),
        pytest.param(
            "model = 'TensorflowSwinUNet'\nbase_filters = 16",
            {"base_filters": 128, "num_heads": (4, 8, 8, 8), "depths": (2, 2, 2, 2)},
            id="SwinUNet without its keys",
        ),
        pytest.param(
            "filter_num_begin = 32\ndepth = 3\nnum_heads = [4, 4, 8]\nwindow_size = [4, 4, 2]",
            {"model": "SwinUNet", "depths": (2, 2, 2), "window_size": (4, 4, 2)},
            id="named by its keys",
        ),
        pytest.param(
            "model = 'TensorflowTransUNet'\nbase_filters = 16\nnum_layers = 6\nhybrid = True\ngrid = (14, 14)\n"
            "hidden_size = 612\nnum_heads = 6\nmlp_dim = 2048\ndecoder_channels = [256, 128, 64, 16]\npretrain = False",
            {
                "base_filters": 64,
                "transformer_layers": 6,
                "hidden_size": 612,
                "num_heads": 6,
                "mlp_size": 2048,
                "decoder_filters": (512, 256, 128, 64, 16),
            },
            id="TransUNet",
        ),
        pytest.param(
            "model = 'TensorflowTransUNet'\nfilter_num = [32, 64]\nembed_dim = 256\nnum_mlp = 512\nnum_heads = 4\n"
            "num_transformer = 4\nweights = 'imagenet'\nbackbone = None\nmlp_activation = 'GELU'",
            {"hidden_size": 256, "mlp_size": 512, "num_heads": 4, "transformer_layers": 4},
            id="the other TransUNet",
        ),
        pytest.param(
            "model = 'TensorflowEfficientUNet'\nefficientnet = 'B3'\nactivation = 'mish'",
            {"backbone": "EfficientNetB3", "activation": "mish"},
            id="EfficientUNet",
        ),
        pytest.param(
            "model = 'TensorflowEfficientNetB7UNet'",
            {"model": "EfficientUNet", "backbone": "EfficientNetB7"},
            id="EfficientNetB7UNet",
        ),
        pytest.param(
            "model = 'TensorflowSharpUNet'\nfilters = [32, 64, 128]\nmax_filter = 512\nkernel_size = 3\nsharp_ksize = (3, 3)",
            {"base_filters": 32},
            id="SharpUNet",
        ),
        pytest.param(
            "model = 'TensorflowDeepLabV3Plus'\nbase_filters = 16\ndice_loss = True",
            {"base_filters": 256, "loss": {"dice_loss": 1.0}},
            id="DeepLabV3Plus",
        ),
        pytest.param("model = 'TENSORFLOWUNET3PLUS'", {"model": "UNet3Plus"}, id="in any case"),
        pytest.param("activation = 'ReLU'\ndice_loss = False\nloss = 'iou_loss'", {"activation": "relu"}, id="UNet"),
    ],
)
def test_keys_of_a_network_become_ours(read, text, expected):
    model = read(f"[model]\n{text}").configuration.model
    assert {key: getattr(model, key) for key in expected} == expected


FLEX = """[model]
model = "TensorFlowFlexUNet"
num_classes = 4
num_layers = 4
loss = "categorical_crossentropy"
metrics = ["dice_coef_multiclass"]
[dataset]
class_name = "ImageCategorizedMaskDataset"
[train]
images_dir = "../../set/train/images/"
masks_dir = "../../set/train/masks/"
[valid]
images_dir = "../../set/valid/images/"
[image]
color_order = "RGB"
[mask]
mask_file_format = ".png"
rgb_map = {(0,0,0):0,(255,255,0):1,(0,200,0):2,(255,0,0):3}
"""


def test_the_dialect_of_the_flexible_network_has_other_names(read):
    published = read(FLEX)
    mine = published.configuration
    assert (mine.model.model, mine.model.final_activation, mine.model.loss) == (
        "SlightlyFlexibleUNet",
        "softmax",
        {"bce_loss": 1.0},
    )
    assert mine.infer.mask_colors == ((255, 255, 0), (0, 200, 0), (255, 0, 0))
    assert published.warnings == published.unread == ()
    assert any(note.startswith("[train] images_dir =") for note in published.notes)
    with pytest.raises(InputError, match=r"rgb_map .* is not accepted: expected class indices from 0 on"):
        read(FLEX.replace("(255,0,0):3", "(255,0,0):4"))


def test_older_names_of_the_elastic_field_are_read(read):
    text = "[model]\ngenerator = True\n" + SIDES + "[augmentor]\ntransformer = {}\nalpah = 300\nsigmoid = 8"
    on, off = (read(text.format(switch)).configuration for switch in (True, False))
    assert (on.augmentor.deformation, on.deformation.sigmoids) == (True, (8.0,))
    assert (off.augmentor.deformation, off.augmentor.hflip) == (False, True)


@pytest.mark.parametrize("name", ["BASNet", "TensorflowXceptionLikeUNet"])
def test_networks_that_are_not_built_are_named(read, name):
    with pytest.raises(
        InputError, match=rf"{name.removeprefix('Tensorflow')} is a network .* that is not built here; choose one"
    ):
        read(f"[model]\nmodel = '{name}'")


def test_a_file_without_a_network_section_is_refused_in_one_line(tmp_path, capsys):
    path = tmp_path / "other.ini"
    path.write_text("[train]\nepochs = 3\n")
    assert main(["train", str(tmp_path), "--config", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("other.ini: has no [model] section; expected a train_eval_infer.config of the published project")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            r'"C:\temp\new\train\images"',
            "holds \\t, which Python reads as a tab; in a path, write / or \\\\ instead of \\, or put r before",
        ),
        (r'"C:\Users\me"', r"holds \U, which Python reads as the code of a character; in a path"),
        ('"C:\\data\\"', "because of a backslash at the end of a text; write / or \\\\ instead of \\"),
    ],
)
def test_windows_paths_are_explained(read, text, message):
    for key in ("[train]\nimage_datapath", "[infer]\nalgorithm"):
        with pytest.raises(InputError) as error:
            read(f"[model]\n{key} = {text}")
        assert message in str(error.value)
    (warning,) = read(f"[model]\n[train]\nmodel_dir = {text}").warnings
    assert message in warning
    assert warning.endswith("ignored, because the key has no effect here")


@pytest.mark.parametrize("text", [r'"C:\\temp\\new"', r'r"C:\temp\new"', '"C:/temp/new"', r'"D:\data\set"'])
def test_paths_that_python_reads_as_they_are_meant_are_accepted(recwarn, read, text):
    assert read(f"[model]\n[train]\nmodel_dir = {text}").warnings == ()
    assert not recwarn.list


def test_a_key_may_be_set_twice_to_one_value_and_not_to_two(read):
    assert read("[model]\nloss = 'dice_loss'\nloss = \"dice_loss\"").configuration.model.loss == {"dice_loss": 1.0}
    with pytest.raises(InputError, match=r"line 3: \[model\] loss = 'iou_loss' is set already, in line 2; remove one"):
        read("[model]\nloss = 'dice_loss'\nloss = 'iou_loss'")


def test_byte_order_marks_tabs_and_trailing_commas_are_read(tmp_path):
    path = tmp_path / "windows.config"
    path.write_bytes(
        "[model]\r\n\timage_width\t=\t64 ; side\r\nimage_height = 64\r\nbase_kernels = (3, 3,)\r\n".encode("utf-8-sig")
    )
    model = read_published(path).configuration.model
    assert (model.image_width, model.image_height, model.base_kernels) == (64, 64, (3, 3))


def test_settings_replace_those_of_a_published_file(tmp_path, capsys):
    path = tmp_path / "mine.config"
    path.write_text("[model]\nimage_width = 512\nimage_height = 512\nnum_layers = 8\nbase_kernels = (9, 9)\n")
    small = {"model": {"image_width": 128, "image_height": 128}, "train": {"epochs": 2}}
    configuration = load_configuration(str(path), small)
    assert (configuration.model.image_width, configuration.train.epochs, configuration.model.base_kernels) == (128, 2, (9, 9))
    with pytest.raises(InputError, match=r"\[train\] epochs: Input should be"):
        load_configuration(str(path), {"train": {"epochs": 0}})
    with pytest.raises(InputError, match="image_width 64 does not suit num_layers 8"):
        load_configuration(str(path), {"model": {"image_width": 64, "image_height": 64}})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FLEX, id="FlexUNet"),
        pytest.param(
            "[model]\nmodel = 'TensorflowSwinUNet'\nfilter_num_begin = 64\nwindow_size = [4, 2, 2, 2]\nself.activation = 'ReLU'",
            id="SwinUNet",
        ),
        pytest.param("[model]\nmodel = 'TensorflowEfficientNetB7UNet'\nactivation = 'mish'", id="EfficientNetB7UNet"),
    ],
)
def test_conversion_trains_the_same(read, tmp_path, text):
    published = read(text)
    (tmp_path / "mine.toml").write_text(convert_to_toml(tmp_path / "train_eval_infer.config"))
    assert load_configuration(str(tmp_path / "mine.toml")) == published.configuration


def test_real_configurations_of_the_published_project_load(tmp_path):
    """With PUBLISHED_CONFIGS=FOLDER: each is read, converted without a change, or refused for a stated reason."""
    files = sorted(need_folder("PUBLISHED_CONFIGS", "the published project's .config files").glob("*.config"))
    refused = []
    for path in files:
        try:
            published = read_published(path)
        except InputError as error:
            refused.append(str(error))
            continue
        (tmp_path / "mine.toml").write_text(convert_to_toml(path))
        assert load_configuration(str(tmp_path / "mine.toml")) == published.configuration, path
    assert len(refused) <= len(files) / 10
    assert all("is set already" in message for message in refused), refused
