"""README.md of a data set, its card: dataset.json and the audit as text and tables in Markdown."""

import json
import textwrap
from collections.abc import Mapping
from typing import Any

from pipeline.annotations import UnreadFiles
from pipeline.audit import SCHEMA
from pipeline.contract import GROUPS, SPLITS
from pipeline.dataset.description import PHANTOM, describe_annotators, describe_partners, describe_regions
from pipeline.dataset.doubtful import describe_doubtful
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import dump_toml, write_text
from pipeline.page import markdown_text


def write_card(folder: DatasetFolder, description: Mapping[str, Any]) -> None:
    """Writes the data set card; it includes the audit once that has been run on this manifest.

    Args:
      folder: the data set.
      description: the content of dataset.json.
    """
    parts = [
        f"# {markdown_text(description['title'])}\n",
        _wrap(PHANTOM.replace("This is a phantom", "**This is a phantom**", 1)) if description["phantom"] else "",
        "Not a medical device, and not for clinical use.\n",
        "## What it holds\n",
        _counts(description),
        "## Groups\n",
        _groups(description["groups"]),
        "## How it differs from the published data set\n",
        _wrap(markdown_text(description["differs"])),
        "## What was dropped, and why\n",
        _dropped(description),
        "## Regions\n",
        _wrap(describe_regions(description["regions"])),
        *_annotators(description),
        *(["## Partners\n", _wrap(_describe_partners(partners))] if (partners := description.get("partners")) else []),
        "## Doubtful annotations\n",
        _wrap(describe_doubtful(description.get("doubtful"))),
        "## Audit\n",
        _audit(folder),
        "## Recipe\n",
        f"```toml\n{dump_toml(folder.load_recipe())}```\n",
        "## Licence and citations\n",
        _wrap(markdown_text(description["licence"])),
        "\n".join(_wrap(markdown_text(citation), first="- ", others="  ").rstrip() for citation in description["citations"])
        + "\n",
    ]
    write_text(folder.card, "\n".join(part for part in parts if part.strip()))


def _annotators(description: Mapping[str, Any]) -> list[str]:
    lines = describe_annotators(description.get("annotators", ()))
    listed = "\n".join(_wrap(markdown_text(line), first="- ", others="  ").rstrip() for line in lines)
    return ["Annotation files that state by whom and when they were made:\n", f"{listed}\n"] if lines else []


def _describe_partners(partners: Mapping[str, Any]) -> str:
    return (
        "`partners/` in each split holds the other image of the same view, low energy for subtracted and the reverse, at the "
        f"same scale and laid over the image by translation. Partners have no mask, and some are images that this data set does "
        f"not hold otherwise. Counts: {describe_partners(partners)}."
    )


def _wrap(text: str, first: str = "", others: str = "") -> str:
    lines = textwrap.wrap(
        text, 120, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"


def _counts(description: Mapping[str, Any]) -> str:
    lines = ["| split | patients | source images | samples |", "| --- | ---: | ---: | ---: |"]
    for name in (*SPLITS, "all"):
        count = description["counts"][name]
        lines.append(f"| {name} | {count['patients']} | {count['images']} | {count['samples']} |")
    listed = ", ".join(f"{count} {name}" for name, count in sorted(description["classes"].items()))
    size = description["size_px"]
    return "\n".join(lines) + f"\n\nSource images by class: {listed}. Every image and mask is {size} x {size} pixels.\n"


def _groups(groups: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    lines = [f"| source images | {' | '.join(SPLITS)} |", f"| --- |{' ---: |' * len(SPLITS)}"]
    for column, title in GROUPS.items():
        for value, counts in groups.get(column, {}).items():
            lines.append(
                f"| {title}: {markdown_text(value) or 'unknown'} | {' | '.join(str(counts[split]) for split in SPLITS)} |"
            )
    note = "DM is low energy, CM subtracted; density is on the ACR scale. Images with several BI-RADS values have their own rows."
    return "\n".join(lines) + f"\n\n{note}\n"


def _dropped(description: Mapping[str, Any]) -> str:
    named, dropped = description["named"], description["dropped"]
    kept = named - sum(reason["images"] for reason in dropped)
    lines = [
        f"Of {named} source images that the files and annotations name, {kept} are here. `rejects.csv` has a line for each "
        "of the others.\n",
        "| reason | images | |",
        "| --- | ---: | --- |",
    ]
    lines += [f"| `{reason['reason']}` | {reason['images']} | {reason['meaning']} |" for reason in dropped]
    if unread := description.get("unread"):
        files = "; ".join(markdown_text(UnreadFiles(**kind)) for kind in unread)
        lines.append(f"\nFound with the annotations, and not used: {files}.")
    return "\n".join(lines) + "\n"


def _audit(folder: DatasetFolder) -> str:
    report = read_audit(folder)
    if not report:
        return "Not run on this data set yet.\n"
    if not report["findings"]:
        return "No findings: no patient or image in two splits, no duplicates, every pair complete, every mask clean.\n"
    lines = ["| finding | count | asked for by the recipe | examples |", "| --- | ---: | --- | --- |"]
    lines += [
        f"| `{markdown_text(finding['code'])}` | {finding['count']} | "
        f"{'yes' if finding['code'] in report['expected'] else 'no'} | "
        f"{'; '.join(map(markdown_text, finding['examples'][:2]))} |"
        for finding in report["findings"]
    ]
    return "\n".join(lines) + "\n"


def audit_json(folder: DatasetFolder, findings: list[dict], expected: list[str]) -> str:
    """Returns the text of audit.json: findings, those that the recipe asks for, and the manifest that was audited."""
    report = {"schema": SCHEMA, "manifest_sha256": folder.digest(), "expected": expected, "findings": findings}
    return json.dumps(report, indent=1) + "\n"


def read_audit(folder: DatasetFolder) -> dict:
    """Reads audit.json; empty where it belongs to another manifest or was written by another version."""
    report = folder.read_state(folder.audit)
    current = report.get("schema") == SCHEMA and report.get("manifest_sha256") == folder.digest()
    return report if current else {}
