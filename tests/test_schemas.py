"""The JSON Schemas of recipes and configurations: printed whole, and true of every file that comes with the programs."""

import json
import tomllib
from pathlib import Path

import pytest
from skips import need_package

import pipeline.cli
import segmenter.cli
from pipeline.recipe import load_recipe
from pipeline.recipes import RECIPES
from segmenter.configuration import CONFIGS, load_configuration
from segmenter.configuration.networks import MODEL_SETTINGS
from segmenter.configuration.objectives import LOSSES, METRICS

FILES = [(pipeline.cli, load_recipe, path) for path in sorted(RECIPES.rglob("*.toml"))]
FILES += [(segmenter.cli, load_configuration, path) for path in sorted(CONFIGS.glob("*.toml"))]


@pytest.fixture
def schema_of(capsys):
    """Runs `schema` and gives what it prints."""

    def run(program):
        assert program.main(["schema"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def resolve(schema, part):
    """A part of a schema, looked up where it is a reference."""
    return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part


def test_the_schema_of_recipes_has_required_keys_and_values_to_choose_from(schema_of):
    schema = schema_of(pipeline.cli)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["name", "title", "differs", "source"]
    assert schema["additionalProperties"] is False
    source, split, variants = (resolve(schema, schema["properties"][key]) for key in ("source", "split", "variants"))
    assert source["required"] == ["with_regions"]
    assert source["properties"]["with_regions"]["items"]["enum"] == ["malignant", "benign", "normal"]
    assert split["properties"]["by"]["enum"] == ["patient", "sample"]
    assert "rotated_90" in variants["properties"]["names"]["items"]["enum"]


def test_the_schema_of_configurations_has_every_network_loss_and_metric(schema_of):
    schema = schema_of(segmenter.cli)
    models = [resolve(schema, part)["properties"] for part in schema["properties"]["model"]["anyOf"]]
    assert [model["model"]["const"] for model in models] == list(MODEL_SETTINGS)
    assert "discriminator" not in schema["properties"]["model"]
    name, table = models[0]["loss"]["anyOf"]
    assert name["enum"] == table["propertyNames"]["enum"] == list(LOSSES)
    assert models[0]["metrics"]["items"]["enum"] == list(METRICS)


@pytest.mark.parametrize(("program", "load", "path"), [pytest.param(*file, id=file[2].stem) for file in FILES])
def test_every_file_that_comes_with_the_programs_is_valid(program, load, path, schema_of):
    """By the program itself, and by the schema: key by key, and with jsonschema where that is installed."""
    load(str(path))
    schema, table = schema_of(program), tomllib.loads(Path(path).read_text())
    assert table.keys() <= schema["properties"].keys()
    assert set(schema.get("required", [])) <= table.keys()
    for key, section in table.items():
        part = schema["properties"][key]
        if isinstance(section, dict):
            fitting = [resolve(schema, one) for one in part.get("anyOf", [part])]
            assert any(section.keys() <= one["properties"].keys() for one in fitting), key
    jsonschema = need_package("jsonschema")
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(table)] == []


@pytest.mark.parametrize(
    ("program", "table"),
    [
        (segmenter.cli, {"model": {"base_filter": 3}}),
        (segmenter.cli, {"model": {"model": "AttentionUNet", "base_kernels": [3, 3]}}),
        (segmenter.cli, {"model": {"loss": "dice"}}),
        (segmenter.cli, {"model": {"loss": {"dice_loss": 0}}}),
        (pipeline.cli, {"name": "a", "title": "a", "differs": "a", "source": {"with_regions": ["malign"]}}),
        (pipeline.cli, {"name": "a", "title": "a", "differs": "a"}),
    ],
)
def test_what_the_programs_refuse_is_not_valid(program, table, schema_of):
    jsonschema = need_package("jsonschema")
    assert list(jsonschema.Draft202012Validator(schema_of(program)).iter_errors(table))
