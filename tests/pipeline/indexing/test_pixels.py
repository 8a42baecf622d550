"""What the index finds out about pixels: levels of 16 bits, EXIF orientations, and files that are not read."""

import cv2
import numpy as np
import PIL.Image
import pytest
from inputs import Download, circle

from pipeline.commands.index import print_counts
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, read_csv
from pipeline.indexing.tables import read_images
from pipeline.recipe import load_recipe
from pipeline.stages import index
from pipeline.workers import Inline


@pytest.fixture
def run(tmp_path):
    def run_index(download, **settings):
        folder = DatasetFolder(tmp_path / "set")
        return folder, index(folder, load_recipe("v2", {"source": settings}), download.write().root, None, Inline())

    return run_index


def deep(download, name):
    """An image of 12 bits in 16."""
    path = download.add(name)
    pixels = download.pixels(name).astype(np.uint16) * 16
    cv2.imwrite(str(path.with_suffix(".png")), pixels)
    path.unlink()
    return pixels


def turned(download, name, orientation, shapes=None, size=(60, 40)):
    """An image that EXIF turns; regions are in the coordinates of the turned one."""
    path = download.add(name, shapes, size=size)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(np.asarray(PIL.Image.open(path))).save(path, exif=exif)
    return path


def test_levels_of_an_unclear_range_are_rejected_with_the_key_to_set(tmp_path, run, capsys):
    download = Download(tmp_path / "raw")
    deep(download, "P1_L_DM_CC")
    download.add("P2_L_DM_CC")
    folder, outcome = run(download)
    row = next(iter(read_csv(folder.rejects)))
    assert (row["image"], row["reason"]) == ("P1_L_DM_CC", "levels-unclear")
    assert "set bits = 12 (or the bits of your detector) in the recipe's [source]" in row["words"]
    print_counts(outcome.summary)
    assert "index: 1 images have 16 bits, but levels of an unclear range; state it with bits" in capsys.readouterr().out


def test_levels_of_a_stated_range_are_counted(tmp_path, run, capsys):
    download = Download(tmp_path / "raw")
    deep(download, "P1_L_DM_CC")
    folder, outcome = run(download, bits=12)
    assert [image.image_id for image in read_images(folder.index)] == ["P1_L_DM_CC"]
    assert outcome.summary["level_bits"] == {"12": 1}
    print_counts(outcome.summary)
    assert "index: levels of files of 16 bits: 1 of 12 bits" in capsys.readouterr().out


def test_turned_images_have_the_size_that_browsers_show_and_are_counted(tmp_path, run, capsys):
    download = Download(tmp_path / "raw")
    turned(download, "P1_L_DM_CC", 6, [circle(20, 50, 8)])
    download.add("P2_L_DM_CC")
    folder, outcome = run(download)
    assert [(image.width, image.height) for image in read_images(folder.index)] == [(40, 60), (40, 60)]
    download.add("P3_L_DM_CC")
    for summary in (outcome.summary, run(download)[1].summary):  # the second index reads only what it must
        print_counts(summary)
        assert "1 images, Low energy images/P1_L_DM_CC.jpg first, are turned or mirrored by their EXIF" in capsys.readouterr().out


def test_regions_drawn_on_the_unturned_image_are_a_reject_that_names_the_tag(tmp_path, run):
    download = Download(tmp_path / "raw")
    turned(download, "P1_L_DM_CC", 8, [circle(55, 20, 8)])
    folder, _ = run(download)
    row = next(iter(read_csv(folder.rejects)))
    assert row["reason"] == "region-outside-image"
    assert "40 x 60 image (its EXIF orientation 8 turns or mirrors it, as browsers do)" in row["words"]


def test_files_that_are_not_read_are_counted_by_suffix(tmp_path, run, capsys):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC")
    for name in ("a.bmp", "b.BMP", "c.webp", "d.nii.gz", "notes.txt"):
        (download.root / name).write_bytes(b"x")
    _, outcome = run(download)
    assert outcome.summary["unread_images"] == {".bmp": 2, ".nii.gz": 1, ".webp": 1}
    print_counts(outcome.summary)
    assert "index: 4 files not read: .bmp 2, .nii.gz 1, .webp 1; convert them to PNG" in capsys.readouterr().out


def test_a_folder_of_files_that_are_not_read_is_an_error_that_names_them(tmp_path, run):
    download = Download(tmp_path / "raw")
    download.add("P1_L_DM_CC", file=False)
    (download.root / "a.bmp").write_bytes(b"x")
    with pytest.raises(InputError, match=r"holds no image .*; 1 files not read: \.bmp 1"):
        run(download)
