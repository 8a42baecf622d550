"""A decoder that crashes does not end an audit. In a file with few imports, because each process that is replaced imports it."""

import functools
import os
import signal

import cv2
import numpy as np

from pipeline.audit import auditor
from pipeline.audit.contents import read_contents
from pipeline.cli import main


def read_or_die(crashing, samples):
    """`read_contents`, with a decoder that crashes on some images."""
    if {sample.name for sample in samples} & crashing:
        os.kill(os.getpid(), signal.SIGSEGV)
    return read_contents(samples)


def test_an_image_that_crashes_its_decoder_is_one_finding_and_the_others_are_read(tmp_path, monkeypatch, capsys):
    image = np.random.default_rng(1).integers(0, 255, (48, 48), np.uint8)
    for name in ("train/P1_L_DM_CC", "train/flipped_P1_L_DM_CC", "valid/P2_L_DM_CC", "test/P3_L_DM_CC"):
        split, stem = name.split("/")
        for kind, pixels in (("images", image), ("masks", image // 128 * 255)):
            (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / split / kind / f"{stem}.png"), pixels)
    (tmp_path / "test/masks/P3_L_DM_CC.png").unlink()
    crashing = {"flipped_P1_L_DM_CC", "P3_L_DM_CC"}
    monkeypatch.setattr(auditor, "read_contents", functools.partial(read_or_die, crashing))
    assert main(["audit", str(tmp_path)]) == 1
    reason = "made the process that read it die, of its decoder's fault or for want of memory; get it again, or free some memory"
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "duplicate-pixels: 1 groups",
        "    train/P1_L_DM_CC = valid/P2_L_DM_CC",
        "mask-missing: 1 files",
        "    test/P3_L_DM_CC",
        "unreadable: 2 files",
        f"    train/flipped_P1_L_DM_CC: its image or mask {reason}",
        f"    test/P3_L_DM_CC: its image {reason}",
    ]
