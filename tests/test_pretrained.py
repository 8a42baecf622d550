"""The model that comes with the package: how it is made, and `infer` and Python without another one; by a tiny network."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from inputs import mammogram, small_download
from skips import need_package
from small_sets import make_set

import segmenter
from pipeline.files import InputError, sha256
from segmenter.cli import main
from segmenter.configuration import load_configuration
from segmenter.data.dataset import read_data_set
from segmenter.models.exporting import FORMATS, example_images
from segmenter.models.onnx_models import load_onnx_predictor, read_description
from segmenter.models.saved_models import load_predictor, load_whole
from segmenter.pretrained import packaged

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SETTINGS = {
    "model": {
        "image_width": 16,
        "image_height": 32,
        "image_channels": 3,
        "base_filters": 8,
        "num_layers": 2,
        "optimizer": "AdamW",
        "learning_rate": 0.01,
        "ema_momentum": 0.9,
    },
    "dataset": {"partner": True, "crop": "breast"},
    "train": {"epochs": 2, "batch_size": 4, "patience": 1, "learning_rate_reducer": False, "cosine_decay": True},
    "infer": {"smallest_lesion_px": 3, "augmentation": "flips"},
}
ROW = {"folds": 5, "images": 478, "patients": 178, "dice_mean": 0.612, "dice_mean_low": 0.55, "dice_mean_high": 0.66}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The final training on a tiny set: its data, its run, the folder of the package, and the protocol's modules."""
    for package in FORMATS["onnx"].packages:
        need_package(package)
    root = tmp_path_factory.mktemp("final")
    changes = [("[split]", "[partner]\nuse = true\n[split]")]
    folder = make_set(root, small_download(root / "raw"), changes, variants=["original"]).root
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        entries, final, records = (importlib.import_module(f"protocol.{name}") for name in ("entries", "final", "records"))
        patch.setattr(packaged, "FOLDER", root / "package")
        patch.setattr(records, "FOLDER", root / "quality")
        chosen = [{"threshold_pair": pair, "threshold_single": 0.35} for pair in (0.4, 0.55, 0.45)]
        for path, content in {
            "tiny/folds.json": {str(fold): thresholds for fold, thresholds in enumerate(chosen)},
            "tiny-pair.json": {"row": ROW | {"dice_median": 0.67}},
        }.items():
            (root / "quality" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "quality" / path).write_text(json.dumps(content))
        (root / "package").mkdir()
        data, entry = read_data_set(folder), entries.Entry("tiny", "quick", SETTINGS)
        run = final.train_final(data, entry)
        final.write_package(run, data, "tiny", entry.configuration(), "f" * 64)
        yield SimpleNamespace(data=data, run=run, folder=root / "package", raw=root / "raw", entries=entries, final=final)


@pytest.fixture
def package(made, monkeypatch, tmp_path):
    """The folder of the package's model; the current folder is empty."""
    monkeypatch.setattr(packaged, "FOLDER", made.folder)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return made.folder


def test_every_image_is_trained_on_and_the_last_averaged_weights_are_taken(made):
    versions = json.loads(made.run.versions.read_text())
    assert versions["trained_on"] == [f"P{number}" for number in range(1, 7)]
    assert versions["samples"] == "train 12, valid 4, test 0"
    state = json.loads(made.run.state.read_text())
    assert (state["epoch"], len(state["history"])) == (2, 2), "patience of one epoch ends nothing"
    model = load_whole(made.run.folder / state["checkpoint"])
    model.optimizer.finalize_variable_values(model.trainable_variables)
    packed = load_predictor(made.folder / "cdd-cesm.keras")
    images = example_images(packed, 3)
    np.testing.assert_allclose(packed.predict(images), model.predict(images, verbose=0), atol=1e-3)


def test_the_files_hold_what_inference_needs(made):
    facts = json.loads((made.folder / "cdd-cesm.json").read_text())
    assert (facts["images"], facts["patients"], facts["folds_sha256"]) == (12, 6, "f" * 64)
    expected = {"threshold": 0.45, "threshold_single": 0.35, "smallest_lesion_px": 3, "augmentation": "flips"}
    assert facts["infer"] == expected
    assert facts["cross_validation"] == {"pair": ROW | {"dice_median": 0.67}}
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "cdd-cesm.json",
        "cdd-cesm.keras",
        "cdd-cesm.onnx",
        "model_card.md",
    ]
    for name, digest in facts["sha256"].items():
        assert sha256(made.folder / name) == digest
    description = read_description(made.folder / "cdd-cesm.onnx")
    assert (description.partner, description.crop) == (True, "breast")
    assert {key: description.infer[key] for key in facts["infer"]} == facts["infer"]
    assert description.model_sha256 == facts["sha256"]["cdd-cesm.keras"]
    predictors = load_predictor(made.folder / "cdd-cesm.keras"), load_onnx_predictor(made.folder / "cdd-cesm.onnx")
    one, other = (predictor.predict(example_images(predictor, 3)) for predictor in predictors)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_card_states_data_results_limits_and_licence(made):
    card = (made.folder / "model_card.md").read_text()
    facts = json.loads((made.folder / "cdd-cesm.json").read_text())
    for text in (
        "Not a medical device; for research only.",
        "| images, patients | 12, 6 |",
        "| both images of a view | 5 | 478 | 178 | 0.612 (0.550 to 0.660) | 0.670 |",
        "the model has the moving average of the weights after the last one",
        "Malignant lesions only.",
        "There was no external test",
        "CC BY-NC 4.0",
        "https://doi.org/10.7937/29kw-ae92",
        made.data.identity,
        *facts["sha256"].values(),
        "f" * 64,
    ):
        assert text in " ".join(card.split()), text
    assert max(len(line) for line in card.splitlines() if not line.startswith(("|", "- "))) <= 128


def test_without_folds_the_configuration_gives_the_threshold_and_the_card_has_no_results(made, tmp_path):
    card = importlib.import_module("protocol.card")
    configuration = load_configuration("quick", {"infer": {"threshold": 0.3}})
    assert made.final.settings_of("absent", configuration)["threshold"] == 0.3
    assert made.final.read_cross_validation("absent") == {}
    facts = packaged.Facts(12, 6, {"threshold": 0.3}, {}, "f" * 64, {})
    card.write_card(
        tmp_path / "card.md", made.run, made.data, made.entries.Entry("tiny", "quick", SETTINGS).configuration(), facts
    )
    assert "No results yet" in (tmp_path / "card.md").read_text()
    assert "it has no cross-validation yet" in packaged.Pretrained(Path("a.onnx"), facts).describe()


def test_a_rate_that_falls_by_validation_is_refused(made):
    with pytest.raises(InputError, match=r"\[train\] learning_rate_reducer is on, which lowers the rate by validation"):
        made.final.train_final(made.data, made.entries.Entry("tiny", "quick"))


def test_files_that_are_too_large_leave_the_package_as_it_was(made, monkeypatch):
    before = sha256(made.folder / "cdd-cesm.json")
    monkeypatch.setattr(made.final, "MOST_BYTES", 1000)
    monkeypatch.setattr(made.final, "_write_networks", lambda *_: None)
    with pytest.raises(InputError, match=r"both files have [\d,]+ bytes; expected at most 1,000"):
        made.final.write_package(made.run, made.data, "tiny", load_configuration("quick"), "0" * 64)
    assert sha256(made.folder / "cdd-cesm.json") == before


@pytest.fixture
def images(tmp_path):
    """Images of several sizes and formats in a folder: two views with both kinds, and one image alone."""
    folder, generator = tmp_path / "scans", np.random.default_rng(1)
    folder.mkdir()
    for name, shape in {"P1_L_DM_CC.png": (90, 40), "P1_L_CM_CC.jpg": (90, 40), "P2_R_CM_MLO.png": (64, 50)}.items():
        noise = cv2.GaussianBlur(generator.random(shape, np.float32), (0, 0), 3)
        cv2.imwrite(str(folder / name), cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8))
    for name, kind in {"one": "LOW_ENERGY", "two": "SUBTRACTION"}.items():
        tags = {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", kind], "SOPInstanceUID": f"2.25.{len(kind)}"}
        mammogram(folder / f"{name}.dcm", generator.integers(0, 4095, (70, 44)), StudyInstanceUID="2.25.9", **tags)
    return folder


def tree(folder):
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*"))


def test_a_folder_is_enough(package, images, capsys):
    before = tree(images)
    assert main(["infer", str(images)]) == 0
    out, error = capsys.readouterr()
    assert out == f"predictions-scans: 5 images (4 with both images of their view), {count_lesions()} lesions, 0 skipped\n"
    assert error.startswith(
        "cdd-cesm.onnx, the model of this package: trained on 12 malignant images of 6 patients of CDD-CESM; mean Dice in "
        "cross-validation 0.612 (0.550 to 0.660) for both images of a view\n"
        f"for research only (CC BY-NC 4.0), not a medical device; {package / 'model_card.md'} has its limits\n"
        "warning: 3 of 5 images: the patients may be among those that this model was trained on; "
    )
    assert tree(images) == before
    mask = cv2.imread("predictions-scans/masks/P2_R_CM_MLO.png", cv2.IMREAD_UNCHANGED)
    assert mask.shape == (64, 50)
    assert main(["infer", str(images)]) == 0
    assert capsys.readouterr().out.startswith("predictions-scans: inferred already\n")


def count_lesions():
    return len(Path("predictions-scans/lesions.csv").read_text().splitlines()) - 1


def test_either_file_gives_the_same_masks(package, images, monkeypatch, capsys):
    assert main(["infer", "--images", str(images), "--output", "onnx"]) == 0
    monkeypatch.setattr(packaged, "is_installed", lambda name: name != "onnxruntime")
    assert main(["infer", "--images", str(images), "--output", "keras"]) == 0
    assert "cdd-cesm.keras, the model of this package" in capsys.readouterr().err
    for path in Path("onnx/masks").iterdir():
        one, other = (cv2.imread(f"{folder}/masks/{path.name}", cv2.IMREAD_UNCHANGED) for folder in ("onnx", "keras"))
        assert np.mean(one != other) < 0.01, path


def test_json_holds_what_the_model_is_and_options_replace_its_settings(package, images, capsys):
    assert main(["infer", str(images / "P2_R_CM_MLO.png"), "--threshold", "0.9", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["output"] == "predictions-P2_R_CM_MLO"
    assert (result["images"], result["with_partner"]) == (1, 0)
    assert result["pretrained"]["licence"] == "CC BY-NC 4.0"
    assert result["pretrained"]["cross_validation"]["pair"]["dice_mean"] == 0.612
    infer = json.loads(Path("predictions-P2_R_CM_MLO/inference.json").read_text())["identity"]["infer"]
    assert (infer["threshold"], infer["augmentation"], infer["smallest_lesion_px"]) == (0.9, "flips", 3)


def test_a_data_set_is_predicted_with_a_warning(package, made, capsys):
    assert main(["infer", str(made.data.folder), "--masks-only"]) == 0
    out, error = capsys.readouterr()
    tested = len(made.data.split("test"))
    assert out.startswith(f"predictions-set: {tested} images ({tested} with both images of their view)")
    assert f"warning: {made.data.folder}: no run is named with --name, and the patients may be among those that this" in error


def test_python_loads_it(package, images):
    result = segmenter.load_pretrained(settings={"infer": {"threshold": 0.6}}).segment(images / "P1_L_CM_CC.jpg")
    assert result.mask.shape == (90, 40)
    assert result.partner["status"] == "registered"
    settings = result.predictor.plan.settings
    assert (settings.threshold, settings.augmentation) == (0.6, "flips")


def test_single_images_have_a_threshold_of_their_own(package, images):
    """P2 has one image; a threshold that is given alone is that of single images, too."""
    for name, is_single in (("P1_L_CM_CC.jpg", False), ("P2_R_CM_MLO.png", True)):
        probability = segmenter.load_pretrained().segment(images / name).probability
        low, high = np.quantile(probability[probability > 0], (0.3, 0.7))
        for changes, expected in (
            ({"threshold": high, "threshold_single": low}, low if is_single else high),
            ({"threshold": high}, high),
        ):
            predictor = segmenter.load_pretrained(settings={"infer": {"smallest_lesion_px": 0} | changes})
            mask = predictor.segment(images / name).mask
            assert 0 < mask.mean() < 1
            np.testing.assert_array_equal(mask > 0, probability >= expected)


def test_the_model_that_ships_is_the_one_that_its_facts_and_the_benchmark_state():
    """Its files are whole, both predict the same, and its results are those of the entry's folds."""
    folder = Path(packaged.__file__).parent
    facts = json.loads((folder / "cdd-cesm.json").read_text())
    files = {name: folder / name for name in facts["sha256"]}
    assert {name: sha256(file) for name, file in files.items()} == facts["sha256"]
    assert sum(file.stat().st_size for file in files.values()) < 25_000_000
    for mode, result in facts["cross_validation"].items():
        row = json.loads((BENCHMARKS / "quality" / f"best-{mode}.json").read_text())["row"]
        assert {key: row[key] for key in result} == result, "train it again after the benchmark: quality.py final"
    keras_model = load_predictor(files["cdd-cesm.keras"])
    images = example_images(keras_model, 2)
    expected = keras_model.predict(images)
    assert expected.max() > 0.01
    np.testing.assert_allclose(load_onnx_predictor(files["cdd-cesm.onnx"]).predict(images), expected, atol=2e-3)


def refused(*words):
    return main(["infer", *map(str, words)])


def test_what_cannot_be_done_is_one_line(package, images, tmp_path, capsys, monkeypatch):
    inside = images / "one.dcm"
    cases = {
        "infer: names neither images nor a model; give a file or folder": [],
        "absent: is not there; give a file or folder of images, or a data set": [tmp_path / "absent"],
    }
    for message, words in cases.items():
        assert refused(*words) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    monkeypatch.chdir(images)
    assert refused(inside) == 2
    message = (
        f"--output: is missing, and predictions-one in the current folder, where it would be, lies in {images} with the images"
    )
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in images.iterdir() if path.is_dir()) == []


def test_predictions_of_another_folder_of_the_same_name_are_kept(package, images, tmp_path, capsys):
    other = tmp_path / "more" / "scans"
    other.mkdir(parents=True)
    (other / "P9_L_CM_CC.png").write_bytes((images / "P2_R_CM_MLO.png").read_bytes())
    assert refused(images, "--masks-only") == 0
    assert refused(other, "--masks-only") == 2
    assert "predictions-scans: holds predictions of other images, such as " in capsys.readouterr().err
    assert refused(other, "--masks-only", "--output", "predictions-scans") == 0


@pytest.mark.parametrize("missing", ["cdd-cesm.onnx", "cdd-cesm.json"])
def test_a_copy_without_the_model_states_it(images, tmp_path, monkeypatch, capsys, made, missing):
    empty = tmp_path / "package"
    empty.mkdir()
    for path in made.folder.iterdir():
        if path.name != missing:
            (empty / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(packaged, "FOLDER", empty)
    monkeypatch.chdir(tmp_path)
    assert refused(images) == 2
    message = (
        f"{empty / missing}: is missing, so this copy of the package has no model of its own; choose one with --name or --model"
    )
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_a_network_of_a_run_or_file_takes_no_model_of_the_package(package, made, images, tmp_path, capsys):
    assert refused("--model", made.run.best_model, "--images", images, "--output", tmp_path / "out", "--masks-only") == 0
    assert "the model of this package" not in capsys.readouterr().err
    assert refused(made.data.folder, "--name", made.run.name, "--masks-only", "--images", images) == 0
    assert "the model of this package" not in capsys.readouterr().err


def test_the_model_that_is_in_the_package_is_the_one_of_its_facts():
    """Of the real files, where the final training has written them."""
    folder = Path(packaged.__file__).parent
    if not (folder / "cdd-cesm.json").is_file():
        assert not [path.name for path in folder.iterdir() if path.suffix in (".keras", ".onnx")]
        return
    facts = json.loads((folder / "cdd-cesm.json").read_text())
    card = (folder / "model_card.md").read_text()
    for name, digest in facts["sha256"].items():
        assert sha256(folder / name) == digest
        assert digest in card
    assert sum((folder / name).stat().st_size for name in facts["sha256"]) <= 25_000_000
    predictors = load_predictor(folder / "cdd-cesm.keras"), load_onnx_predictor(folder / "cdd-cesm.onnx")
    one, other = (predictor.predict(example_images(predictor, 1)) for predictor in predictors)
    np.testing.assert_allclose(one, other, atol=1e-3)
