import csv
from collections import Counter

import pytest

from segmenter.evaluation.findings import OTHER, finding_kinds


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
