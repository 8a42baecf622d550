"""Some hundreds of damaged inputs: each ends as a result, a reject or one line, never in another error, a warning or a hang."""

import csv
import io
import json
import random
import resource
import shutil
import signal
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest
from faults.damage import damage_bytes, damage_json, damage_text
from inputs import REGIONS, TABLE, mammogram, small_recipe
from small_sets import make_set

from pipeline import stages
from pipeline.annotations import find_annotations, read_annotations
from pipeline.audit import audit
from pipeline.cli import main
from pipeline.contract import MaskError, SourceError
from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.exporting import export
from pipeline.files import InputError
from pipeline.recipe import load_recipe
from pipeline.sources import read_header, read_image, read_mask
from pipeline.workers import Inline
from segmenter.configuration.loading import load_configuration
from segmenter.data.dataset import read_data_set
from segmenter.inference.outputs import clear_outputs

SECONDS = 10  # of computing; a run that waits for something is stopped after a minute
MEGABYTES = 500  # by which one input may raise the peak of memory
ALLOWED = (InputError, SourceError, MaskError)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data set with all its state, next to its sources."""
    folder = make_set(tmp_path_factory.mktemp("made"))
    stages.stats(folder)
    stages.audit(folder)
    export(folder, "hf", None, {})
    return folder


def use_folder(root: Path) -> None:
    """Runs all that reads a data set folder; each part may refuse it."""
    recipe = root.parent / "small.toml"
    for part in (
        lambda: stages.index(DatasetFolder(root), load_recipe(str(recipe)), root.parent / "raw", None, Inline()),
        lambda: stages.split(DatasetFolder(root)),
        lambda: stages.variants(DatasetFolder(root), Inline(), fused=True),
        lambda: audit(root, executor=Inline()),
        lambda: stages.audit(DatasetFolder(root), Inline()),
        lambda: export(DatasetFolder(root), "hf", None, {}),
        lambda: read_data_set(root),
    ):
        tolerate(part)


def tolerate(part) -> None:
    """Runs a part within time and memory; errors that a user understands are fine, and are one line."""
    signal.signal(signal.SIGPROF, _late)
    signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(60)
    message, peak = "", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            part()
    except ALLOWED as error:
        message = str(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    assert "\n" not in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MEGABYTES * 1024  # in KiB, on Linux


def _late(*_):
    raise AssertionError(f"took longer than {SECONDS} s")


def images(folder: Path) -> dict[str, bytes]:
    """One small file of each format that is read."""
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    small = (pixels >> 8).astype(np.uint8)
    files = {}
    for name, array, options in (
        ("a.jpg", small, []),
        ("p.jpg", small, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        ("a.png", small, []),
        ("d.png", pixels, []),
        ("a.tif", small, []),
        ("d.tif", pixels, []),
    ):
        cv2.imwrite(str(folder / name), array, options)
        files[name] = (folder / name).read_bytes()
    for name, syntax in {"a.dcm": "1.2.840.10008.1.2.1", "i.dcm": "1.2.840.10008.1.2.1"}.items():
        files[name] = mammogram(folder / name, (pixels >> 4), syntax).read_bytes()
    return files


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_damaged_images_and_masks_are_refused_or_read(tmp_path, seed, capfd):
    rng, count = random.Random(seed), 0
    for name, data in images(tmp_path).items():
        for _, damaged in damage_bytes(data, rng):
            path = tmp_path / f"x{name}"
            path.write_bytes(damaged)
            tolerate(lambda path=path: read_header(path))
            tolerate(lambda path=path: read_image(path))
            tolerate(lambda damaged=damaged: read_mask(damaged))
            count += 1
    assert count == 8 * 12
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", [TABLE, REGIONS, "via.json", "coco.json"])
def test_damaged_annotations_are_refused_or_read(tmp_path, made, name):
    rng, count = random.Random(4), 0
    for source in (TABLE, REGIONS):
        shutil.copyfile(made.root.parent / "raw" / source, tmp_path / source)
    whole = {
        "via.json": json.dumps(
            {
                "a": {
                    "filename": "P1_L_DM_CC.jpg",
                    "size": 9,
                    "regions": [{"shape_attributes": {"name": "circle", "cx": 1, "cy": 2, "r": 3}}],
                }
            }
        ),
        "coco.json": json.dumps(
            {
                "images": [{"id": 1, "file_name": "P1_L_DM_CC.jpg", "width": 40, "height": 60}],
                "categories": [{"id": 1, "name": "lesion"}],
                "annotations": [
                    {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8]}
                ],
            }
        ),
    }
    text = whole.get(name) or (tmp_path / name).read_text()
    layout = load_recipe("v2").layout
    kinds = [damage_bytes(text.encode(), rng), damage_text(text, rng)] + ([damage_json(text, rng)] if name in whole else [])
    for kind in kinds:
        for _, damaged in kind:
            (tmp_path / name).write_bytes(damaged)
            tolerate(lambda: read_annotations(find_annotations(tmp_path, layout), tmp_path, layout))
            count += 1
    assert count >= 32


def test_damaged_workbooks_are_refused_or_read(tmp_path, made):
    rng, count = random.Random(7), 0
    raw, path = made.root.parent / "raw", tmp_path / "table.xlsx"
    shutil.copyfile(raw / REGIONS, tmp_path / REGIONS)
    book = openpyxl.Workbook()
    with (raw / TABLE).open(newline="") as file:
        for row in csv.reader(file):
            book.active.append(row)
    book.save(path)
    whole, layout = path.read_bytes(), load_recipe("v2").layout
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    kinds = list(damage_bytes(whole, rng))
    for name in ("xl/worksheets/sheet1.xml", "xl/workbook.xml"):  # whole zip files with damaged content
        for _, data in (*damage_bytes(members[name], rng), *damage_text(members[name].decode(), rng)):
            with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
                for other, content in members.items():
                    archive.writestr(other, data if other == name else content)
            kinds.append((name, buffer.getvalue()))
    for _, damaged in kinds:
        path.write_bytes(damaged)
        tolerate(lambda: read_annotations(find_annotations(tmp_path, layout), tmp_path, layout))
        count += 1
    assert count >= 70


def test_damaged_segmentations_are_refused_or_read(tmp_path):
    from seg_inputs import STUDY, write_seg

    image = mammogram(tmp_path / "image.dcm", np.zeros((40, 32), np.uint16), **STUDY)
    masks = np.zeros((40, 32, 1), np.uint8)
    masks[3:9, 4:10] = 1
    path = write_seg(tmp_path / "seg.dcm", image, masks, ["malignant"])
    whole, layout, count = path.read_bytes(), load_recipe("v2").layout, 0
    for seed in (8, 9, 10):
        for _, damaged in damage_bytes(whole, random.Random(seed)):
            path.write_bytes(damaged)
            tolerate(lambda: read_annotations(find_annotations(tmp_path, layout), tmp_path, layout))
            count += 1
    assert count == 36


@pytest.mark.slow
def test_damaged_models_are_refused_or_read(tmp_path):
    import keras

    from segmenter.models.saved_models import load_predictor

    rng, count, path = random.Random(11), 0, tmp_path / "model.keras"
    pixels = keras.Input((8, 8, 1))
    keras.Model(pixels, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(pixels)).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config, weights = members["config.json"], members["model.weights.h5"]
    kinds = [data for _, data in damage_bytes(path.read_bytes(), rng)]
    for name, damages in (
        ("config.json", (*damage_bytes(config, rng), *damage_text(config.decode(), rng), *damage_json(config.decode(), rng))),
        ("model.weights.h5", damage_bytes(weights, rng)),
    ):
        for _, data in damages:
            with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
                for other, content in members.items():
                    archive.writestr(other, data if other == name else content)
            kinds.append(buffer.getvalue())
    for damaged in kinds:
        path.write_bytes(damaged)
        tolerate(lambda: load_predictor(path).predict(np.zeros((1, 8, 8, 1), np.uint8)))
        count += 1
    assert count >= 60


NAMES = ["-", "--help", " P1_L_DM_CC", "P1_L_DM_CC\n", "P1\x1b[31m_L_DM_CC", "é" * 60, "P1_L_DM_CC" * 20, "$(touch x)", "`id`"]
NAMES += [
    "a;b",
    "'",
    '"',
    "<b>",
    "](x)",
    "%s",
    "{0}",
    "~",
    "#",
    "*",
    "CON",
    "...",
    "P\u0661_L_DM_CC",
    "P1_L_DM_CC\u202e",
    "\udcff",
]


def test_files_of_odd_names_are_rejects(tmp_path, made, capfd):
    raw = tmp_path / "raw"
    shutil.copytree(made.root.parent / "raw", raw)
    data = next(raw.rglob("*.jpg")).read_bytes()
    for name in NAMES:
        (raw / f"{name}.jpg").write_bytes(data)
    tolerate(lambda: stages.index(DatasetFolder(tmp_path / "set"), load_recipe("v2"), raw, None, Inline()))
    with (tmp_path / "set" / "rejects.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rejects = list(csv.DictReader(file))
    assert len(rejects) >= len(NAMES) - 2, "two of them are spellings of an image that is there"
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("command", ["index", "audit"])
def test_programs_end_with_one_line_where_an_input_is_damaged(tmp_path, made, capsys, command):
    """A share of the inputs above, by the command line: its status is never that of a fault of the program."""
    shutil.copytree(made.root.parent, tmp_path / "all")
    root = tmp_path / "all" / made.root.name
    path = root / {"index": f"../raw/{REGIONS}", "audit": "manifest.csv"}[command]
    text = path.read_text()
    arguments = {
        "index": ["index", "--raw", str(tmp_path / "all" / "raw"), "--out", str(tmp_path / "new"), "--workers", "1"],
        "audit": ["audit", str(root)],
    }[command]
    rng = random.Random(12)
    for _, damaged in list(damage_bytes(text.encode(), rng))[:6] + list(damage_text(text, rng))[:8]:
        path.write_bytes(damaged)
        status = main(arguments)
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "Traceback", "internal"))]
        assert status in (0, 1, 2), errors
        assert len(errors) == (1 if status == 2 else 0), errors


FILES = ["index.csv", "regions.csv", "rejects.csv", "assignment.csv", "manifest.csv", "dataset.json", "audit.json", "recipe.toml"]
FILES += [".work/index.json", ".work/split.json", ".work/made.jsonl", "exports/hf/export.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_damaged_folders_are_refused_or_made_again(tmp_path, made, name):
    rng = random.Random(name)
    text = (made.root / name).read_text()
    kinds = [*damage_bytes(text.encode(), rng), *damage_text(text, rng)]
    kinds += damage_json(text, rng) if name.endswith(".json") else []
    for number, (_, damaged) in enumerate(kinds):
        parent = tmp_path / str(number)
        parent.mkdir()
        (parent / "raw").symlink_to(made.root.parent / "raw")
        shutil.copyfile(made.root.parent / "small.toml", parent / "small.toml")
        shutil.copytree(made.root, parent / "set")
        (parent / "set" / name).write_bytes(damaged)
        use_folder(parent / "set")
        shutil.rmtree(parent)


@pytest.mark.parametrize("kind", ["recipe", "configuration", "published", "mark"])
def test_damaged_settings_are_one_line(tmp_path, kind):
    rng, count = random.Random(6), 0
    if kind == "mark":
        text = json.dumps(
            {"identity": {"images": [["a", "b", 1, 2]]}, "result": {"skipped": [], "lesions": 1, "without_seg": []}}
        )
    elif kind == "recipe":
        text = Path(small_recipe(tmp_path / "small.toml")).read_text()
    elif kind == "configuration":
        text = '[model]\nmodel = "AttentionUNet"\nbase_filters = 8\n[train]\nepochs = 2\nbatch_size = 4\n'
    else:
        text = '; comment\n[model]\nmodel = "TensorflowUNet"\nimage_width = 512\nimage_height = 512\n[train]\nepochs = 90\n'
    path = tmp_path / {"recipe": "r.toml", "configuration": "c.toml", "published": "p.config", "mark": "inference.json"}[kind]
    use = {
        "recipe": lambda: load_recipe(str(path)),
        "configuration": lambda: load_configuration(str(path)),
        "published": lambda: load_configuration(str(path)),
        "mark": lambda: clear_outputs(tmp_path),
    }[kind]
    for damaged in (
        *damage_bytes(text.encode(), rng),
        *damage_text(text, rng),
        *(damage_json(text, rng) if kind == "mark" else ()),
    ):
        path.write_bytes(damaged[1])
        tolerate(use)
        count += 1
    assert count >= 32
