"""What groups, criteria and kinds of images are called in a report."""

from pipeline.contract import GROUPS

GROUP_NAMES = {"size": "largest lesion"} | GROUPS
CRITERIA = {"iou": "IoU > 0.1", "centre": "centre inside"}
KINDS = {"DM": "low energy", "CM": "subtracted"}
WIDE_UNDER = 30  # patients; docs/metrics.md


def group_name(group: str) -> str:
    """The name of a group of images; a column of the manifest that has no other name is called as its header."""
    return GROUP_NAMES.get(group, group)
