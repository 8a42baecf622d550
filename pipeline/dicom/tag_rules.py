"""Reads patient, side, view and kind from the tags of a mammogram. By rules; what no rule matches stays empty.

Vendors use different terms, so users can put rules of their own before these. Source: PS3.3 C.8.11.7.1.4 (Image Type of
mammograms), C.8.11.7 (laterality), PS3.16 CID 4014 (views).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.dicom.options import DicomOptions, Rule
from pipeline.dicom.parsing import read_words
from pipeline.dicom.tags import Tags
from pipeline.files import search_expression

# If two tags match, the one that is listed first applies.
RULES = (
    Rule(tag="ImageType", matches="^LOW_ENERGY$", kind="DM"),
    Rule(tag="ImageType", matches="^SUBTRACTION$", kind="CM"),
    Rule(tag="ImageLaterality", matches="^L$", side="L"),
    Rule(tag="ImageLaterality", matches="^R$", side="R"),
    Rule(tag="Laterality", matches="^L$", side="L"),
    Rule(tag="Laterality", matches="^R$", side="R"),
    # SNOMED CT, and the retired SNOMED RT codes that older files carry.
    Rule(tag="ViewCodeSequence", matches="^(399162004|R-10242)$", view="CC"),
    Rule(tag="ViewCodeSequence", matches="^(399368009|R-10226)$", view="MLO"),
    Rule(tag="ViewPosition", matches="^CC$", view="CC"),
    Rule(tag="ViewPosition", matches="^MLO$", view="MLO"),
)


def read_tags(dataset: Any, options: DicomOptions) -> Tags:
    """Reads the identity of one image by the options' rules, then the built-in ones."""
    uid = str(dataset.get("SOPInstanceUID") or "")
    text = read_words(dataset, "BurnedInAnnotation")
    return Tags(
        str(dataset.get("PatientID") or "").strip(),
        **{name: _apply_rules(dataset, name, options.rules, RULES) for name in ("side", "kind", "view")},
        uid=uid,
        exposure=str(dataset.get("FrameOfReferenceUID") or uid),
        has_text=True if "YES" in text else False if text == {"NO"} else None,
        study=str(dataset.get("StudyInstanceUID") or ""),
    )


def _apply_rules(dataset: Any, name: str, *tables: Sequence[Rule]) -> str:
    """The value by the first tag of the first table whose rules match; empty if none does, or if they contradict."""
    for rules in tables:
        candidates = [rule for rule in rules if getattr(rule, name)]
        for tag in dict.fromkeys(rule.tag for rule in candidates):
            values = list(_values(dataset, tag))
            matching = {getattr(rule, name) for rule in candidates if rule.tag == tag and _matches(rule, values)}
            if matching:
                return matching.pop() if len(matching) == 1 else ""
    return ""


def _matches(rule: Rule, values: Sequence[str]) -> bool:
    return any(search_expression(re.compile(rule.matches), value, f"a value of {rule.tag}") for value in values)


def _values(dataset: Any, tag: str) -> Iterator[str]:
    """The values of a tag as text; of a sequence, the code values of its items."""
    value = dataset.get(tag)
    if value in (None, ""):
        return
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    for item in items:
        yield str(item.get("CodeValue", "") if hasattr(item, "get") else item).strip()
