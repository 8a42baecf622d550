"""--set: how its values are read, and that the file's own checks apply to them."""

import argparse
import datetime

import pytest

from pipeline.files import InputError, Settings, add_settings, load_toml
from pipeline.files.changes import read_setting


class Crop(Settings):
    side_px: int = 8
    labels: tuple[str, ...] = ()


class Example(Settings):
    name: str
    crop: Crop = Crop()


def settings_of(*texts):
    """What a command line with these --set gives."""
    parser = argparse.ArgumentParser()
    add_settings(parser, "recipe")
    return parser.parse_args([word for text in texts for word in ("--set", text)]).settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=3", 3),
        ("a = 3.5", 3.5),
        ("a=true", True),
        ("a='3'", "3"),
        ('a=["b", "c"]', ["b", "c"]),
        ("a={ b = 1 }", {"b": 1}),
        ("a=AttentionUNet", "AttentionUNet"),
        ("a=patient", "patient"),
        ("a=b=c", "b=c"),
        ("a=", ""),
        ("a=2024-05-01", datetime.date(2024, 5, 1)),
        ("a=1\nother = 2", "1\nother = 2"),
    ],
)
def test_a_value_is_toml_and_a_bare_word_a_string(text, value):
    assert read_setting(text) == (("a",), value)


@pytest.mark.parametrize("text", ["a", "=3", "a..b=3", ".a=3"])
def test_what_is_not_a_key_and_a_value_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not of the form SECTION"):
        read_setting(text)


def test_settings_are_nested_as_the_tables_are_and_the_last_one_counts():
    nested = settings_of("crop.side_px=8", "crop.labels=[]", "layout.table.delimiter=;", "name=b", "crop.side_px=16")
    assert nested == {"crop": {"side_px": 16, "labels": []}, "layout": {"table": {"delimiter": ";"}}, "name": "b"}
    assert settings_of("name=a", "name.first=b") == {"name": {"first": "b"}}
    assert settings_of() == {}, "one command line leaves nothing for the next"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop.side=3", "[crop] side: unknown key; expected one of side_px, labels"),
        ("crop.side_px=wide", "[crop] side_px: Input should be a valid integer, unable to parse string"),
        ("corp.side_px=3", "corp: unknown key; expected one of name, crop"),
        ("name.first=b", "name: Input should be a valid string (found {'first': 'b'})"),
    ],
)
def test_errors_are_those_of_the_file(tmp_path, text, message):
    path = tmp_path / "a.toml"
    path.write_text('name = "a"')
    with pytest.raises(InputError) as error:
        load_toml(path, Example, settings_of(text))
    assert str(error.value).startswith(f"{path} with the settings ")
    assert f"}}: {message}" in str(error.value)
