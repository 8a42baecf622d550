"""Settings files: strict reading, and the text that is written."""

import pydantic
import pytest

from pipeline.dicom.options import DicomOptions
from pipeline.files import InputError, Settings, dump_toml, load_toml
from pipeline.recipe import Recipe


class Crop(Settings):
    side_px: int = 8
    corner: tuple[int, int] | None = None


class Example(Settings):
    name: str
    crop: Crop = Crop()


def read(folder, text):
    (folder / "a.toml").write_text(text)
    return load_toml(folder / "a.toml", Example)


def test_what_is_written_reads_back_with_every_default(tmp_path):
    text = dump_toml(read(tmp_path, 'name = "a"'), header="a comment\n\nof three lines")
    assert text == '# a comment\n#\n# of three lines\nname = "a"\n\n[crop]\nside_px = 8\n'
    assert read(tmp_path, text) == Example(name="a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not valid TOML"),
        ("name = 3", "name: Input should be a valid string (found 3)"),
        ("", "name: is missing"),
        ('name = "a"\n[crop]\nside = 3', "[crop] side: unknown key; expected one of side_px, corner"),
        ('nam = "a"\n[crop]\nside = 3', "name: is missing; [crop] side: unknown key"),
    ],
)
def test_a_faulty_file_is_reported_with_all_faults(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "a.toml"))
    assert message in str(error.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"none.toml: cannot be read \(No such file or directory\)"):
        load_toml(tmp_path / "none.toml", Example)


@pytest.mark.parametrize("table", [Recipe, DicomOptions])
def test_recipes_refuse_unknown_keys_and_changes(table):
    assert issubclass(table, Settings)
    assert table.model_config["extra"] == "forbid"
    assert table.model_config["frozen"]


def test_nothing_changes_after_reading():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Crop().side_px = 3
