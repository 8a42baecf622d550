"""The kinds of findings in an image, from the free text of its annotation.

CDD-CESM describes its 2006 images in 345 different texts, many of them misspelled. The patterns match the terms of its
annotation workbook, which keeps the kinds on separate sheets.
"""

import re

from pipeline.contract import LESION_CLASSES

NOTHING, OTHER = "no finding", "other"
_NEGATIONS = re.compile(r"\bno mass or nonmass enhancement|\bno enhancement|\bnon enhanc\w*|\bnormal\b")
# `enhancement` in the spellings that occur: enhacement, enhancment, enahncing, ehancing, enhancng.
_ENHANCEMENT = r"\ben?h?a\w*ment\b"
_KINDS = {
    "mass": r"\bmass(es)?\b|\bnodules?\b|\brim \w+",
    "non-mass enhancement": rf"\bnonmass\b|(?<!mass )(?<!rim )(?<!foci of )(?<!focus ){_ENHANCEMENT}",
    "foci": r"(?<!calcific )\bfoc(i|us)\b",
    "architectural distortion": r"\bdistort",
    "asymmetry": r"\bass?ym|\bincreased densit",
    "calcifications": r"calc?if",
    "edema": r"\bo?edem",
    "postoperative": r"\bpost ?operative\b|\bflap\b|\bsurgical\b",
    "duct": r"\b(dilated|prominent)( \w+)? ducts?\b",
    "lymph node": r"\bimln\b|\blymph",
}


def finding_kinds(text: str) -> tuple[str, ...]:
    """The kinds of findings that a text names; empty for an empty text.

    A text that denies findings and names none is `no finding`; a text without any known term is `other`.
    """
    plain = re.sub(r"\bnon[ -]?mass\b", "nonmass", " ".join(text.lower().split()))
    named, denied = _NEGATIONS.subn("", plain)
    kinds = tuple(kind for kind, pattern in _KINDS.items() if re.search(pattern, named))
    if kinds or not plain:
        return kinds
    return (NOTHING,) if denied else (OTHER,)


def find_contradiction(image_class: str, regions: int, birads: str, findings: str) -> str:
    """Why an image's own row of the annotation table contradicts how the image is used; empty where it does not.

    An image with drawn regions is contradicted by BI-RADS 1 with findings that deny any, an image of class normal by BI-RADS
    4 to 6 or by findings that name one.

    Example:
      >>> find_contradiction("malignant", 1, "1", "Normal")
      'a malignant region is drawn, but BI-RADS is 1 and the findings are "Normal"'
      >>> find_contradiction("normal", 0, "3", "Architectural distortion")
      'normal, but BI-RADS is 3 and the findings are "Architectural distortion"'
      >>> find_contradiction("malignant", 1, "2", "Non enhancement")
      ''
    """
    values, kinds = {value.strip() for value in birads.split("$")}, finding_kinds(findings)
    row = f'BI-RADS is {birads or "unknown"} and the findings are "{findings}"'
    if regions and image_class in LESION_CLASSES and values == {"1"} and kinds == (NOTHING,):
        return f"a {image_class} region is drawn, but {row}"
    if image_class not in LESION_CLASSES and (values & {"4", "5", "6"} or set(kinds) - {NOTHING, OTHER}):
        return f"{image_class}, but {row}"
    return ""
