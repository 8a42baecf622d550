from pathlib import Path

import pytest

from pipeline.files import write_text
from segmenter.data.dataset import DataSet, Sample
from segmenter.report.summary import collect_summary, describe_summary
from segmenter.runs import Run


def data_set(patients, fold=None):
    samples = [
        Sample(f"P{number}_L_CM_CC", "test", Path("x"), Path("y"), f"P{number}_L_CM_CC", "original", f"P{number}", "")
        for number in range(patients)
    ]
    return DataSet(Path("set"), tuple(samples), "abc", fold)


@pytest.mark.parametrize(
    ("data", "is_advised"),
    [
        pytest.param(data_set(29), True, id="few"),
        pytest.param(data_set(30), False, id="enough"),
        pytest.param(data_set(29, fold=1), False, id="already a fold"),
    ],
)
def test_cross_validation_is_suggested_where_test_has_few_patients(tmp_path, data, is_advised):
    lines = describe_summary(collect_summary(data, Run(tmp_path / "run")))
    assert ("  test has 29 patients, and with fewer than 30 an interval says little;" in lines) == is_advised
    assert any("`make cv`" in line for line in lines) == is_advised


def test_an_evaluation_of_the_previous_version_must_be_repeated(tmp_path):
    run = Run(tmp_path / "run")
    write_text(run.evaluation("test") / "summary.json", '{"identity": {"schema": 2}, "figures": {"images": 3}}')
    lines = describe_summary(collect_summary(data_set(30), run))
    assert "  test    evaluated by an earlier version; evaluate again" in lines
    assert "  valid   not evaluated" in lines
