"""A decoder that crashes does not end an inference. A file with few imports: each process that is replaced imports it."""

import os
import signal
from types import SimpleNamespace

import cv2
import numpy as np

from pipeline.files import read_csv
from segmenter.configuration import InferSettings
from segmenter.inference import run
from segmenter.inference.jobs import Job, View, find_jobs
from segmenter.inference.plan import Plan
from segmenter.inference.views import read_or_reject


def read_or_die(job, **options):
    """`read_or_reject`, with a decoder that crashes on some images."""
    if {"0", "3"} & {path.stem for path in (job.image, job.view and job.view.partner) if path}:
        os.kill(os.getpid(), signal.SIGSEGV)
    return read_or_reject(job, **options)


def predict_levels(monkeypatch, channels=1, *, partner=False):
    """Has images predicted by their levels, and read by `read_or_die`."""
    predictor = SimpleNamespace(
        height=8,
        width=8,
        channels=channels,
        classes=1,
        name="it",
        network="Net",
        crop="none",
        partner=partner,
        predict=lambda images: images[..., :1] / np.float32(255),
    )
    monkeypatch.setattr(run, "load_models", lambda plan: predictor)
    monkeypatch.setattr(run, "read_or_reject", read_or_die)


def test_an_image_that_crashes_its_decoder_is_skipped_by_name_and_the_others_are_predicted(tmp_path, monkeypatch, capsys):
    (tmp_path / "images").mkdir()
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"images/{number}.png"), np.full((20, 30), 30 * number, np.uint8))
    predict_levels(monkeypatch)
    jobs = find_jobs([tmp_path / "images"], None)
    result = run.infer(Plan((), InferSettings(batch_size=2)), jobs, tmp_path / "out", {})
    assert run.read_result(tmp_path / "out", {}) is None, "the same command tries them again"
    reason = "made the process that read it die, of its decoder's fault or for want of memory; get it again, or free some memory"
    assert result.skipped == [f"{tmp_path}/images/{number}.png: {reason}" for number in (0, 3)]
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped")] == [
        f"skipped: {message}" for message in result.skipped
    ]
    assert sorted(path.stem for path in (tmp_path / "out/masks").iterdir()) == ["1", "2", "4", "5"]


def test_a_partner_that_crashes_its_decoder_is_left_out(tmp_path, monkeypatch, capsys):
    for name in ("0", "1", "2"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((20, 30), 200, np.uint8))
    predict_levels(monkeypatch, channels=3, partner=True)
    partner = tmp_path / "0.png"
    jobs = [Job("1", tmp_path / "1.png", view=View("CM", partner)), Job("2", tmp_path / "2.png", view=View("DM"))]
    result = run.infer(Plan((), InferSettings(batch_size=2)), jobs, tmp_path / "out", {})
    assert (result.skipped, result.with_partner) == ([], 0)
    assert [row["status"] for row in read_csv(tmp_path / "out/partners.csv")] == ["decoder-crashed", "missing"]
    assert f"partner not used: {partner}: made the process that read it die" in capsys.readouterr().err
    assert run.read_result(tmp_path / "out", {}) is None, "the same command tries it again"
