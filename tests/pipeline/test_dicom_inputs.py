"""The bad DICOM files that other tests read are as bad as they say, and no worse."""

import dicom_inputs
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, RLELossless


@pytest.mark.parametrize("name", dicom_inputs.BAD)
def test_a_bad_file_is_written_the_same_each_time(tmp_path, name):
    _, write = dicom_inputs.BAD[name]
    assert write(tmp_path / "a.dcm").read_bytes() == write(tmp_path / "b.dcm").read_bytes()


@pytest.mark.parametrize(
    ("syntax", "apart"),
    [(RLELossless, 0), (JPEGLosslessSV1, 0), (JPEGLSLossless, 0), (JPEG2000Lossless, 0), (JPEGBaseline8Bit, 4)],
)
def test_a_compressed_file_holds_the_pixels(tmp_path, syntax, apart):
    dataset = pydicom.dcmread(dicom_inputs.compressed(syntax)(tmp_path / "a.dcm"))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    wanted = dicom_inputs.GRAY if syntax == JPEGBaseline8Bit else dicom_inputs.STORED
    assert np.abs(dataset.pixel_array.astype(int) - wanted).max() <= apart
