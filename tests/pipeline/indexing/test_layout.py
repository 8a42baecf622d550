"""Collections other than CDD-CESM: how their paths are read, and whole data sets from phantoms in two layouts."""

import csv

import cv2
import numpy as np
import pytest
from inputs import Download, circle, mammogram, polygon

from pipeline.cli import main
from pipeline.contract import ImageName, SourceError
from pipeline.dataset.manifest import read_manifest
from pipeline.drawing.raster import rasterise
from pipeline.drawing.regions import parse_region
from pipeline.files import InputError, read_csv
from pipeline.indexing.layout import image_key, mask_key, name_image
from pipeline.recipe import CDD_CESM, Layout, load_recipe
from pipeline.recipes import RECIPES, recipe_names

EXAMPLES = RECIPES / "examples"
INBREAST = load_recipe(str(EXAMPLES / "inbreast-like.toml")).layout
CBIS = load_recipe(str(EXAMPLES / "cbis-ddsm-like.toml")).layout


def test_examples_are_loaded_by_path_and_not_listed():
    assert sorted(path.stem for path in EXAMPLES.glob("*.toml")) == [
        "cbis-ddsm-like",
        "dmid-like",
        "inbreast-like",
        "vindr-mammo-like",
    ]
    assert not any("like" in name for name in recipe_names())


@pytest.mark.parametrize(
    ("path", "layout", "expected"),
    [
        ("any/P281_L_DM_MLO2 .jpg", CDD_CESM, ImageName("P281_L_DM_MLO2", "P281", "L", "DM", "MLO")),
        ("logo.png", CDD_CESM, ImageName("logo")),
        ("a/20586908_0012_MG_R_ML_ANON.dcm", INBREAST, ImageName("P12_R_DM_MLO_20586908", "P12", "R", "DM", "MLO")),
        ("20586908_0012_MG_R_FB_ANON.dcm", INBREAST, ImageName("20586908_0012_MG_R_FB_ANON")),
        ("x/Mass-Test_P_00038_LEFT_CC/1.3/1-1.dcm", CBIS, ImageName("P38_L_DM_CC", "P38", "L", "DM", "CC")),
        ("x/Mass-Test_P_00038_LEFT_CC_1/1.3/1-1.dcm", CBIS, ImageName("1-1")),
    ],
)
def test_a_path_identifies_its_image(path, layout, expected):
    assert name_image(path, layout) == expected


def test_values_in_a_path_are_mapped_and_unknown_ones_name_no_patient():
    layout = Layout(
        image="(?P<patient>[0-9]+)-(?P<side>[a-z]+)-(?P<view>[A-Z]+)-(?P<kind>[a-z]+)",
        sides={"left": "L"},
        kinds={"low": "DM", "sub": "CM"},
    )
    assert name_image("7-left-CC-sub.png", layout).image_id == "P7_L_CM_CC"
    for path in ("7-right-CC-sub.png", "7-left-LMO-sub.png", "7-left-CC-high.png"):
        assert name_image(path, layout) == ImageName(path.removesuffix(".png"))


def test_a_patient_that_is_not_a_number_needs_a_key():
    path = "20586908_6c61_MG_R_CC_ANON.dcm"
    with pytest.raises(InputError, match=r"its patient is '6c61', which is not a number; give a site key \(CESM_SITE_KEY\)"):
        name_image(path, INBREAST)
    assert name_image(path, INBREAST, lambda text: {"6c61": "P77"}[text]).image_id == "P77_R_DM_CC_20586908"


@pytest.mark.parametrize("number", ["12", "12.0", "12,0", "P_00012", "12.00"])
def test_a_patients_number_may_be_as_a_spreadsheet_writes_it(number):
    layout = Layout(
        image="(?P<side>L|R)_(?P<view>CC|MLO)", kind="DM", table={"columns": {"image": "f", "class": "c", "patient": "p"}}
    )
    assert name_image("x_L_CC.png", layout, stated={"patient": number}).patient == "P12"
    assert (
        name_image(
            "12_R_CC.png",
            layout.model_copy(update={"image": r"(?P<patient>\d+)_(?P<side>R)_(?P<view>CC)"}),
            stated={"patient": number},
        ).patient
        == "P12"
    )


def test_a_number_that_may_group_thousands_is_no_patient():
    layout = Layout(
        image="(?P<side>L|R)_(?P<view>CC|MLO)", kind="DM", table={"columns": {"image": "f", "class": "c", "patient": "p"}}
    )
    with pytest.raises(InputError, match=r"'1\.000', which is not a number"):
        name_image("x_L_CC.png", layout, stated={"patient": "1.000"})


def test_spellings_of_sides_and_views_are_compared_without_case():
    layout = Layout(
        image="(?P<patient>[0-9]+)-(?P<side>[a-z]+)-(?P<view>[a-z]+)", kind="DM", sides={"LEFT": "L"}, views={"Oblique": "MLO"}
    )
    assert name_image("7-left-oblique.png", layout).image_id == "P7_L_DM_MLO"


def test_annotations_name_an_image_by_its_key_or_by_its_file():
    assert image_key("20586908_6c61_MG_R_CC_ANON.dcm", INBREAST) == image_key("20586908", INBREAST) == "20586908"
    assert mask_key("masks/20586908.png", INBREAST) == "20586908"
    assert mask_key("20586908_6c61_MG_R_CC_ANON.png", INBREAST) == ""
    listed = "Mass-Test_P_00038_LEFT_CC/1.3.6/1.3.7/000000.dcm\n"
    assert image_key(listed, CBIS) == mask_key("Calc-Test_P_00038_LEFT_CC_2/1.3/1-2.png", CBIS) == "P_00038_LEFT_CC"


SIZE = (24, 32)  # width and height; the recipes' squares have the length of the longer side, so that nothing is resized


def shape(number):
    """A lesion at a different position in each image."""
    return [parse_region(circle(6 + number, 9 + number, 4)), parse_region(polygon((2, 20), (9, 22), (4, 28)))][number % 2]


def write_mask(path, *regions, size=SIZE, value=255, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rasterise(regions, *size).astype(dtype) * value)


def write_dicom(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    mammogram(path, Download.pixels(f"image {seed}", SIZE).astype(np.uint16) * 16, PatientID="x", ImageType=["ORIGINAL"])


def write_table(path, rows, delimiter):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def inbreast(raw):
    """Six patients with one view of each breast; patient 6 has the first view twice."""
    rows = []
    views = [(patient, side, "ML") for patient in range(1, 7) for side in "LR"] + [(6, "L", "ML")]
    for number, (patient, side, view) in enumerate(views):
        image = 20000 + number
        write_dicom(raw / "images" / f"{image}_{patient:04}_MG_{side}_{view}_ANON.dcm", number)
        write_mask(raw / "masks" / f"{image}.png", shape(number), value=1 + number)
        birads = "4a" if number else "5"
        rows.append({"Laterality": side, "View": "MLO", "File Name": image, "ACR": " 2 ", "Bi-Rads": birads})
    write_table(raw / "INbreast.csv", rows, ";")
    return raw


def cbis(raw):
    """Six patients with one view each; the first has two masses, one of them malignant."""
    rows = []
    for patient in range(1, 7):
        image = f"Mass-Training_P_{patient:05}_{'LEFT' if patient % 2 else 'RIGHT'}_CC"
        if patient == 2:
            path = raw / image / "1.3" / "1-1.png"
            path.parent.mkdir(parents=True)
            cv2.imwrite(str(path), Download.pixels(image, SIZE))
        else:
            write_dicom(raw / image / "1.3" / "1-1.dcm", patient)
        for number in (1, 2) if patient == 1 else (1,):
            write_mask(raw / f"{image}_{number}" / "1.4" / "1-2.png", shape(number))
            rows.append(
                {
                    "patient_id": f"P_{patient:05}",
                    "breast_density": 3,
                    "left or right breast": "LEFT" if patient % 2 else "RIGHT",
                    "image view": "CC",
                    "abnormality id": number,
                    "mass shape": "OVAL" if number == 1 else "ROUND",
                    "assessment": 3 + number,
                    "pathology": "MALIGNANT" if number == 2 else "BENIGN_WITHOUT_CALLBACK",
                    "image file path": f"{image}/1.3.6.1/000000.dcm\n",
                }
            )
    write_table(raw / "mass_case_description_train_set.csv", rows, ",")
    return raw


def replace_text(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def make(tmp_path, capsys):
    """Runs a command with an example whose squares are as large as the phantoms; returns the exit status."""

    def run(example, raw, *changes, command="dataset"):
        text = (EXAMPLES / f"{example}.toml").read_text().replace("[split]", f"[image]\nsize_px = {max(SIZE)}\n\n[split]")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(text)
        return main([command, "--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", str(recipe), "--workers", "1"])

    return run


def originals(folder):
    rows = {row["image_id"]: row for row in read_manifest(folder / "manifest.csv") if row["variant"] == "original"}
    return rows, {name: cv2.imread(str(folder / row["mask"]), cv2.IMREAD_UNCHANGED) for name, row in rows.items()}


def letterboxed(*regions):
    return np.pad(rasterise(regions, *SIZE), ((0, 0), (4, 4)))


def test_a_set_in_inbreasts_layout(tmp_path, make):
    assert make("inbreast-like", inbreast(tmp_path / "raw")) == 0
    rows, masks = originals(tmp_path / "set")
    assert sorted(rows) == sorted(
        [f"P{patient}_{side}_DM_MLO_{20000 + 2 * patient - 2 + (side == 'R')}" for patient in range(1, 7) for side in "LR"]
        + ["P6_L_DM_MLO_20012"]
    )
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, 255 * letterboxed(shape(int(name[-2:]))))
    row = rows["P1_L_DM_MLO_20000"]
    assert {key: row[key] for key in ("patient", "side", "view", "kind", "class", "density", "birads", "regions")} == {
        "patient": "P1",
        "side": "L",
        "view": "MLO",
        "kind": "DM",
        "class": "malignant",
        "density": "2",
        "birads": "5",
        "regions": 1,
    }
    assert read_csv(tmp_path / "set" / "rejects.csv") == []


def test_a_set_in_cbis_ddsms_layout(tmp_path, make):
    assert make("cbis-ddsm-like", cbis(tmp_path / "raw")) == 0
    rows, masks = originals(tmp_path / "set")
    assert sorted(rows) == [f"P{patient}_{'L' if patient % 2 else 'R'}_DM_CC" for patient in range(1, 7)]
    np.testing.assert_array_equal(masks["P1_L_DM_CC"], 2 * letterboxed(shape(1), shape(2)))
    np.testing.assert_array_equal(masks["P2_R_DM_CC"], letterboxed(shape(1)))
    first = rows["P1_L_DM_CC"]
    assert [first[key] for key in ("class", "birads", "findings", "regions")] == ["malignant", "4$5", "OVAL$ROUND", 2]
    assert rows["P2_R_DM_CC"]["class"] == "benign"
    assert read_csv(tmp_path / "set" / "rejects.csv") == []


def test_a_mask_of_many_runs_goes_through_the_tables(tmp_path, make):
    raw = inbreast(tmp_path / "raw")
    size, path = (400, 300), raw / "images" / "20000_0001_MG_L_ML_ANON.dcm"
    mammogram(path, np.arange(400 * 300).reshape(300, 400) % 4096, PatientID="x", ImageType=["ORIGINAL"])
    rows, columns = np.indices(size[::-1])
    cv2.imwrite(str(raw / "masks" / "20000.png"), ((rows + columns) % 2 * 255).astype(np.uint8))
    assert make("inbreast-like", raw, command="index") == 0
    assert main(["split", str(tmp_path / "set")]) == 0
    assert main(["masks", str(tmp_path / "set"), "--workers", "1"]) == 0
    assert len((tmp_path / "set" / "regions.csv").read_text()) > 2 * 400 * 300


def test_without_a_table_every_image_has_the_unlisted_class(tmp_path, make):
    raw = inbreast(tmp_path / "raw")
    (raw / "INbreast.csv").unlink()
    assert make("inbreast-like", raw, ('kind    = "DM"', 'kind = "DM"\nunlisted_class = "malignant"')) == 0
    rows, _ = originals(tmp_path / "set")
    assert {row["class"] for row in rows.values()} == {"malignant"}


def test_a_card_of_another_collection_claims_no_licence_of_cdd_cesm(tmp_path, make):
    make("cbis-ddsm-like", cbis(tmp_path / "raw"))
    card = (tmp_path / "set" / "README.md").read_text()
    assert "are not CDD-CESM's: look up their licence" in card
    assert "Khaled" not in card


@pytest.mark.parametrize(
    ("damage", "reason", "message"),
    [
        pytest.param(
            lambda raw: write_mask(raw / "masks" / "20003.png", shape(3), size=(32, 24)),
            "annotation-size",
            "was drawn on 32 x 24 pixels, but the image has 24 x 32",
            id="a mask of another size",
        ),
        pytest.param(
            lambda raw: cv2.imwrite(str(raw / "masks" / "20003.png"), Download.pixels("a breast", SIZE)),
            "region-malformed",
            "mask has the gray levels of a picture",
            id="a picture in place of a mask",
        ),
        pytest.param(
            lambda raw: (raw / "masks" / "20003.png").write_bytes((raw / "masks" / "20003.png").read_bytes()[:40]),
            "region-malformed",
            "mask is a PNG of 40 bytes without its end mark",
            id="a mask that is cut off",
        ),
        pytest.param(
            lambda raw: write_mask(raw / "masks" / "20003.png"), "no-region", "nobody drew its lesion", id="an empty mask"
        ),
        pytest.param(lambda raw: (raw / "masks" / "20003.png").unlink(), "no-region", "nobody drew its lesion", id="no mask"),
        pytest.param(
            lambda raw: (raw / "images" / "20003_0002_MG_R_ML_ANON.dcm").unlink(),
            "file-missing",
            "is annotated, but there is no such image file",
            id="no image",
        ),
        pytest.param(
            lambda raw: (raw / "INbreast.csv").write_text(
                (raw / "INbreast.csv").read_text().replace("20003; 2 ;4a", "20003;2;0")
            ),
            "unknown-class",
            "is classified '0'; expected Malignant, Benign or Normal",
            id="a class that is not in the map",
        ),
    ],
)
def test_the_fault_of_an_image_is_reported(tmp_path, make, damage, reason, message):
    raw = inbreast(tmp_path / "raw")
    damage(raw)
    assert make("inbreast-like", raw, command="index") == 0
    (reject,) = read_csv(tmp_path / "set" / "rejects.csv")
    assert "20003" in reject["image"]
    assert reject["reason"] == reason
    assert message in reject["words"]


def test_a_path_without_a_match_is_reported(tmp_path, make):
    raw = cbis(tmp_path / "raw")
    write_dicom(raw / "Mass-Training_P_00001_LEFT_XCC" / "1.4" / "1-1.dcm", 9)
    assert make("cbis-ddsm-like", raw, command="index") == 0
    (reject,) = read_csv(tmp_path / "set" / "rejects.csv")
    assert (reject["image"], reject["reason"]) == ("1-1", "unknown-name")
    assert "1-1 has a path that [layout] image does not match" in reject["words"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("ACR", "Density")], "has no column 'Density', which [layout.table] names; it has Laterality, View, File Name"),
        (
            [('class = "Bi-Rads"', 'class = "Result"')],
            "(CSV or xlsx with File Name and Result in one of the first 20 rows);",
        ),
        ([("(?P<patient>[0-9a-f]+)", "[0-9a-f]+")], "image has no group patient; add it as (?P<patient>...), or name its column"),
        ([("masks/(?P<image>", "masks/(?P<name>")], "[layout] mask: lacks the group image"),
        ([("(?P<side>[LR])", "(?P<side>[LR)")], "[layout] image: is not a regular expression: "),
        ([('kind    = "DM"\n', "")], 'in [layout.table], or set kind = "DM" or "CM" for all images'),
        ([('class = "Bi-Rads", ', "")], "table.columns: expected both image and class"),
        (
            [("density = ", "dense = ")],
            "[layout.table] columns: names the column 'dense'; expected any of image, class, patient, side, view, kind, xmin",
        ),
        ([('delimiter = ";"', 'delimiter = ";;"')], "[layout.table] delimiter: String should have at most 1 character"),
        ([('ML = "MLO"', 'ML = "ML"')], "[layout.views] ML: Input should be 'CC' or 'MLO'"),
    ],
)
def test_a_layout_that_does_not_fit_is_an_error(tmp_path, make, capsys, changes, message):
    assert make("inbreast-like", inbreast(tmp_path / "raw"), *changes, command="index") == 2
    assert message in capsys.readouterr().err


STATED = Layout(unknown=("view",), kind="DM")


@pytest.mark.parametrize(
    ("path", "layout", "stated", "expected"),
    [
        pytest.param("a7.png", STATED, {"patient": "P_7", "side": "L"}, ImageName("a7", "P7", "L", "DM", ""), id="a table alone"),
        pytest.param("P7_L_DM_CC.png", STATED, {"patient": "7"}, ImageName("P7_L_DM_CC", "P7", "L", "DM", "CC"), id="both agree"),
        pytest.param(
            "img/IMG012.tif",
            Layout(image=r"(?P<image>IMG\d+)$", patients="per-image", kind="DM", unknown=("side", "view")),
            {"side": "L"},
            ImageName("P12_L_DM", "P12", "L", "DM", ""),
            id="a patient per image",
        ),
        pytest.param(
            "s/0a1b2c3d4e5f60718293a4b5c6d7e8f9.png",
            Layout.model_validate(
                {
                    "image": "(?P<image>[0-9a-f]{32})$",
                    "kind": "DM",
                    "table": {"columns": {"image": "i", "class": "c", "patient": "p", "side": "s", "view": "v"}},
                }
            ),
            {"patient": "5", "side": "R", "view": "CC"},
            ImageName("P5_R_DM_CC_43302278", "P5", "R", "DM", "CC"),
            id="eight digits for a hash",
        ),
    ],
)
def test_a_table_states_what_a_path_does_not(path, layout, stated, expected):
    assert name_image(path, layout, None, stated) == expected


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"side": "R"}, "has another side in its path than in its table row"),
        ({"patient": "P_00039"}, "has another patient in its path than in its table row"),
        ({"patient": "1$2"}, "has several rows in the table, which state different values for patient"),
    ],
)
def test_a_table_and_a_path_that_contradict_each_other_are_a_reject(stated, message):
    with pytest.raises(SourceError, match=message.replace("$", r"\$")) as error:
        name_image("Mass-Test_P_00038_LEFT_CC/1-1.dcm", CBIS, None, stated)
    assert error.value.reason == "name-differs"


def write_anonymous(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    mammogram(path, Download.pixels(f"image {seed}", SIZE).astype(np.uint16) * 16, PatientID="", ImageType=["ORIGINAL"])


def vindr(raw, side="L"):
    """Six exams, without PatientID, of a table that states side and view."""
    rows = []
    for exam in range(6):
        write_anonymous(raw / "images" / f"{exam}" / f"{exam}ab.dicom", exam)
        rows.append({"study_id": f"{exam}e", "image_id": f"{exam}ab", "laterality": side, "view": "CC", "result": "malignant"})
        write_mask(raw / "masks" / f"{exam}ab.png", shape(exam))
    write_table(raw / "findings.csv", rows, ",")
    return raw


VINDR = """
schema_version = 1
name = "exams"
title = "exams"
differs = "Not CDD-CESM."
[source]
with_regions = ["malignant"]
[layout]
kind = "DM"
mask = 'masks/(?P<image>\\w+)$'
[layout.table]
columns = { image = "image_id", class = "result", side = "laterality", view = "view" COLUMN }
"""


def index_exams(tmp_path, monkeypatch, column="", side="L"):
    (tmp_path / "recipe.toml").write_text(VINDR.replace("COLUMN", column))
    monkeypatch.setenv("CESM_SITE_KEY", "00112233445566778899aabbccddeeff")
    raw = vindr(tmp_path / "raw", side)
    arguments = ["--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", str(tmp_path / "recipe.toml"), "--workers", "1"]
    return main(["index", *arguments])


@pytest.mark.parametrize(("column", "remark"), [('patient = "study_id"', False), ("", True)])
def test_exams_of_a_table_stand_for_patients_that_nothing_names(tmp_path, monkeypatch, capsys, column, remark):
    assert index_exams(tmp_path, monkeypatch, f", {column}" if column else "") == 0
    printed = capsys.readouterr().out
    assert "6  kept, of 6 patients" in printed
    assert ("6 images have the exam of their table row as their patient" in printed) == remark


def test_a_table_and_tags_that_contradict_each_other_are_a_reject(tmp_path, monkeypatch):
    assert index_exams(tmp_path, monkeypatch, side="R") == 0
    rows = read_csv(tmp_path / "set" / "rejects.csv")
    assert {row["reason"] for row in rows if row["image"].endswith(".dcm")} == {"name-differs"}
