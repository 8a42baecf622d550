"""The names of groups, criteria and kinds of images in a report."""

from pipeline.contract import GROUPS

GROUP_NAMES = {"size": "largest lesion", "bands": "lesion in bands:"} | GROUPS
CRITERIA = {"iou": "IoU > 0.1", "centre": "centre inside"}
KINDS = {"DM": "low energy", "CM": "subtracted"}
WIDE_UNDER = 30  # patients; docs/metrics.md


def group_name(group: str) -> str:
    """The name of a group of images; a manifest column without a name of its own keeps its header."""
    return GROUP_NAMES.get(group, group)
