"""The DICOM files that other tests read: a viewer shows the picture of good ones, and bad ones are the same each time."""

import numpy as np
import pydicom
import pytest
from dicom_inputs import BAD, GOOD, GRAY, shown


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_shows_the_picture(tmp_path, name):
    tolerance, write = GOOD[name]
    assert np.abs(shown(pydicom.dcmread(write(tmp_path / "a.dcm"))) - GRAY).max() <= tolerance


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_written_the_same_each_time(tmp_path, name):
    _, write = BAD[name]
    assert write(tmp_path / "a.dcm").read_bytes() == write(tmp_path / "b.dcm").read_bytes()
