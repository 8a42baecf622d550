"""Exported models in `infer` and in Python, where neither TensorFlow nor Keras can be imported."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from skips import need_package

from pipeline.files import InputError
from segmenter.cli import main
from segmenter.inference import plan as plans
from segmenter.inference.images import load_predictor
from segmenter.inference.jobs import find_jobs
from segmenter.inference.plan import load_backends
from segmenter.inference.run import infer, inference_identity
from segmenter.models import onnx_models
from segmenter.models.onnx_models import load_onnx_predictor, read_description

ROOT = Path(__file__).resolve().parents[3]
SIDE = 32
WITHOUT_KERAS = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"tensorflow", "keras", "jax", "torch"}:
            raise ImportError(f"{name} is hidden")

sys.meta_path.insert(0, Hidden())
from segmenter.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a data set, with settings of its own, and its export."""
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        need_package(package)
    folder = tmp_path_factory.mktemp("set") / "runs" / "blobs"
    folder.mkdir(parents=True)
    keras.utils.set_random_seed(3)
    pixels = keras.Input((SIDE, SIDE, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="gelu")(keras.layers.Rescaling(1 / 64, -2)(pixels))
    keras.Model(pixels, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)).save(folder / "best_model.keras")
    (folder / "config.toml").write_text("[infer]\nthreshold = 0.45\nsmallest_lesion_px = 4\n[dataset]\nclass_names = ['mass']\n")
    (folder.parents[1] / "recipe.toml").write_text("[dicom]\nwindow = 1\n[source]\nbits = 12\n")
    assert main(["export", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Smooth noise of several sizes."""
    folder, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(1)
    for number, shape in enumerate([(90, 40), (64, 64), (33, 75), (20, 20)]):
        noise = cv2.GaussianBlur(generator.random(shape, np.float32), (0, 0), 3)
        levels = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), levels)
    return folder


def infer_without_keras(*words):
    words = [sys.executable, "-c", WITHOUT_KERAS, "infer", *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120)


def test_masks_are_those_of_the_keras_model_and_neither_keras_nor_tensorflow_is_imported(run, images, tmp_path):
    plan, jobs = plans.plan_of(run), find_jobs([images], None)
    infer(plan, jobs, tmp_path / "keras", inference_identity(plan, jobs))
    options = ["--model", run / "best_model.onnx", "--images", images, "--output", tmp_path / "onnx"]
    done = infer_without_keras(*options)
    assert done.returncode == 0, done.stderr
    assert (infer_without_keras(*options).stdout).startswith(f"{tmp_path / 'onnx'}: inferred already")
    for number in range(4):
        (mask, probability), (other, _) = (
            [
                cv2.imread(str(tmp_path / f"{kind}/{folder}/{number}.png"), cv2.IMREAD_UNCHANGED)
                for folder in ("masks", "probabilities")
            ]
            for kind in ("keras", "onnx")
        )
        clear = np.abs(probability / 65535 - 0.45) > 1e-4
        np.testing.assert_array_equal(mask[clear], other[clear])
        assert 0 < np.count_nonzero(mask) < mask.size
    identities = [json.loads((tmp_path / kind / "inference.json").read_text())["identity"] for kind in ("keras", "onnx")]
    for key in ("infer", "class_names", "source_bits"):
        assert identities[0][key] == identities[1][key], key


def test_the_settings_of_the_run_are_in_the_file_and_can_be_replaced(run):
    plan = plans.plan_of(run / "best_model.onnx", tiled=True)
    assert plan == plans.replace(plans.plan_of(run, tiled=True), model_files=(run / "best_model.onnx",))
    assert (plan.settings.threshold, plan.settings.smallest_lesion_px, plan.class_names) == (0.45, 4, ("mass",))
    assert (plan.dicom.window, plan.source_bits) == (1, 12)
    assert plans.plan_of(run / "best_model.onnx", settings={"infer": {"threshold": 0.3}}).settings.threshold == 0.3
    with pytest.raises(InputError, match=r"best_model.onnx: metadata: threshold: .*less than"):
        plans.plan_of(run / "best_model.onnx", settings={"infer": {"threshold": 3}})


def test_a_file_can_be_used_from_python_and_averaged_with_its_model(run, images):
    segmentations = [load_predictor(run / name).segment(images / "0.png") for name in ("best_model.keras", "best_model.onnx")]
    np.testing.assert_allclose(segmentations[0].probability, segmentations[1].probability, atol=1e-5)
    both = plans.replace(plans.plan_of(run), model_files=(run / "best_model.keras", run / "best_model.onnx"))
    assert plans.load_models(both).predict(np.zeros((1, SIDE, SIDE, 1), np.uint8)).shape == (1, SIDE, SIDE, 1)


def test_files_with_other_names_of_classes_form_no_ensemble(run, images, tmp_path, capsys):
    onnx = need_package("onnx")
    model = onnx.load(run / "best_model.onnx")
    for name, class_names in (("other", ["cyst"]), ("nameless", [])):
        metadata = json.loads(model.metadata_props[0].value) | {"class_names": class_names}
        onnx.helper.set_model_props(model, {"cesm_segmenter": json.dumps(metadata)})
        onnx.save(model, tmp_path / f"{name}.onnx")
    for name, description in (("other", "the classes cyst"), ("nameless", "classes without names")):
        files = [str(run / "best_model.onnx"), str(tmp_path / f"{name}.onnx")]
        assert main(["infer", "--model", *files, "--images", str(images), "--output", str(tmp_path / "out")]) == 2
        message = f"{files[1]}: has {description}, and {files[0]} the classes mass; an ensemble needs models of the same classes"
        assert capsys.readouterr().err == f"error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_other_files_are_refused(run, tmp_path):
    onnx = need_package("onnx")
    (tmp_path / "text.onnx").write_text("nothing")
    with pytest.raises(
        InputError, match=r"text.onnx: cannot be loaded as an ONNX model \(.*\); give a file that `cesm-segmenter"
    ):
        load_onnx_predictor(tmp_path / "text.onnx")
    with pytest.raises(InputError, match=r"absent.onnx: cannot be read \(No such file or directory\)"):
        load_onnx_predictor(tmp_path / "absent.onnx")
    model = onnx.load(run / "best_model.onnx")
    onnx.helper.set_model_props(model, {"cesm_segmenter": "{}"})
    onnx.save(model, tmp_path / "empty.onnx")
    with pytest.raises(InputError, match=r"empty.onnx: metadata: has no network; give a file"):
        read_description(tmp_path / "empty.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(InputError, match=r"foreign.onnx: has no metadata 'cesm_segmenter', by which images are prepared"):
        read_description(tmp_path / "foreign.onnx")
    model = onnx.load(run / "best_model.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 2
    onnx.save(model, tmp_path / "wide.onnx")
    with pytest.raises(InputError, match=r"wide.onnx: (has the input shape|cannot be loaded)"):
        load_onnx_predictor(tmp_path / "wide.onnx")


def test_without_onnxruntime_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("pipeline.files.extras.is_installed", lambda module: module != "onnxruntime")
    with pytest.raises(
        InputError, match=r"onnxruntime, which is needed to run ONNX models, is not installed; run `pip install 'c.*\[onnx\]'`"
    ):
        load_backends([Path("a.onnx")])


def test_a_file_is_recognised_by_its_name():
    assert [onnx_models.is_onnx(Path(name)) for name in ("a.onnx", "A.ONNX", "a.keras", "onnx")] == [True, True, False, False]
