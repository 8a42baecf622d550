"""Inference with a model that takes both images of a view; it returns the other one's levels as probabilities."""

import json
import shutil

import cv2
import keras
import numpy as np
import pytest
from inputs import mammogram
from skips import need_package

from pipeline.files import InputError, read_csv
from segmenter.cli import main
from segmenter.inference.images import load_predictor
from segmenter.models.input_names import input_name, read_input_name, takes_partner
from segmenter.models.saved_models import load_predictor as load_keras

SIDE = 64


def write_model(path, *, partner=True, of_low_energy=True):
    """Writes a model whose probability is the level of the low-energy channel, or of the subtracted one."""
    pixels = keras.Input((SIDE, SIDE, 3), name=input_name(partner=partner))
    channel = 0 if of_low_energy else 1
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels[..., channel : channel + 1])).save(path)
    return path


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "low.keras")


def draw(level, left=20):
    """A breast at the left of 90 x 60 px with a bright disc in it."""
    image = np.zeros((90, 60), np.uint8)
    cv2.ellipse(image, (0, 45), (50, 40), 0, 0, 360, level, -1)
    cv2.circle(image, (left, 45), 8, 250, -1)
    return image


@pytest.fixture
def images(tmp_path):
    """A view whose two images are the same but for a shift and their levels, and an image of another view alone."""
    folder = tmp_path / "images"
    folder.mkdir()
    low = draw(100)
    assert cv2.imwrite(str(folder / "P1_L_DM_CC.png"), low)
    assert cv2.imwrite(str(folder / "P1_L_CM_CC.png"), np.roll(draw(60), 5, axis=0))
    assert cv2.imwrite(str(folder / "P2_L_CM_CC.png"), draw(60))
    return folder


def infer(*words):
    return main(["infer", *(str(word) for word in words)])


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def probability(output, name):
    return read(output / f"probabilities/{name}.png") / 65535 * 255


def test_the_partner_is_found_laid_over_and_listed(model, images, tmp_path, capsys):
    output = tmp_path / "out"
    assert infer("--model", model, "--images", images, "--output", output) == 0
    assert capsys.readouterr().out == f"{output}: 3 images (2 with both images of their view), 2 lesions, 0 skipped\n"
    rows = {row["image"]: row for row in read_csv(output / "partners.csv")}
    assert list(rows) == ["P1_L_CM_CC", "P1_L_DM_CC", "P2_L_CM_CC"]
    subtracted, low, alone = rows.values()
    assert (subtracted["kind"], subtracted["partner"], subtracted["status"]) == ("CM", "P1_L_DM_CC.png", "registered")
    assert [(abs(int(row["dx_px"])) <= 1, int(row["dy_px"])) for row in (subtracted, low)] == [(True, 5), (True, -5)]
    assert float(subtracted["agreement"]) > 0.9
    assert dict(alone) == {"image": "P2_L_CM_CC", "kind": "CM", "status": "missing"} | dict.fromkeys(
        ("partner", "dx_px", "dy_px", "agreement"), ""
    )
    # The low-energy image is that of the view, laid over the subtracted one, and black where it is missing.
    expected = np.roll(read(images / "P1_L_DM_CC.png"), 5, axis=0)
    assert np.abs(probability(output, "P1_L_CM_CC") - expected).mean() < 6
    assert np.abs(probability(output, "P1_L_DM_CC") - read(images / "P1_L_DM_CC.png")).mean() < 6
    assert not probability(output, "P2_L_CM_CC").any()


def test_pictures_show_the_image_itself(images, tmp_path):
    write_model(tmp_path / "cm.keras", of_low_energy=False)
    output = tmp_path / "out"
    assert infer("--model", tmp_path / "cm.keras", "--threshold", "0.999", "--images", images, "--output", output) == 0
    for name in ("P1_L_DM_CC", "P1_L_CM_CC"):
        np.testing.assert_array_equal(read(output / f"overlays/{name}.png")[..., 0], read(images / f"{name}.png"))


def test_an_inference_is_done_until_a_partner_changes(model, images, tmp_path, capsys):
    words = ("--model", model, "--images", images / "P1_L_CM_CC.png", "--output", tmp_path / "out")
    assert infer(*words) == infer(*words, "--json") == 0
    printed = capsys.readouterr().out
    assert json.loads(printed[printed.index("{") :]) == {
        "output": str(tmp_path / "out"),
        "up_to_date": True,
        "images": 1,
        "skipped": [],
        "lesions": 1,
        "without_seg": [],
        "inverted": [],
        "with_partner": 1,
    }
    (images / "P1_L_DM_CC.png").unlink()
    assert infer(*words) == 0
    assert "already" not in capsys.readouterr().out
    assert [row["status"] for row in read_csv(tmp_path / "out/partners.csv")] == ["missing"]
    assert infer("--model", write_model(tmp_path / "one.keras", partner=False), *words[2:]) == 0
    assert not (tmp_path / "out/partners.csv").exists(), "it belongs to the earlier inference"


def test_a_partner_that_cannot_be_read_is_black_and_reported(model, images, tmp_path, capsys):
    (images / "P1_L_DM_CC.png").write_bytes(b"damaged")
    assert infer("--model", model, "--images", images / "P1_L_CM_CC.png", "--output", tmp_path / "out") == 0
    assert f"partner not used: {images / 'P1_L_DM_CC.png'}: starts with b'damaged'" in capsys.readouterr().err
    assert [row["status"] for row in read_csv(tmp_path / "out/partners.csv")] == ["not-an-image"]
    assert not probability(tmp_path / "out", "P1_L_CM_CC").any()


def test_an_image_of_unknown_kind_is_skipped_until_the_kind_is_given(model, images, tmp_path, capsys):
    (images / "P2_L_CM_CC.png").rename(images / "scan.png")
    words = ("--model", model, "--images", images, "--output", tmp_path / "out")
    assert infer(*words) == 0
    assert f"skipped: {images / 'scan.png'}: is not known to be low-energy (DM) or subtracted (CM)" in capsys.readouterr().err
    assert infer(*words, "--kind", "DM") == 0
    assert [row["kind"] for row in read_csv(tmp_path / "out/partners.csv")] == ["CM", "DM", "DM"]
    assert probability(tmp_path / "out", "scan").any()


def test_a_kind_is_refused_where_the_model_takes_any(images, tmp_path, capsys):
    model = write_model(tmp_path / "one.keras", partner=False)
    assert infer("--model", model, "--images", images, "--output", tmp_path / "out", "--kind", "CM") == 2
    assert "--kind CM: the model takes single images of either kind; leave --kind out" in capsys.readouterr().err


def test_tiles_and_views_see_the_partner_too(model, images, tmp_path):
    output = tmp_path / "out"
    assert infer("--model", model, "--images", images, "--output", output, "--tiled", "--augmentation", "flips") == 0
    assert np.abs(probability(output, "P1_L_DM_CC") - read(images / "P1_L_DM_CC.png")).mean() < 6
    assert probability(output, "P1_L_CM_CC").max() > 200
    assert not probability(output, "P2_L_CM_CC").any()


def test_dicom_is_paired_by_tags(model, tmp_path):
    folder = tmp_path / "dicom"
    folder.mkdir()
    types = {"a": "LOW_ENERGY", "b": "SUBTRACTION"}
    for number, (name, kind) in enumerate(types.items()):
        pixels = draw(100 - 40 * number).astype(np.uint16) * 16
        mammogram(folder / name, pixels, ImageType=["DERIVED", "PRIMARY", "", kind], SOPInstanceUID=f"2.25.{number + 1}")
    assert infer("--model", model, "--images", folder / "b", "--output", tmp_path / "out") == 0
    (row,) = read_csv(tmp_path / "out/partners.csv")
    assert (row["kind"], row["partner"], row["status"]) == ("CM", "a", "registered")
    assert probability(tmp_path / "out", "b").max() > 200


def test_images_of_a_data_set_have_the_partners_that_are_in_it(model, views_folder, tmp_path):
    assert infer(views_folder, "--model", model, "--output", tmp_path / "out") == 0
    rows = read_csv(tmp_path / "out/partners.csv")
    assert [row["status"] for row in rows] == ["registered"] * 4
    assert not any(row["dx_px"] for row in rows), "nothing was to be registered"
    partner = read(views_folder / "test/partners/P7_L_CM_CC.png")
    np.testing.assert_allclose(probability(tmp_path / "out", "P7_L_CM_CC"), partner, atol=1)


@pytest.mark.parametrize("given", ["nothing", "folder", "file", "data set alone"])
def test_images_of_a_data_set_get_no_other_image_of_it(model, views_folder, tmp_path, capsys, given):
    shutil.rmtree(views_folder / "test/partners")  # the low-energy image is in test/images, at a scale of its own
    images = views_folder / "test/images"
    words = {
        "nothing": [views_folder],
        "folder": [views_folder, "--images", images],
        "file": [views_folder, "--images", images / "P7_L_CM_CC.png"],
        "data set alone": ["--images", images],
    }
    assert infer(*words[given], "--model", model, "--output", tmp_path / "out") == 0
    assert "(0 with both images of their view)" in capsys.readouterr().out
    assert {row["status"] for row in read_csv(tmp_path / "out/partners.csv")} == {"missing"}
    assert not probability(tmp_path / "out", "P7_L_CM_CC").any()


def test_an_image_of_a_data_set_in_python(model, views_folder, images):
    image = views_folder / "test/images/P7_L_CM_CC.png"
    predictor = load_predictor(model)
    found = predictor.segment(image).partner
    assert (found["status"], "dx_px" in found) == ("registered", False)
    given = predictor.segment(image, partner=read(image)).partner
    assert (given["dx_px"], given["dy_px"]) == (0, 0), "a partner that is given is registered"
    (views_folder / "test/partners/P7_L_CM_CC.png").unlink()
    assert predictor.segment(image).partner["status"] == "missing"


def test_models_that_take_one_image_and_both_do_not_mix(model, images, tmp_path, capsys):
    other = write_model(tmp_path / "one.keras", partner=False)
    assert infer("--model", model, other, "--images", images, "--output", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "one.keras: is for 64 px, 3 channels and 1 class, and" in error
    assert "low.keras for 64 px, 3 channels and 1 class, both images of a view; an ensemble needs" in error


def test_images_in_python(model, images):
    predictor = load_predictor(model)
    path = images / "P1_L_CM_CC.png"
    found = predictor.segment(path)
    assert found.partner["partner"] == "P1_L_DM_CC.png"
    given = predictor.segment(read(path), "P1_L_CM_CC", partner=read(images / "P1_L_DM_CC.png"))
    np.testing.assert_array_equal(given.probability, found.probability)
    assert given.partner["dy_px"] == found.partner["dy_px"] == 5
    alone = predictor.segment(read(path), kind="CM")
    assert not alone.probability.any()
    np.testing.assert_array_equal(alone.image, read(path))
    with pytest.raises(InputError, match=r"image: is not known to be low-energy \(DM\) or subtracted \(CM\)"):
        predictor.segment(read(path))


def test_saving_keeps_the_table_of_partners(model, images, tmp_path):
    predictor = load_predictor(model)
    for name in ("P1_L_CM_CC", "P2_L_CM_CC", "P1_L_CM_CC"):
        predictor.segment(images / f"{name}.png").save(tmp_path / "out")
    assert [row["image"] for row in read_csv(tmp_path / "out/partners.csv")] == ["P2_L_CM_CC", "P1_L_CM_CC"]


def test_a_partner_is_refused_by_a_model_of_single_images(images, tmp_path):
    predictor = load_predictor(write_model(tmp_path / "one.keras", partner=False))
    with pytest.raises(InputError, match="takes single images of either kind; leave partner and kind out"):
        predictor.segment(images / "P1_L_CM_CC.png", partner=images / "P1_L_DM_CC.png")


def test_what_a_model_takes_is_in_its_file(model, tmp_path):
    assert read_input_name(model) == input_name(partner=True)
    assert load_keras(model).partner
    assert takes_partner(input_name(partner=True, crop="breast"))
    assert not takes_partner(input_name(crop="breast"))
    (tmp_path / "no.keras").write_bytes(b"no model")
    assert read_input_name(tmp_path / "no.keras") == read_input_name(tmp_path / "absent.keras") == ""


def test_an_exported_model_takes_the_same(model, images, tmp_path):
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        need_package(package)
    exported = tmp_path / "low.onnx"
    assert main(["export", str(model), "--output", str(exported)]) == 0
    for file, output in ((model, "keras"), (exported, "onnx")):
        assert infer("--model", file, "--images", images, "--output", tmp_path / output) == 0
    assert (tmp_path / "onnx/partners.csv").read_bytes() == (tmp_path / "keras/partners.csv").read_bytes()
    for name in ("P1_L_DM_CC", "P1_L_CM_CC", "P2_L_CM_CC"):
        np.testing.assert_allclose(probability(tmp_path / "onnx", name), probability(tmp_path / "keras", name), atol=0.1)


def test_crops_of_views_hold_the_partner_too(images, tmp_path):
    pixels = keras.Input((64, 40, 3), name=input_name(partner=True, crop="breast"))
    keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels[..., :1])).save(tmp_path / "crop.keras")
    output = tmp_path / "out"
    assert infer("--model", tmp_path / "crop.keras", "--images", images, "--output", output) == 0
    assert [row["status"] for row in read_csv(output / "partners.csv")] == ["registered", "registered", "missing"]
    expected = np.roll(read(images / "P1_L_DM_CC.png"), 5, axis=0)
    assert np.abs(probability(output, "P1_L_CM_CC") - expected).mean() < 8
    assert not probability(output, "P2_L_CM_CC").any()
