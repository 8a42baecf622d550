from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from pipeline.files import write_text
from segmenter.data.dataset import DataSet, Sample
from segmenter.evaluation.aggregation import owners
from segmenter.report import contents
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


def test_an_image_of_an_unknown_patient_counts_as_a_patient_of_its_own_everywhere(tmp_path):
    names = [("a", "a", "P1"), ("flipped_a", "a", "P1"), ("b", "b", "P1"), ("c", "c", ""), ("flipped_c", "c", ""), ("d", "d", "")]
    path, first = tmp_path / "x.png", {"a": "original", "f": "flipped"}
    samples = tuple(
        Sample(name, "test", path, path, image, first.get(name[0], "original"), patient, "") for name, image, patient in names
    )
    data = DataSet(tmp_path, samples, "abc")
    assert collect_summary(data, Run(tmp_path / "run"))["splits"]["test"] == {"samples": 6, "images": 4, "patients": 3}
    assert contents.split_rows(SimpleNamespace(data=data))[2][:4] == ("test", 3, 4, 6)
    table = pd.DataFrame({"patient": [sample.patient for sample in samples], "image_id": [sample.image_id for sample in samples]})
    assert owners(table).nunique() == 3
