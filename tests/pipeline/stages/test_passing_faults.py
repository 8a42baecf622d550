"""Faults that pass while the files stay as they are: the same command tries those files again."""

import functools
import os
import shutil
from pathlib import Path

import pytest
from inputs import small_download, small_recipe

from pipeline import stages
from pipeline.contract import SourceError
from pipeline.dataset import samples
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, sha256
from pipeline.indexing import inspect
from pipeline.recipe import load_recipe
from pipeline.sources import read_image
from pipeline.workers import Inline


class Project:
    """A download of 12 images and a data set folder."""

    def __init__(self, root: Path):
        self.raw = small_download(root / "raw").root
        self.recipe = load_recipe(small_recipe(root / "small.toml"))
        self.folder = DatasetFolder(root / "set")

    def index(self):
        return stages.index(self.folder, self.recipe, self.raw, None, Inline())

    def make(self):
        """Makes the data set; returns which stages changed something."""
        outcomes = [self.index(), stages.split(self.folder), stages.variants(self.folder, Inline(), fused=True)]
        return [outcome.changed for outcome in outcomes]

    def reasons(self):
        return {reject.image: reject.reason for reject in self.folder.read_rejects()}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def fails(function, reason, name="P3_L_DM_CC.jpg"):
    """The reading function; of one file it raises."""

    def call(path, *arguments, **options):
        if Path(path).name == name:
            raise SourceError(reason, "cannot be read now")
        return function(path, *arguments, **options)

    return call


@pytest.mark.parametrize("reason", ["file-unreadable", "decoder-missing"])
def test_the_index_tries_again_what_could_not_be_read(project, monkeypatch, reason):
    with monkeypatch.context() as patch:
        patch.setattr(inspect, "read_bytes", fails(inspect.read_bytes, reason))
        assert project.index().changed
        assert project.reasons() == {"P3_L_DM_CC": reason}
        assert not project.index().changed, "the same fault again is nothing new"
    assert project.index().changed
    assert project.reasons() == {}
    assert not project.index().changed


@pytest.mark.parametrize("reason", ["file-unreadable", "decoder-missing", "decoder-crashed"])
def test_pixels_that_could_not_be_read_are_tried_again_and_the_set_stays_complete_meanwhile(project, monkeypatch, reason):
    with monkeypatch.context() as patch:
        patch.setattr(samples, "read_bytes", fails(samples.read_bytes, reason))
        assert project.make() == [True, True, True]
        assert project.reasons() == {"P3_L_DM_CC": reason}
        assert project.make() == [False, False, False]
    assert project.make()[2]
    assert project.reasons() == {}
    assert len(project.folder.read_manifest()) == 36


def test_what_is_wrong_with_a_file_is_remembered(project, monkeypatch):
    calls = []
    monkeypatch.setattr(samples, "read_bytes", fails(samples.read_bytes, "file-truncated"))
    project.make()
    monkeypatch.setattr(samples, "read_bytes", lambda path: calls.append(path))
    project.make()
    assert calls == []


def test_squares_that_cannot_be_read_are_made_again_from_the_source(project):
    project.index()
    stages.split(project.folder)
    stages.masks(project.folder, Inline())
    square = project.folder.squares / "images" / "P3_L_DM_CC.png"
    whole, times = square.read_bytes(), (square.stat().st_atime_ns, square.stat().st_mtime_ns)
    square.write_bytes(whole[:20] + bytes(len(whole) - 20))
    os.utime(square, ns=times)  # so that only its pixels show it
    stages.variants(project.folder, Inline())
    assert project.reasons() == {}
    assert len(project.folder.read_manifest()) == 36


@pytest.mark.parametrize("cut", ["squares", "samples"])
def test_files_that_an_earlier_version_recorded_as_whole_though_they_were_cut_are_made_again(project, monkeypatch, cut):
    def write_cut(path, data):
        Path(path).write_bytes(data[: min(512, len(data) // 512 * 512)])
        return os.stat(path)

    project.index()
    stages.split(project.folder)
    fused = functools.partial(stages.variants, fused=True)
    make = stages.masks if cut == "squares" else fused
    with monkeypatch.context() as patch:
        patch.setattr(samples, "write_bytes", write_cut)
        make(project.folder, Inline())
    make(project.folder, Inline())
    if cut == "squares":
        squares = [*project.folder.squares.glob("*/*.png")]
        assert len(squares) == 24
        assert all(read_image(path) is not None for path in squares)
        stages.variants(project.folder, Inline())
    assert project.reasons() == {}
    rows = project.folder.read_manifest()
    assert len(rows) == 36
    for row in rows:
        for name in ("image", "mask"):
            assert sha256(project.folder.root / row[name]) == row[f"{name}_sha256"]


@pytest.mark.parametrize("mount_point", [True, False])
def test_sources_that_are_all_gone_end_the_run_and_are_read_when_they_are_back(project, mount_point):
    project.index()
    stages.split(project.folder)
    away = project.raw.with_name("away")
    project.raw.rename(away)
    if mount_point:
        project.raw.mkdir()
    with pytest.raises(InputError, match="raw: holds none of the 12 source images any more; mount it again"):
        stages.variants(project.folder, Inline(), fused=True)
    assert not project.folder.manifest.exists()
    shutil.rmtree(project.raw, ignore_errors=True)
    away.rename(project.raw)
    stages.variants(project.folder, Inline(), fused=True)
    assert len(project.folder.read_manifest()) == 36
    assert project.reasons() == {}
