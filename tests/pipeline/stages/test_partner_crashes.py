"""A decoder that crashes on a partner. In a file with few imports, because each process that is replaced imports it."""

import os
import signal
from functools import partial

from inputs import small_download, small_recipe

from pipeline import stages
from pipeline.dataset import partners as partner_stage
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.partner_files import make_partner
from pipeline.files import read_csv
from pipeline.recipe import load_recipe
from pipeline.workers import Inline, open_executor


def make_or_die(crashing, task):
    """`make_partner`, with a decoder that crashes on one image's partner."""
    if task.image_id == crashing:
        os.kill(os.getpid(), signal.SIGSEGV)
    return make_partner(task)


def test_it_costs_that_partner_and_is_tried_again(tmp_path, monkeypatch):
    download, folder = small_download(tmp_path / "raw", patients=3), DatasetFolder(tmp_path / "set")
    recipe = load_recipe(small_recipe(tmp_path / "small.toml"), {"partner": {"use": True}})
    stages.index(folder, recipe, download.root, None, Inline())
    stages.split(folder)
    monkeypatch.setattr(partner_stage, "make_partner", partial(make_or_die, "P2_L_DM_CC"))
    with open_executor(2) as executor:
        stages.variants(folder, executor, fused=True)
    statuses = {row["image_id"]: row["status"] for row in read_csv(folder.partners)}
    assert {name for name, status in statuses.items() if status == "registered"} == statuses.keys() - {"P2_L_DM_CC"}
    assert statuses["P2_L_DM_CC"] == "decoder-crashed"
    assert "P2_L_DM_CC" in {row["image_id"] for row in folder.read_manifest()}
    monkeypatch.undo()
    assert stages.variants(folder, Inline(), fused=True).changed
    assert {row["status"] for row in read_csv(folder.partners)} == {"registered"}
