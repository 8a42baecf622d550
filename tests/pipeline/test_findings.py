import csv
from collections import Counter

import pytest

from pipeline.contract import clean_name
from pipeline.findings import OTHER, find_contradiction, finding_kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", ()),
        ("Normal", ("no finding",)),
        ("No mass or non mass enhancement", ("no finding",)),
        ("Non enhancement", ("no finding",)),
        ("Portacath", ("other",)),
        ("Non enhancing mass$Stippled enhancement", ("mass", "non-mass enhancement")),
        ("Heterogenously enahncing mass with ductal extension", ("mass",)),
        ("Multiple enhancing nodules", ("mass",)),
        ("Irregular rim enhancement", ("mass",)),
        ("Heterogenous mass enhancement", ("mass",)),
        ("Segmental  non mass enhancement", ("non-mass enhancement",)),
        ("Faint linear non-mass enhancement", ("non-mass enhancement",)),
        ("Heterogenous enhacement", ("non-mass enhancement",)),
        ("Clustered ring enhancment", ("non-mass enhancement",)),
        ("Foci of enhancement", ("foci",)),
        ("Benign calcific foci", ("calcifications",)),
        (
            "Architectural distorton with overlying macrocalification  and edema pattern",
            ("architectural distortion", "calcifications", "edema"),
        ),
        ("Asymmetrial increased density", ("asymmetry",)),
        ("Postoperative scar and assymetrical increased density", ("asymmetry", "postoperative")),
        ("Nodular increased density$IMLN", ("asymmetry", "lymph node")),
        ("Diffuse edematous changes and dilated retroareolar ducts", ("edema", "duct")),
        ("Flap with no enhancement", ("postoperative",)),
    ],
)
def test_kinds_of_findings_are_recognised(text, kinds):
    assert finding_kinds(text) == kinds


@pytest.mark.real
def test_each_text_of_the_real_table_names_a_kind(real_annotations):
    with (real_annotations / "Radiology-manual-annotations.csv").open(newline="", encoding="utf-8-sig") as file:
        counts = Counter(kind for row in csv.DictReader(file) for kind in finding_kinds(row["Findings"]))
    assert OTHER not in counts
    assert counts.most_common(3) == [("no finding", 895), ("mass", 564), ("calcifications", 238)]


@pytest.mark.parametrize(
    ("row", "contradicted"),
    [
        (("malignant", 2, "1", "Normal"), True),
        (("benign", 1, "1", "No mass or non mass enhancement"), True),
        (("malignant", 1, "2", "Non enhancement"), False),
        (("malignant", 1, "", "Normal"), False),
        (("malignant", 1, "1", "Mass"), False),
        (("malignant", 0, "1", "Normal"), False),
        (("normal", 0, "1", "Normal"), False),
        (("normal", 0, "1", "Portacath"), False),
        (("normal", 0, "3", "Architectural distortion"), True),
        (("normal", 0, "6", "Non enhancement"), True),
        (("normal", 0, "2$4", ""), True),
        (("normal", 0, "", ""), False),
    ],
)
def test_labels_that_their_own_row_contradicts(row, contradicted):
    assert bool(find_contradiction(*row)) is contradicted


@pytest.mark.real
def test_the_contradicted_labels_of_the_whole_collection(real_annotations):
    """Counted by hand: 8 drawn malignant images, 34 drawn benign ones, 11 normal ones without a region."""
    with (real_annotations / "Radiology-manual-annotations.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    with (real_annotations / "Radiology_hand_drawn_segmentations_v2.csv").open(encoding="utf-8-sig", newline="") as lines:
        drawn = {clean_name(row["#filename"]) for row in csv.DictReader(lines)}
    counts = Counter()
    for row in rows:
        image_class = row["Pathology Classification/ Follow up"].strip().lower()
        has_region = clean_name(row["Image_name"]) in drawn
        if image_class != "normal" or not has_region:  # normal images with regions are left out
            counts[image_class] += bool(find_contradiction(image_class, has_region, row["BIRADS"].strip(), row["Findings"]))
    assert counts == {"malignant": 8, "benign": 34, "normal": 11}
