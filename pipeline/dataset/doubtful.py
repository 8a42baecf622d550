"""Annotations that a user should know to be doubtful: long thin regions, and labels that their own row contradicts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.contract import MaskError
from pipeline.findings import find_contradiction
from pipeline.geometry import BAND_FILLING, BAND_LENGTH, band_share
from pipeline.sources import read_mask


def find_doubtful(root: Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Lists the doubtful images of a data set, as dataset.json has them; none of them is dropped.

    Args:
      root: the data set's folder.
      rows: of its manifest; originals count.

    Returns:
      `bands`: the names of images with long thin lesion components (`images`), and of those where these have more than half
      of the lesion's pixels (`mostly`); `contradicted`: `image_id`, `class` and `reason` of each.
    """
    bands: dict[str, list[str]] = {"images": [], "mostly": []}
    contradicted = []
    for row in rows:
        if row["variant"] != "original":
            continue
        share = _band_share(root / row["mask"]) if row["lesion_px"] else 0.0
        for name in ("images", "mostly")[: int(share > 0) + int(share > 0.5)]:
            bands[name].append(row["image_id"])
        if reason := find_contradiction(row["class"], row["regions"], row["birads"], row["findings"]):
            contradicted.append({"image_id": row["image_id"], "class": row["class"], "reason": reason})
    return {"bands": bands, "contradicted": contradicted}


def _band_share(mask: Path) -> float:
    try:
        return band_share(read_mask(mask.read_bytes(), None))
    except (OSError, MaskError):  # the audit names the file
        return 0.0


def describe_doubtful(doubtful: Mapping[str, Any] | None) -> str:
    """Describes the doubtful annotations of dataset.json as text; None where an earlier version wrote it."""
    if doubtful is None:
        return "Not counted by the version that made this data set."
    bands, contradicted = doubtful["bands"], doubtful["contradicted"]
    lesions = sum(image["class"] != "normal" for image in contradicted)
    listed = ", ".join(image["image_id"] for image in contradicted)
    return (
        f"{len(bands['images'])} images have long thin regions, as skin thickening and edema are drawn, and in "
        f"{len(bands['mostly'])} of them these are most of the lesion. (A connected component counts that is longer than "
        f"{BAND_LENGTH:.0%} of the image's side and fills less than {BAND_FILLING:.0%} of its convex hull.) The labels of "
        f"{len(contradicted)} images are contradicted by their own row of the annotation table: {lesions} have a drawn lesion, "
        f"but BI-RADS 1 and no finding; {len(contradicted) - lesions} are normal, but of BI-RADS 4 to 6 or with a finding"
        f"{': ' + listed if listed else ''}. All of them are in the data set; dataset.json lists them under doubtful."
    )
