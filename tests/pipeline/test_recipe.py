"""Recipes: those that come with the package, and the errors for faulty ones."""

import pytest
from inputs import small_recipe

from pipeline.files import InputError, dump_toml
from pipeline.recipe import Recipe, load_recipe
from pipeline.recipes import recipe_names


def test_the_recipes_of_the_design_are_there():
    assert recipe_names() == ["full", "v1", "v2", "v2-pairs", "v2-published"]
    assert [load_recipe(name).name for name in recipe_names()] == recipe_names()


def test_the_default_is_split_by_patient_with_clean_masks():
    recipe = load_recipe("v2")
    assert (recipe.split.by, recipe.mask.format, recipe.mask.values, recipe.image.quality) == ("patient", "png", "binary", 95)
    assert len(recipe.variants.names) == 6


def test_a_resolved_recipe_reads_back_the_same(tmp_path):
    for name in recipe_names():
        path = tmp_path / f"{name}.toml"
        path.write_text(dump_toml(load_recipe(name), header="a comment\nof two lines"))
        assert load_recipe(str(path)) == load_recipe(name)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(InputError, match="no recipe 'v3'; known are full, v1, v2, v2-pairs, v2-published, or give a path"):
        load_recipe("v3")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 1", "sed = 1", "[split] sed: unknown key; expected one of by, seed, fractions, folds"),
        ("size_px = 32", 'size_px = "big"', "[image] size_px: Input should be a valid integer"),
        ("valid = 0.25", "valid = 0.5", "[split] fractions: train, valid and test add up to 1.25; expected 1"),
        (
            "'rotated_90'",
            "'rotated_45'",
            "[variants] names: expected original and, each at most once, any of original, rotated_90",
        ),
        ('differs = "It is small."', "", "differs: is missing"),
        ('values = "binary"', 'values = "classes"\nformat = "jpeg"', "JPEG cannot hold indices"),
        ("[image]", "[image", "is not valid TOML"),
        ("schema_version = 1", "schema_version = 2", "schema_version: Input should be 1"),
        ("[split]", "[partner]\nused = true\n[split]", "[partner] used: unknown key; expected one of use"),
        (
            "[split]",
            '[partner]\nuse = true\n[split]\nby = "sample"',
            'partner.use needs split.by = "patient": else partners are images of other splits',
        ),
    ],
)
def test_the_error_for_a_faulty_recipe_states_what_and_where(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    small_recipe(path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError) as error:
        load_recipe(str(path))
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_all_faults_are_reported_together(tmp_path):
    path = tmp_path / "mine.toml"
    small_recipe(path)
    path.write_text(path.read_text().replace("seed = 1", "sed = 1").replace("size_px", "size"))
    with pytest.raises(InputError) as error:
        load_recipe(str(path))
    assert str(error.value).count("unknown key") == 2


def test_pixels_are_all_but_descriptions_and_split():
    recipe = load_recipe("v2-pairs")
    assert set(recipe.pixels) == set(Recipe.model_fields) - {"split", "title", "differs"}


def test_a_recipe_without_partners_is_written_as_before_there_were_any():
    recipe = load_recipe("v2")
    assert set(recipe.pixels) == set(Recipe.model_fields) - {"split", "title", "differs", "partner"}
    assert "partner" not in dump_toml(recipe)
    assert dump_toml(load_recipe("v2", {"partner": {"use": False}})) == dump_toml(recipe)
    assert "[partner]\nuse = true\n" in dump_toml(load_recipe("v2-pairs"))


def test_images_and_masks_of_v2_pairs_are_those_of_v2():
    pairs, plain = load_recipe("v2-pairs"), load_recipe("v2")
    for table in ("source", "layout", "image", "mask", "split", "dicom"):
        assert getattr(pairs, table) == getattr(plain, table)
