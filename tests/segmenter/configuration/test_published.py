"""Files in the published project's dialect; those in published_dialect/ are written for these tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import InputError
from segmenter.cli import main
from segmenter.configuration import Configuration, load_configuration
from segmenter.configuration.published.dialect import read_lines, read_literal
from segmenter.configuration.published.keys import RULES, SETTLED
from segmenter.configuration.published.reader import read_published

FILES = sorted((Path(__file__).parent / "published_dialect").glob("*.config"))
EXPERIMENT, AUGMENTED, CLASSES = (
    Path(__file__).parent / f"published_dialect/{name}.config" for name in ("experiment", "augmented", "classes")
)

# All keys that files of the published project have.
KEYS = """
model: model generator image_width image_height image_channels input_normalize normalization num_classes base_filters base_kernels
 num_layers dropout_rate dropout_seed_fixing learning_rate clipvalue dilation loss metrics show_summary optimizer activation
 final_activation evaluation dice_loss iou_loss
dataset: datasetclass class_name
 resize_interpolation image_format mask_format color_order rgb_mask image_normalize input_normalize debug
train: epochs batch_size steps_per_epoch validation_steps patience metrics model_dir eval_dir image_datapath mask_datapath
 epoch_change_infer epoch_change_infer_dir epoch_change_tiledinfer epoch_change_tiledinfer_dir num_infer_images create_backup
 learning_rate_reducer reducer_factor reducer_patience save_weights_only dataset_splitter seedreset_callback best_model_file
 show_history
eval: image_datapath mask_datapath batch_size
test: image_datapath mask_datapath batch_size
valid: image_datapath mask_datapath
infer: images_dir output_dir merged_dir algorithm threshold blur ksize mask_colorize
tiledinfer: overlapping split_size bitwise_blending binarize threshold background images_dir output_dir merged_dir
segmentation: colorize black white blursize
image: color_converter gamma sharpening color_order
mask: blur blur_size binarize threshold algorithm mask_colors mask_channels grayscaling
 rgb_map mask_file_format
generator: debug augmentation
augmentor: vflip hflip rotation angles shrinks shears deformation distortion sharpening brightening barrdistortion pincdistortion
deformation: alpah sigmoids
distortion: gaussian_filter_rsigma gaussian_filter_sigma distortions
barrdistortion: radius amount centers
pincdistortion: radius amount centers
sharpening: k
brightening: alpha beta
"""
SMALL = "[model]\nimage_width = 16\nimage_height = 16\nbase_filters = 2\nnum_layers = 1\n"


def test_every_published_key_is_known():
    lines = KEYS.replace("\n ", " ").strip().splitlines()
    keys = {(section, key) for section, _, names in (line.partition(":") for line in lines) for key in names.split()}
    assert RULES.keys() | SETTLED == keys
    assert not RULES.keys() & SETTLED


def test_every_rule_leads_to_a_key_of_ours():
    whole = Configuration()
    for section, key in {rule.target for rule in RULES.values() if rule.target}:
        assert hasattr(getattr(whole, section), key), (section, key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[a]\nk = 1 ; why\n;k = 2\n# k = 3\n", [("a", "k", 2, "1")], id="comments"),
        pytest.param('[a]\nk = "x;y#z" # why\n', [("a", "k", 2, '"x;y#z"')], id="quoted"),
        pytest.param("[A]\nKey=1\n", [("a", "key", 2, "1")], id="case"),
        pytest.param("[a]\nk = [1,\n\n; why\n 2]\nl = 3", [("a", "k", 2, "[1,\n2]"), ("a", "l", 6, "3")], id="several lines"),
        pytest.param("[a]\n  k = 1\n  l : 2", [("a", "k", 2, "1"), ("a", "l", 3, "2")], id="indented"),
        pytest.param('[a]\nk = "it\'s ; here"', [("a", "k", 2, '"it\'s ; here"')], id="one quote in the other"),
    ],
)
def test_lines_are_read(text, expected):
    entries, strays, sections = read_lines(text)
    assert sections == {"a"}
    assert [(entry.section, entry.key, entry.line, entry.text) for entry in entries] == expected
    assert strays == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(9,9)", (9, 9)),
        ("[8.0,]", [8.0]),
        ("[1,\n2]", [1, 2]),
        ("None", None),
        ("True", True),
        ("-0.3", -0.3),
        ('"a;b"', "a;b"),
        ("cv2.THRESH_OTSU", "cv2.THRESH_OTSU"),
        ("cv2.THRESH_BINARY + cv2.THRESH_OTSU", "cv2.THRESH_BINARY + cv2.THRESH_OTSU"),
    ],
)
def test_literals_are_read(text, value):
    assert read_literal(text) == value


@pytest.mark.parametrize("text", ["", "green", "true", "0.5 * 2", "open('x')", "__import__('os')", "[1, 2", "{[]: 1}", "(" * 500])
def test_nothing_else_is_read(text):
    with pytest.raises(ValueError, match="is not a Python literal"):
        read_literal(text)


def test_the_published_experiment_is_the_one_in_our_configurations():
    mine, ours = read_published(EXPERIMENT).configuration, load_configuration("published")
    assert mine.model == ours.model
    assert (mine.dataset, mine.train, mine.eval, mine.image, mine.mask) == (
        ours.dataset,
        ours.train,
        ours.eval,
        ours.image,
        ours.mask,
    )
    assert (mine.model.input_normalize, mine.dataset.shuffle, mine.train.batch_size) == (False, False, 2)
    assert mine.infer.threshold == ours.infer.threshold


def test_malformed_angles_are_a_warning_without_the_generator_and_an_error_with_it(read):
    text = EXPERIMENT.read_text()
    (warning,) = read(text).warnings
    line = text[: text.index("angles")].count("\n") + 1
    message = f"line {line}: [augmentor] angles = [90. 180, 270,] is not a Python literal, at '90. 180'; is a comma missing?"
    assert warning == f"{message}; ignored, because [augmentor] is not used"
    with pytest.raises(InputError) as error:
        read(text.replace("generator       = False", "generator       = True"))
    assert str(error.value).endswith(f"train_eval_infer.config: {message}")


def test_the_generator_turns_our_keys_on():
    published = read_published(AUGMENTED)
    mine = published.configuration
    assert (mine.model.model, mine.model.generator, mine.dataset.shuffle) == ("AttentionUNet", True, True)
    assert (mine.model.optimizer, mine.model.loss) == ("AdamW", {"bce_loss": 1.0})
    assert mine.model.metrics == ("dice_coef", "sensitivity", "specificity")
    assert (mine.train.steps_per_epoch, mine.train.validation_steps) == (40, 10)
    assert (mine.infer.threshold, mine.infer.ksize, mine.tiledinfer.whole_image_weight) == (0.498, 5, 0.5)
    assert (mine.mask.threshold, mine.mask.blur_size) == (80, 3)
    assert (mine.augmentor.angles, mine.augmentor.shears, mine.augmentor.vflip) == ((90, 180, 270), (0.1,), False)
    assert (mine.pincdistortion.amount, mine.sharpening.k, mine.brightening.beta) == (0.4, 0.5, 10)
    # 8 of 128 px are 32 of 512 px; 1300 are 5200, halved until the field does not fold.
    assert mine.deformation.sigmoids == (32.0, 40.0)
    assert mine.deformation.alpha == 1300.0
    assert published.warnings == (
        "line 85: [distortion] distortion_rates = [0.02] is not a known key; similar to distortions; "
        "ignored, because [distortion] is not used",
    )


def test_classes_have_colors_and_a_threshold_of_their_own():
    published = read_published(CLASSES)
    mine = published.configuration
    assert (mine.model.num_classes, mine.model.final_activation, mine.model.metrics) == (3, "softmax", ("dice_coef",))
    assert (mine.infer.algorithm, mine.infer.threshold) == ("otsu", 0.5)
    assert mine.infer.mask_colors == ((0, 128, 0), (255, 255, 255))
    assert mine.image.color_converter == "COLOR_RGB2HSV"
    assert published.warnings == ("line 43: [notebook] color = blue is not in a known section; ignored, with all of [notebook]",)


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ('[segmentation]\ncolorize = True\nwhite = "red"', "infer", "mask_colors", ((255, 0, 0),)),
        ("[segmentation]\nblursize = (7,7)", "infer", "ksize", 7),
        ("[segmentation]\nblursize = (7,7)", "infer", "blur", True),
        ("[mask]\nbinarize = True\nalgorithm = 'cv2.THRESH_TRIANGLE'", "mask", "algorithm", "triangle"),
        ("[mask]\nbinarize = False\nthreshold = 60", "mask", "threshold", 128),
        ("[mask]\nblur = True", "mask", "blur_size", 3),
        ("[model]\ninput_normalize = False\n[dataset]\nimage_normalize = True", "model", "input_normalize", True),
        ("[model]\ninput_normalize = False\n[dataset]\ninput_normalize = True", "model", "input_normalize", False),
        ("[infer]\nthreshold = 0.3", "infer", "threshold", 0.3),
        ("[model]\nactivation = 'swish'", "model", "activation", "silu"),
        ("[model]\n", "model", "clipvalue", 0.2),
        ("[train]\nlearning_rate_reducer = True", "train", "reducer_factor", 0.1),
        ("[test]\nbatch_size = 3\n[eval]\nbatch_size = 2", "eval", "batch_size", 3),
        ("[model]\ngenerator = True\n[generator]\naugmentation = False", "model", "generator", False),
        ("[model]\ngenerator = True\n[generator]\naugmentation = False", "dataset", "shuffle", True),
        ("[model]\ngenerator = True", "augmentor", "hflip", True),
        ("[image]\ncolor_converter = cv2.COLOR_BGR2RGB", "image", "color_converter", None),
    ],
)
def test_values_become_ours(read, text, section, key, value):
    assert getattr(getattr(read(text).configuration, section), key) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[model]\nbase_filter = 8",
            "line 2: [model] base_filter = 8 is not a known key; similar to base_filters, ",
            id="key",
        ),
        pytest.param(
            "[model]\nloss = bce", "line 2: [model] loss = bce is not a Python literal; expected a number, True", id="bare word"
        ),
        pytest.param("[modle]\nloss = 1", "line 2: [modle] loss = 1 is not in a known section; is [model] meant?", id="section"),
        pytest.param(
            "[train]\nepochs = 5\nEpochs = 6", "line 3: [train] epochs = 6 is set already, in line 2; remove one", id="twice"
        ),
        pytest.param("[train]\nepochs = 0", "line 2: [train] epochs = 0 does not fit: Input should be greater than", id="range"),
        pytest.param(
            "[model]\nmodel = 'TensorflowVNet'",
            "line 2: [model] model = 'TensorflowVNet' is not accepted: TensorflowVNet is not a known network; expected one of",
            id="network",
        ),
        pytest.param(
            "[model]\nimage_width = 100\nimage_height = 100",
            "line 2: [model] image_width = 100 does not fit: image_width 100 does not suit num_layers 5",
            id="keys that do not agree",
        ),
        pytest.param(
            "[infer]\nthreshold = 255", "threshold = 255 is not accepted: expected a gray level from 1 to 254", id="level"
        ),
        pytest.param("[infer]\nksize = (5,3)", "ksize = (5,3) is not accepted: expected a square kernel", id="kernel"),
        pytest.param("[mask]\nmask_colors = ['grue']", "mask_colors = ['grue'] is not accepted: unknown color", id="color"),
        pytest.param(
            "[image]\ncolor_converter = 'cv2.COLOR_BGR2LAB'", "is not accepted: expected cv2.COLOR_BGR2HSV", id="converter"
        ),
        pytest.param("epochs = 5", "line 1: 'epochs = 5' is neither a [section] nor a key = value inside one", id="no section"),
        pytest.param(
            "[tiledinfer]\nsplit_sizes = 1",
            "[tiledinfer] split_sizes = 1 is not a known key; similar to split_size",
            id="inference",
        ),
    ],
)
def test_faults_are_reported_with_their_line(read, text, message):
    with pytest.raises(InputError) as error:
        read(text)
    assert message in str(error.value)


@pytest.mark.parametrize("value", ["True", "None", "'x'", "[[1], None]", "1e999", "1+2j", "cv2.X", "{1: 2}", ""])
def test_no_value_of_any_key_escapes_its_check(read, value):
    switches = "\n[augmentor]\nhflip = True\ndeformation = True\npincdistortion = True\n[mask]\nbinarize = True\n"
    for section, key in RULES.keys() | SETTLED:
        text = switches.replace(f"\n{key} = True\n", "\n") + f"[{section}]\n{key} = {value}\n"
        message = f"[{section}] {key} ="
        try:
            read(text if key == "generator" else f"[model]\ngenerator = True\n{text}")
        except InputError as error:
            message = str(error)
        assert f"[{section}] {key} =" in message


def test_all_faults_are_reported_together(read):
    with pytest.raises(InputError) as error:
        read("[model]\nloss = bce\nbase_filter = 1\n[train]\nepochs = 0\n[infer]\nthreshold = 300")
    for beginning in (
        "line 2: [model] loss",
        "line 3: [model] base_filter",
        "line 5: [train] epochs",
        "line 7: [infer] threshold",
    ):
        assert beginning in str(error.value)


def test_unused_values_that_do_not_fit_are_ignored(read):
    published = read("[augmentor]\nshears = [1.5]\nshrinks = [0.5]\nrotations = True\n[sharpening]\nk = 'much'")
    assert (published.configuration.augmentor.shears, published.configuration.augmentor.shrinks) == ((), (0.5,))
    for beginning in ("line 2: [augmentor] shears", "line 4: [augmentor] rotations", "line 6: [sharpening] k"):
        assert any(beginning in warning and "is not used" in warning for warning in published.warnings)
    with pytest.raises(InputError, match=r"line 4: \[augmentor\] shears = \[1.5\] does not fit: shears holds 1.5"):
        read("[model]\ngenerator = True\n[augmentor]\nshears = [1.5]")


def test_nothing_is_dropped_without_a_note():
    for path in FILES:
        published = read_published(path)
        for entry in read_lines(path.read_text())[0]:
            keys = getattr(getattr(published.configuration, entry.section, None), "model_fields_set", set())
            has_note = any(f"[{entry.section}] {entry.key} " in line for line in published.notes + published.warnings)
            assert entry.key in keys or has_note, entry


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_converted_files_are_the_same_configuration(path, tmp_path, capsys):
    assert main(["convert-config", str(path), "--output", str(tmp_path / "converted.toml")]) == 0
    assert load_configuration(str(tmp_path / "converted.toml")) == read_published(path).configuration
    capsys.readouterr()
    assert main(["convert-config", str(path)]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "converted.toml").read_text()
    assert text.startswith(f"# Converted from {path.name} of the published project")
    assert str(path.parent) not in text
    published = read_published(path)
    for line in (*published.notes, *published.warnings):
        assert line in text


def test_comments_stand_above_the_table_that_they_are_about(capsys):
    assert main(["convert-config", str(AUGMENTED)]) == 0
    tables = capsys.readouterr().out.split("\n\n")
    (deformation,) = [table for table in tables if "\n[deformation]\n" in table]
    assert "# [deformation] alpah = 1300 becomes [deformation] alpha =" in deformation


def test_loading_prints_warnings_and_one_line_on_the_rest(capsys):
    assert load_configuration(str(EXPERIMENT)) == read_published(EXPERIMENT).configuration
    warning, rest = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {EXPERIMENT}: line 95: [augmentor] angles")
    assert "see `cesm-segmenter convert-config" in rest


def test_the_data_folder_is_relative_to_the_file_or_to_the_working_folder(data_folder, tmp_path, monkeypatch):
    project = tmp_path / "projects/Mammogram"
    project.mkdir(parents=True)
    path = project / "train_eval_infer.config"
    for file_folder, here in ((project, tmp_path), (tmp_path, project)):
        path = file_folder / "train_eval_infer.config"
        path.write_text('[model]\n[train]\nimage_datapath = "../../set/train/images/"')
        monkeypatch.chdir(here)
        assert read_published(path).data_folder.resolve() == data_folder.resolve()
    path.write_text('[model]\n[train]\nimage_datapath = "../gone/train/images"')
    assert read_published(path).data_folder is None
    path.write_text('[model]\n[eval]\nimage_datapath = "set/test/images"\n[test]\nmask_datapath = "else/test/masks"')
    assert read_published(path).warnings == (
        'line 3: [eval] image_datapath = "set/test/images" is not used; pairs are read from DATASET/valid/images',
    )


def test_missing_files_and_other_encodings_are_reported(tmp_path):
    with pytest.raises(InputError, match=r"absent\.config: cannot be read .*No such file"):
        load_configuration(str(tmp_path / "absent.config"))
    (tmp_path / "bytes.ini").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.ini: cannot be read"):
        load_configuration(str(tmp_path / "bytes.ini"))


def published_run(folder: Path, data: str) -> Path:
    """A tiny configuration that names its data."""
    path = folder / "mine.config"
    path.write_text(f'{SMALL}[train]\nepochs = 1\nbatch_size = 3\nimage_datapath = "{data}/train/images/"\n')
    return path


def test_training_takes_the_data_that_the_file_names(data_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for image in (data_folder / "valid").rglob("*.png"):
        image.unlink()
    assert main(["train", "--config", str(published_run(tmp_path, "./set"))]) == 2
    assert "set: the split valid is empty; found train 6" in capsys.readouterr().err
    assert main(["train", "--config", str(published_run(tmp_path, "./gone"))]) == 2
    assert "names no existing train/images; give DATASET" in capsys.readouterr().err


@pytest.mark.slow
def test_a_published_file_trains_and_evaluates(data_folder, tmp_path, capsys):
    assert main(["train", "--config", str(published_run(tmp_path, "./set"))]) == 0
    assert main(["evaluate", str(data_folder), "--name", "mine"]) == 0
    assert "binary_accuracy" in (data_folder / "runs/mine/evaluation/test/evaluation.csv").read_text()


def test_reading_needs_no_tensorflow():
    program = f"import sys; from segmenter.configuration import load_configuration as load; load({str(EXPERIMENT)!r}); "
    process = subprocess.run([sys.executable, "-c", program + "sys.exit('tensorflow' in sys.modules)"], capture_output=True)
    assert process.returncode == 0, process.stderr


def test_a_deformation_without_lengths_has_the_published_ones(read):
    text = "[model]\ngenerator = True\nimage_width = 256\nimage_height = 256\n[augmentor]\ndeformation = True\n"
    for given in ("", "[deformation]\nalpah = 1300\n"):
        published = read(text + given)
        assert published.configuration.deformation.sigmoids == (16.0,)  # 8 px of 256
        assert (
            published.configuration.deformation.alpha == 325.0
        )  # 1300 px of 256 are 2600 of 512, halved three times: 1.30 * 16^2 = 333
        assert any(note.startswith("[deformation] sigmoids is left out") for note in published.notes)


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        pytest.param(
            '[mask]\nbinarize = True\nalgorithm = "cv2.THRESH_OTSU"\nthreshold = 0', "mask", "algorithm", "otsu", id="no level"
        ),
        pytest.param("[train]\npatience = 0", "train", "patience", 1_000_000, id="no early stopping"),
        pytest.param("[model]\ngenerator = True\n[augmentor]\nshrinks = None", "augmentor", "shrinks", (), id="no shrinks"),
        pytest.param("[infer]\nksize = None", "infer", "ksize", 5, id="no kernel"),
    ],
)
def test_values_that_mean_none_become_none_here(text, section, key, value, read):
    assert getattr(getattr(read(text).configuration, section), key) == value


def test_an_error_over_two_sections_points_at_the_key_that_it_names_first(read):
    text = '[model]\nmodel = "TensorflowUNet"\nimage_channels = 1\n[image]\ncolor_converter = "cv2.COLOR_BGR2HSV"'
    with pytest.raises(InputError, match=r"line [35]: \[(image|model)\] (color_converter|image_channels) = .* does not fit"):
        read(text)
