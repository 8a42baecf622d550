"""What is printed when a decoder crashes within training or evaluation."""

import subprocess
import sys

import pytest

CRASHING = """
import os, signal, sys
from pathlib import Path
from segmenter import crashes
from segmenter.configuration import MaskSettings
from segmenter.data import ground_truth

def crash(*arguments, **options):
    os.kill(os.getpid(), signal.SIGSEGV)

crashes.print_crashes()
setattr(ground_truth, sys.argv[1], crash)
file = Path(sys.argv[2])
if sys.argv[1] == "read_image":
    ground_truth.read_sample_image(file, 1)
else:
    ground_truth.read_mask_file(file, 1, MaskSettings())
"""


@pytest.mark.parametrize("decoder", ["read_image", "read_mask"])
def test_the_file_is_named(tmp_path, decoder):
    file = tmp_path / "P1_L_CM_CC.png"
    file.touch()
    run = subprocess.run([sys.executable, "-c", CRASHING, decoder, file], capture_output=True, text=True)
    assert run.returncode != 0
    assert "Segmentation fault" in run.stderr
    assert f'File "<reading {file}>", line 1' in run.stderr
