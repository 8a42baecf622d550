"""A decoder that crashes does not end an inference. A file with few imports: each process that is replaced imports it."""

import os
import signal
from types import SimpleNamespace

import cv2
import numpy as np

from segmenter.configuration import InferSettings
from segmenter.inference import run
from segmenter.inference.jobs import find_jobs
from segmenter.inference.plan import Plan, read_or_reject


def read_or_die(path, **options):
    """`read_or_reject`, with a decoder that crashes on some images."""
    if path.stem in ("0", "3"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return read_or_reject(path, **options)


def test_an_image_that_crashes_its_decoder_is_skipped_by_name_and_the_others_are_predicted(tmp_path, monkeypatch, capsys):
    (tmp_path / "images").mkdir()
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"images/{number}.png"), np.full((20, 30), 30 * number, np.uint8))
    predictor = SimpleNamespace(
        height=8,
        width=8,
        channels=1,
        classes=1,
        name="it",
        network="Net",
        crop="none",
        predict=lambda images: images / np.float32(255),
    )
    monkeypatch.setattr(run, "load_models", lambda plan: predictor)
    monkeypatch.setattr(run, "read_or_reject", read_or_die)
    jobs = find_jobs([tmp_path / "images"], None)
    result = run.infer(Plan((), InferSettings(batch_size=2)), jobs, tmp_path / "out", {})
    assert run.read_result(tmp_path / "out", {}) is None, "the same command tries them again"
    reason = "made the process that read it die, of its decoder's fault or for want of memory; get it again, or free some memory"
    assert result.skipped == [f"{tmp_path}/images/{number}.png: {reason}" for number in (0, 3)]
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped")] == [
        f"skipped: {message}" for message in result.skipped
    ]
    assert sorted(path.stem for path in (tmp_path / "out/masks").iterdir()) == ["1", "2", "4", "5"]
