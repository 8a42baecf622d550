import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pydicom
import pytest
from inputs import mammogram
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pipeline.files import InputError
from pipeline.sources import DicomOptions
from segmenter.cli import main
from segmenter.configuration import InferSettings, TiledInferSettings
from segmenter.data.dataset import read_data_set
from segmenter.inference.jobs import Job, find_jobs, name_outputs
from segmenter.inference.lesion_table import read_lesions
from segmenter.inference.plan import Plan
from segmenter.inference.run import infer, inference_identity, read_result
from segmenter.pictures import GROUND_TRUTH_BGR, PREDICTION_BGR


def write_model(path, factor=1 / 255, side=64):
    """Writes a model that takes gray levels as probabilities."""
    pixels = keras.Input((side, side, 1))
    keras.Model(pixels, keras.layers.Rescaling(factor)(pixels)).save(path)
    return path


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "gray.keras")


@pytest.fixture
def class_model(tmp_path):
    """A model that predicts background up to 85, class 1 up to 170, then class 2, with probabilities of 0.8, 0.7 and 0.8."""
    pixels = keras.Input((64, 64, 1))
    level = keras.layers.Rescaling(1 / 255)(pixels)
    steps = [keras.layers.Rescaling(1e4, -1e4 * cut)(level) for cut in (1 / 3, 2 / 3)]
    first, second = (keras.layers.Activation("hard_sigmoid")(step) for step in steps)
    classes = [keras.layers.Rescaling(-0.6, 0.8)(first)]
    classes += [keras.layers.Rescaling(0.6, 0.1)(keras.layers.Subtract()([first, second]))]
    classes += [keras.layers.Rescaling(0.7, 0.1)(second)]
    keras.Model(pixels, keras.layers.Concatenate()(classes)).save(tmp_path / "classes.keras")
    return tmp_path / "classes.keras"


def plan_for(*models, tiled=None, class_names=(), **settings):
    return Plan(models, InferSettings(batch_size=2, **settings), tiled, class_names)


def run(model, jobs, output, **settings):
    plan = plan_for(model, **settings)
    return infer(plan, jobs, output, inference_identity(plan, jobs))


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def spot(height, width):
    """A dim image with a bright ellipse, which stays bright when the model sees it small."""
    image = np.full((height, width), 20, np.uint8)
    cv2.ellipse(image, (width // 3, height // 2), (width // 5, height // 6), 0, 0, 360, 230, -1)
    return image


def write_dicom(path, pixels):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PresentationIntentType, dataset.PhotometricInterpretation = "MG", "FOR PRESENTATION", "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = (pixels.astype(np.uint32) * 4095 // 255).astype(np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)


def test_dicom_is_read_as_the_plan_says(model, tmp_path):
    path = tmp_path / "a.dcm"
    write_dicom(path, np.full((64, 64), 100))
    dataset = pydicom.dcmread(path)
    dataset.WindowCenter, dataset.WindowWidth = [2048, 1606], [4096, 10]  # the second shows the image's level as medium gray
    dataset.save_as(path)
    levels = []
    for window in (0, 1):
        plan = replace(plan_for(model), dicom=DicomOptions(window=window))
        jobs = find_jobs([path], None)
        infer(plan, jobs, tmp_path / f"out{window}", inference_identity(plan, jobs))
        levels.append(read(tmp_path / f"out{window}/probabilities/a.png")[32, 32] / 65535)
    assert levels == pytest.approx([100 / 255, 0.5], abs=0.06)
    assert len({str(inference_identity(replace(plan, dicom=DicomOptions(window=window)), jobs)) for window in (0, 1)}) == 2


def test_images_of_any_size_come_back_at_their_size(model, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    shapes = {"tall": (171, 90), "wide": (90, 203), "tiny": (21, 17), "dicom": (150, 101)}
    for name, shape in shapes.items():
        if name == "dicom":
            write_dicom(folder / "dicom.dcm", spot(*shape))
        else:
            cv2.imwrite(str(folder / f"{name}.png"), spot(*shape))
    result = run(model, find_jobs([folder], None), tmp_path / "out")
    assert (result.skipped, result.lesions) == ([], 4)
    for name, shape in shapes.items():
        mask = cv2.imread(str(tmp_path / f"out/masks/{name}.png"), cv2.IMREAD_UNCHANGED)
        probability = cv2.imread(str(tmp_path / f"out/probabilities/{name}.png"), cv2.IMREAD_UNCHANGED)
        assert cv2.imread(str(tmp_path / f"out/overlays/{name}.png")).shape == (*shape, 3)
        assert mask.shape == probability.shape == shape
        assert (mask.dtype, probability.dtype) == (np.uint8, np.uint16)
        np.testing.assert_array_equal(np.unique(mask), [0, 255])
        np.testing.assert_array_equal(mask == 255, probability >= 32768)
        ground_truth = spot(*shape) == 230
        assert 2 * ((mask == 255) & ground_truth).sum() / ((mask == 255).sum() + ground_truth.sum()) > 0.9, name


def test_masks_only_writes_the_same_masks_and_no_pictures(class_model, two_levels, tmp_path):
    job, _ = two_levels
    for name, only in (("all", False), ("only", True)):
        assert run(class_model, [job], tmp_path / name, masks_only=only).lesions == 2
    written = sorted(path.relative_to(tmp_path / "only").as_posix() for path in (tmp_path / "only").rglob("*") if path.is_file())
    assert written == ["inference.json", "lesions.csv", "masks/image.png"]
    for name in written[1:]:
        assert (tmp_path / "only" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()


def test_masks_only_and_colors_exclude_each_other():
    with pytest.raises(ValueError, match="masks_only and mask_colorize are both on, but colored masks are pictures"):
        InferSettings(masks_only=True, mask_colorize=True)


@pytest.fixture
def two_levels(tmp_path):
    """A dark image with a gray block and a white one, 8 px apart, and its classes."""
    image = np.zeros((64, 128), np.uint8)
    image[16:48, 16:56], image[16:48, 64:120] = 128, 255
    cv2.imwrite(str(tmp_path / "image.png"), image)
    return Job("image", tmp_path / "image.png"), np.digitize(image, [85, 170])


def test_several_classes_are_distinguished(class_model, two_levels, tmp_path):
    job, ground_truth = two_levels
    cv2.imwrite(str(tmp_path / "ground_truth.png"), ground_truth)
    job = Job("image", job.image, tmp_path / "ground_truth.png")
    assert run(class_model, [job], tmp_path / "out", mask_colorize=True).lesions == 2
    mask = read(tmp_path / "out/masks/image.png")
    assert (mask == ground_truth).mean() > 0.96
    np.testing.assert_array_equal(np.unique(mask), [0, 1, 2])
    probability = read(tmp_path / "out/probabilities/image.png")
    assert probability[32, 30] == pytest.approx(0.8 * 65535, abs=2)  # of any lesion: class 1 and class 2
    assert probability[2, 2] == pytest.approx(0.2 * 65535, abs=2)
    colorized, merged = (read(tmp_path / f"out/{folder}/image.png") for folder in ("colorized", "merged"))
    pixels = [(2, 2), (32, 30), (32, 90)]
    assert [colorized[pixel].tolist() for pixel in pixels] == [[0, 0, 0], [0, 255, 0], [255, 255, 255]]
    assert [merged[pixel].tolist() for pixel in pixels] == [[0, 0, 0], [77, 179, 77], [255, 255, 255]]
    rows = read_lesions(tmp_path / "out")
    assert [(row["lesion"], row["class"]) for row in rows] == [("1", "malignant"), ("2", "benign")]
    overlay = read(tmp_path / "out/overlays/image.png")
    assert {tuple(pixel) for pixel in overlay.reshape(-1, 3).tolist()} >= {(0, 255, 0), (255, 255, 255)}


def test_classes_and_colors_have_the_names_and_levels_of_the_run(class_model, two_levels, tmp_path):
    colors, names = ((10, 20, 30), (40, 50, 60)), ("cyst", "mass")
    run(class_model, [two_levels[0]], tmp_path / "out", mask_colorize=True, mask_colors=colors, class_names=names)
    assert read(tmp_path / "out/colorized/image.png")[32, 30].tolist() == [30, 20, 10]
    assert {row["class"] for row in read_lesions(tmp_path / "out")} == {"cyst", "mass"}


def test_tiles_keep_a_lesion_that_one_pass_over_the_whole_image_loses(model, tmp_path):
    image = np.zeros((300, 500), np.uint8)
    image[100:103, 200:203] = 255  # a ninth of a pixel of the letterboxed image
    cv2.imwrite(str(tmp_path / "image.png"), image)
    jobs = [Job("image", tmp_path / "image.png")]
    assert run(model, jobs, tmp_path / "whole").lesions == 0
    assert run(model, jobs, tmp_path / "tiled", tiled=TiledInferSettings()).lesions == 1
    np.testing.assert_array_equal(read(tmp_path / "tiled/masks/image.png"), image)
    np.testing.assert_array_equal(read(tmp_path / "tiled/probabilities/image.png"), image.astype(int) * 257)
    row = read_lesions(tmp_path / "tiled")[0]
    assert (row["area_px"], row["box_left"], row["box_top"], row["centre_x"]) == ("9", "200", "100", "201.0")


def test_models_and_views_are_averaged(model, tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), np.full((64, 64), 255, np.uint8))
    jobs = [Job("image", tmp_path / "image.png")]
    plan = plan_for(model, write_model(tmp_path / "half.keras", 0.5 / 255), augmentation="turns")
    infer(plan, jobs, tmp_path / "out", inference_identity(plan, jobs))
    np.testing.assert_allclose(read(tmp_path / "out/probabilities/image.png"), 0.75 * 65535, atol=1)


def test_models_that_do_not_fit_together_are_an_error(model, tmp_path):
    plan = plan_for(model, write_model(tmp_path / "small.keras", side=32))
    with pytest.raises(InputError, match=r"small.keras: is for 32 px, 1 channel and 1 class, and .*gray.keras for 64 px"):
        infer(plan, [], tmp_path / "out", {})


def test_the_default_is_the_originals_of_test_with_their_ground_truth(model, data_folder, tmp_path, write_pair, draw_pair):
    write_pair(data_folder, "test", "flipped_P10_L_CM_CC", *draw_pair(1))
    data = read_data_set(data_folder)
    jobs = find_jobs([], data)
    assert [job.name for job in jobs] == ["P10_L_CM_CC", "P11_L_CM_CC", "P12_L_CM_CC"]
    assert find_jobs([data_folder / "test/images"], data) == jobs
    run(model, jobs, tmp_path / "out", threshold=0.1)
    overlay = cv2.imread(str(tmp_path / "out/overlays/P10_L_CM_CC.png"))
    assert {tuple(pixel) for pixel in overlay.reshape(-1, 3).tolist()} >= {PREDICTION_BGR, GROUND_TRUTH_BGR}
    rows = read_lesions(tmp_path / "out")
    assert [row["image"] for row in rows] == [job.name for job in jobs]


def test_a_bad_image_is_reported_and_skipped(model, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("not an image")
    cv2.imwrite(str(tmp_path / "good.png"), spot(40, 40))
    result = run(model, find_jobs([tmp_path / "bad.jpg", tmp_path / "good.png"], None), tmp_path / "out")
    assert len(result.skipped) == 1
    assert (tmp_path / "out/masks/good.png").is_file()
    errors = capsys.readouterr().err
    assert f"skipped: {tmp_path / 'bad.jpg'}: starts with b'not an i', which is not JPEG, PNG or TIFF" in errors


def test_only_bad_images_are_an_error(model, tmp_path):
    (tmp_path / "bad.jpg").write_text("not an image")
    with pytest.raises(InputError, match=r"none of the 1 images can be predicted; the first: .*bad.jpg: starts with"):
        run(model, find_jobs([tmp_path / "bad.jpg"], None), tmp_path / "out")


def test_an_earlier_inference_is_recognised_and_replaced(model, tmp_path):
    for name in ("one", "two"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), spot(40, 40))
    first, second = [Job("one", tmp_path / "one.png")], [Job("two", tmp_path / "two.png")]
    result = run(model, first, tmp_path / "out", mask_colorize=True)
    plan = plan_for(model, mask_colorize=True)
    assert read_result(tmp_path / "out", inference_identity(plan, first)) == result
    assert read_result(tmp_path / "out", inference_identity(plan, second)) is None
    run(model, second, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["two.png"] * 3


def write_as_the_previous_version(output, result):
    """Turns the folder of an inference into one of the previous version, which wrote findings.csv."""
    rows = read_lesions(output)
    (output / "lesions.csv").unlink()
    lines = ["image,finding,class", *(f"{row['image']},{row['lesion']},{row['class']}" for row in rows)]
    (output / "findings.csv").write_text("\n".join(lines) + "\n")
    identity = json.loads((output / "inference.json").read_text())["identity"]
    report = {"skipped": result.skipped, "findings": result.lesions, "without_seg": result.without_seg}
    (output / "inference.json").write_text(json.dumps({"identity": identity, "report": report}))


def test_a_folder_of_the_previous_version_is_recognised_and_its_table_replaced(model, tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), spot(40, 40))
    jobs, output = [Job("one", tmp_path / "one.png")], tmp_path / "out"
    result = run(model, jobs, output)
    write_as_the_previous_version(output, result)
    assert read_result(output, inference_identity(plan_for(model), jobs)) == result
    assert read_lesions(output) == [{"image": "one", "lesion": "1", "class": "lesion"}]
    run(model, jobs, output, threshold=0.4)
    assert not (output / "findings.csv").exists()
    assert len(read_lesions(output)) == 1


def test_ground_truth_that_cannot_be_read_is_an_error(model, tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), spot(40, 40))
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((40, 40, 3), (0, 0, 255), np.uint8))
    with pytest.raises(InputError, match=r"mask.png: is colored, for example red 255 green 0 blue 0; write it again"):
        run(model, [Job("one", tmp_path / "one.png", tmp_path / "mask.png")], tmp_path / "out")


def test_everything_that_changes_the_result_is_in_the_identity(model, tmp_path):
    other = write_model(tmp_path / "other.keras", 0.5 / 255)
    plans = [
        plan_for(model),
        plan_for(other),
        plan_for(model, other),
        plan_for(model, tiled=TiledInferSettings()),
        plan_for(model, tiled=TiledInferSettings(overlapping=8)),
        plan_for(model, class_names=("mass",)),
        plan_for(model, threshold=0.4),
        plan_for(model, algorithm="otsu"),
        plan_for(model, augmentation="flips"),
        plan_for(model, blur=True),
        plan_for(model, smallest_lesion_px=3),
        plan_for(model, mask_colorize=True),
        plan_for(model, mask_colors=((1, 2, 3),)),
    ]
    identities = [json.dumps(inference_identity(plan, [])) for plan in plans]
    assert len(set(identities)) == len(plans)
    slower = Plan((model,), InferSettings(batch_size=1))
    assert json.dumps(inference_identity(slower, [])) == identities[0]


def test_options_override_the_run_s_configuration(model, data_folder, tmp_path, capsys):
    """The lesion is at 220 of 255, the rest at 40."""
    folders = [data_folder / "runs" / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "best_model.keras").write_bytes(model.read_bytes())
    config = "[infer]\nthreshold = 0.9\nmask_colors = [[1, 2, 3]]\n[tiledinfer]\noverlapping = 20\n"
    (folders[0] / "config.toml").write_text(config)
    (folders[1] / "config.toml").write_text("")

    def output_of(*options):
        assert main(["infer", str(data_folder), *options]) == 0
        return capsys.readouterr().out

    assert "3 images, 0 lesions" in output_of("--name", "one")
    assert "3 images, 3 lesions" in output_of("--name", "one", "--threshold", "otsu", "--colorize")
    assert "inferred already" in output_of("--name", "one", "--threshold", "otsu", "--colorize")
    assert read(folders[0] / "predictions/colorized/P10_L_CM_CC.png").max() == 3
    options = ["--tiled", "--threshold", "0.5", "--augmentation", "flips", "--smallest-lesion", "500"]
    assert "3 images, 0 lesions" in output_of("--name", "one", "two", *options)
    identity = json.loads((folders[0] / "predictions-ensemble/inference.json").read_text())["identity"]
    assert len(identity["models_sha256"]) == 2
    assert identity["tiledinfer"]["overlapping"] == 20
    keys = ("threshold", "algorithm", "augmentation", "smallest_lesion_px", "mask_colorize")
    assert [identity["infer"][key] for key in keys] == [0.5, None, "flips", 500, False]
    (folders[1] / "config.toml").write_text("[dataset]\nclass_names = ['mass']")
    assert main(["infer", str(data_folder), "--name", "one", "two"]) == 2
    assert "two/config.toml: has the classes mass, and " in capsys.readouterr().err


def test_names_of_outputs_differ_where_stems_do_not(tmp_path):
    paths = [tmp_path / "a/1-1.dcm", tmp_path / "b/c/1-1.dcm", tmp_path / "a/other.png", tmp_path / "x.png", tmp_path / "x.jpg"]
    assert name_outputs(paths) == {
        "a__1-1.dcm": paths[0],
        "b__c__1-1.dcm": paths[1],
        "other": paths[2],
        "x.png": paths[3],
        "x.jpg": paths[4],
    }
    with pytest.raises(InputError, match=r"x.png: its outputs would be named x.png, like those of .*/x.png.jpg; rename one of"):
        name_outputs([tmp_path / "x.png.jpg", tmp_path / "x.png", tmp_path / "x.jpg"])


def test_folders_that_are_not_looked_into_are_named(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").touch()
    (tmp_path / "images/linked").symlink_to(tmp_path)
    assert [job.name for job in find_jobs([tmp_path / "images"], None)] == ["a"]
    message = f"passed over: {tmp_path / 'images/linked'}: is a link to a folder; give it as well to predict its images"
    assert message in capsys.readouterr().err


def test_paths_without_images_are_an_error(tmp_path):
    with pytest.raises(InputError, match=r"--images .*/absent: is not there"):
        find_jobs([tmp_path / "absent"], None)
    with pytest.raises(InputError, match=r"holds no images; expected \.dcm, \.dicom, .*, or DICOM of any name"):
        find_jobs([tmp_path], None)


def test_new_or_changed_ground_truth_is_noticed(tmp_path, model):
    for name in ("image.png", "ground_truth.png", "other.png"):
        cv2.imwrite(str(tmp_path / name), spot(32, 32))
    masks = [None, tmp_path / "ground_truth.png", tmp_path / "other.png"]
    jobs = [[Job("a", tmp_path / "image.png", mask)] for mask in masks]
    identities = [json.dumps(inference_identity(plan_for(model), job)) for job in jobs]
    assert len(set(identities)) == 3


def test_outputs_below_the_images_are_not_images_of_the_next_inference(tmp_path, model):
    cv2.imwrite(str(tmp_path / "a.png"), spot(32, 32))
    output = tmp_path / "out"
    jobs = find_jobs([tmp_path], None, output)
    run(model, jobs, output)
    assert (output / "masks/a.png").is_file()
    assert find_jobs([tmp_path], None, output) == jobs


def write_mammograms(folder, **tags):
    """Two mammograms of other sizes, each of its own series, whose bright ellipse is in the left of the breast."""
    folder.mkdir()
    for number, shape in enumerate([(171, 90), (90, 203)], 1):
        identity = {
            "SOPInstanceUID": f"2.25.{number}0",
            "StudyInstanceUID": "2.25.1",
            "SeriesInstanceUID": f"2.25.{number}1",
            "FrameOfReferenceUID": f"2.25.{number}2",
        }
        mammogram(folder / f"{number}.dcm", spot(*shape).astype(np.uint16) * 16, **identity | tags)
    return folder


def infer_command(model, images, output, *options):
    return main(["infer", "--model", str(model), "--images", str(images), "--output", str(output), *options])


def test_dicom_images_get_dicom_seg_in_addition_to_masks(model, tmp_path, capsys):
    from highdicom.seg import segread

    images, output = write_mammograms(tmp_path / "images"), tmp_path / "out"
    cv2.imwrite(str(images / "other.png"), spot(40, 40))
    assert infer_command(model, images, output) == 0
    assert "3 images, 3 lesions, 0 skipped" in capsys.readouterr().out
    written = sorted(path.name for path in (output / "segmentations").iterdir())
    assert written == ["1_binary.dcm", "1_fractional.dcm", "2_binary.dcm", "2_fractional.dcm"]
    for name in ("1", "2"):
        binary, fractional = (segread(output / f"segmentations/{name}_{kind}.dcm") for kind in ("binary", "fractional"))
        mask, probability = (read(output / f"{folder}/{name}.png") for folder in ("masks", "probabilities"))
        assert mask.any()
        np.testing.assert_array_equal(binary.get_pixels_by_source_instance([f"2.25.{name}0"])[0, ..., 0], mask // 255)
        pixels = fractional.get_pixels_by_source_instance([f"2.25.{name}0"])[0, ..., 0]
        np.testing.assert_allclose(pixels, probability / 65535, atol=1 / 255)
        assert binary.FrameOfReferenceUID == f"2.25.{name}2"
        algorithm = binary.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
        assert algorithm.AlgorithmName.startswith("cesm-segmenter functional")
        assert "threshold=0.5,algorithm=None" in algorithm.AlgorithmParameters
    before = {path: path.read_bytes() for path in (output / "segmentations").iterdir()}
    assert infer_command(model, images, tmp_path / "again", "--colorize") == 0
    assert all((tmp_path / "again/segmentations" / path.name).read_bytes() == data for path, data in before.items())
    (images / "1.dcm").unlink()
    assert infer_command(model, images, output) == 0
    assert sorted(path.name for path in (output / "segmentations").iterdir()) == ["2_binary.dcm", "2_fractional.dcm"]


def test_several_classes_are_segments_of_one_seg(class_model, tmp_path):
    from highdicom.seg import segread

    images = write_mammograms(tmp_path / "images")
    assert infer_command(class_model, images, tmp_path / "out") == 0
    seg = segread(tmp_path / "out/segmentations/1_binary.dcm")
    assert [segment.segment_label for segment in seg.SegmentSequence] == ["benign", "malignant"]
    pixels, mask = seg.get_pixels_by_source_instance(["2.25.10"])[0], read(tmp_path / "out/masks/1.png")
    for index in range(2):
        np.testing.assert_array_equal(pixels[..., index], mask == index + 1)


def test_a_dicom_image_that_cannot_carry_a_seg_is_reported_and_keeps_its_pngs(model, tmp_path, capsys):
    images, output = write_mammograms(tmp_path / "images", SeriesInstanceUID=None), tmp_path / "out"
    message = f"no SEG: {images / '1.dcm'}: has no SeriesInstanceUID, by which a SEG refers to its image"
    for _ in range(2):  # the second time it is inferred already
        assert infer_command(model, images, output, "--strict") == 0
        assert message in capsys.readouterr().err
    assert (output / "masks/1.png").is_file()
    assert not (output / "segmentations").exists()


def test_without_highdicom_one_line_says_what_to_install(model, tmp_path, capsys, monkeypatch):
    images, output = write_mammograms(tmp_path / "images"), tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("segmenter.inference.dicom_seg.can_write", lambda: False)
        assert infer_command(model, images, output) == 0
    line = "no SEG: highdicom is not installed, so DICOM images get PNGs only; run `pip install 'cesm-segmentation[dicom]'`"
    lines = capsys.readouterr().err.splitlines()
    assert lines.count(line) == 1
    assert lines.index(line) < min(index for index, text in enumerate(lines) if text.startswith("inferring")), "printed too late"
    assert (output / "masks/2.png").is_file()
    assert not (output / "segmentations").exists()
    assert infer_command(model, images, output) == 0  # installed by now: the SEGs are still to come
    assert len(list((output / "segmentations").iterdir())) == 4


def test_other_images_need_no_dicom_package(model, tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "image.png"), spot(40, 40))
    for package in ("pydicom", "highdicom"):
        monkeypatch.setitem(sys.modules, package, None)  # importing it is an error now
    jobs = [Job("image", tmp_path / "image.png")]
    assert run(model, jobs, tmp_path / "out").lesions == 1
    assert "segmentations" not in inference_identity(plan_for(model), jobs)


def test_links_that_lead_back_to_themselves_are_left_to_their_reader(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "loop.png").symlink_to("loop.png")
    (tmp_path / "out").mkdir()
    assert [job.name for job in find_jobs([tmp_path / "images"], None, tmp_path / "out")] == ["loop"]


def test_names_with_control_characters_are_refused_before_anything_is_written():
    with pytest.raises(InputError, match=r"images/a\\x1bb.png': its name holds a control character.*rename it"):
        name_outputs([Path("images/a\x1bb.png")])


def test_a_mark_with_other_keys_is_read(tmp_path):
    identity = {"images": [["a"]]}
    mark = {"identity": identity, "result": {"skipped": [], "lesions": 3, "without_seg": [], "extra": 1}}
    (tmp_path / "inference.json").write_text(json.dumps(mark))
    assert read_result(tmp_path, identity).lesions == 3
