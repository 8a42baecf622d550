import sys

import pytest

from pipeline.files import InputError, is_installed, require


def test_a_package_that_is_there_passes():
    require("json", "to read JSON")
    assert is_installed("json.decoder")
    assert not is_installed("no_such_package.module")


@pytest.mark.parametrize(
    ("extra", "otherwise", "end"),
    [
        ("", "", "run `pip install cesm-segmentation`"),
        ("dicom", "", "run `pip install 'cesm-segmentation[dicom]'`"),
        ("", ", or choose another", "run `pip install cesm-segmentation`, or choose another"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch, extra, otherwise, end):
    monkeypatch.setitem(sys.modules, "json", None)
    with pytest.raises(InputError) as error:
        require("json", "to read JSON", extra, package="json-of-old", otherwise=otherwise)
    assert str(error.value) == f"json-of-old, which is needed to read JSON, is not installed; {end}"


def test_a_finder_that_refuses_counts_as_missing(monkeypatch):
    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name == "no_such_package":
                raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])
    assert not is_installed("no_such_package")
