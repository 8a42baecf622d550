"""docs/library.md: its code runs, in order and on little data, and it names what the packages offer."""

import os
import re
from pathlib import Path

import matplotlib
import pandas as pd

import pipeline
import segmenter

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
# What makes the page's code quick.
SMALLER = {
    "patients=24": "patients=8",
    'recipe="v2")': 'recipe="v2", settings={"image": {"size_px": 128}})',
    '{"train": {"epochs": 8}}': '{"train": {"epochs": 1}, "model": {"image_width": 64, "image_height": 64, "num_layers": 2}}',
    "epochs=2": "epochs=1",
}


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    code = "\n".join(BLOCKS)
    for old, new in SMALLER.items():
        assert old in code
        code = code.replace(old, new)
    exec(compile(code, "library.md", "exec"), names)
    assert names["image"].shape == names["mask"].shape == (128, 128)
    assert names["findings"].empty
    assert names["result"].mask.shape == names["result"].image.shape
    assert isinstance(names["metrics"], pd.DataFrame)
    assert (tmp_path / "predictions" / "lesions.csv").is_file()
    assert segmenter.load_predictor("mine.keras").model.width == 64
    assert sorted(os.listdir(tmp_path)) == ["data_processed", "data_raw", "mine.keras", "predictions"]


def test_the_page_names_every_function_of_the_packages():
    for package in (pipeline, segmenter):
        functions = [name for name in package.__all__ if not name[0].isupper()]
        assert not [name for name in functions if f"{package.__name__}.{name}" not in PAGE]
