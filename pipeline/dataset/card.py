"""README.md of a data set: what it holds, how it was made, what was dropped, what its audit found."""

import json
from collections import Counter, defaultdict

from pipeline.audit import SCHEMA
from pipeline.contract import SPLITS, find_reason, sample_name
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import dump_toml, read_csv, write_text
from pipeline.indexing.tables import read_images, read_rejects

CITATIONS = """\
- Khaled R., Helal M., Alfarghaly O., Mokhtar O., Elkorany A., El Kassas H., Fahmy A.: Categorized Digital Database for Low
  energy and Subtracted Contrast Enhanced Spectral Mammography images [data set]. The Cancer Imaging Archive, 2021.
  https://doi.org/10.7937/29kw-ae92
- Khaled R., Helal M., Alfarghaly O., Mokhtar O., Elkorany A., El Kassas H., Fahmy A.: Categorized contrast enhanced
  mammography dataset for diagnostic and artificial intelligence research. Scientific Data 9, 122, 2022.
  https://doi.org/10.1038/s41597-022-01238-0
- Clark K., Vendt B., Smith K., et al.: The Cancer Imaging Archive (TCIA): maintaining and operating a public information
  repository. Journal of Digital Imaging 26(6), 1045-1057, 2013. https://doi.org/10.1007/s10278-013-9622-7
"""

LICENCE = """\
The images and annotations are CDD-CESM's. Public files give its licence as CC BY 4.0; check it on the data set's page at
The Cancer Imaging Archive before you pass anything on, and cite:
"""

# Of a set whose recipe has a [layout] of its own.
OTHER_LICENCE = """\
The images and annotations are not CDD-CESM's: look up their licence and what to cite where you have them from, before you
pass anything on.
"""

PHANTOM = """\
**This is a phantom**: synthetic images made by a program. They prove nothing clinical and are nobody's breast. The counts
and the licence below are about the look-alike, not about CDD-CESM.
"""


def write_card(folder: DatasetFolder) -> None:
    """Writes the data set card from the folder's tables; the audit is in it once it has been run on this manifest."""
    recipe = folder.load_recipe()
    state = folder.read_state(folder.index_state)
    parts = [
        f"# {recipe.title}\n",
        PHANTOM if state.get("phantom") else "",
        "Not a medical device, and not for clinical use.\n",
        "## What it holds\n",
        _counts(folder),
        "## How it differs from the published data set\n",
        recipe.differs.strip() + "\n",
        "## What was dropped, and why\n",
        _dropped(folder, state.get("summary", {})),
        "## Regions\n",
        describe_regions(folder),
        "## Audit\n",
        _audit(folder),
        "## Recipe\n",
        f"```toml\n{dump_toml(recipe)}```\n",
        "## Licence and citations\n",
        *((LICENCE, CITATIONS) if recipe.layout.image is None else (OTHER_LICENCE,)),
    ]
    write_text(folder.card, "\n".join(part for part in parts if part))


def _counts(folder: DatasetFolder) -> str:
    recipe = folder.load_recipe()
    images = {image.image_id: image for image in read_images(folder.index)}
    made = {name: entry for name, entry in folder.journal.read().items() if name in images and not entry.reject}
    by_sample = recipe.split.by == "sample"
    splits = {row[recipe.split.by]: row["split"] for row in read_csv(folder.assignment, (recipe.split.by, "split"))}
    members: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, entry in made.items():
        for variant in entry.samples:
            key = sample_name(variant, name) if by_sample else images[name].patient
            members[splits[key]].append((name, variant))
    lines = ["| split | patients | source images | samples |", "| --- | ---: | ---: | ---: |"]
    for split in SPLITS:
        names = {name for name, _ in members[split]}
        patients = {images[name].patient for name in names}
        lines.append(f"| {split} | {len(patients)} | {len(names)} | {len(members[split])} |")
    total = sum(len(entry.samples) for entry in made.values())
    lines.append(f"| all | {len({images[name].patient for name in made})} | {len(made)} | {total} |")
    classes = Counter(images[name].image_class for name in made)
    listed = ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))
    size = recipe.image.size_px
    return "\n".join(lines) + f"\n\nSource images by class: {listed}. Every image and mask is {size} x {size} pixels.\n"


def _dropped(folder: DatasetFolder, summary: dict) -> str:
    reasons = count_reasons(folder)
    named = summary.get("named", 0)
    kept = named - sum(count for _, count, _ in reasons)
    lines = [
        f"Of {named} source images that the files and annotations name, {kept} are here. `rejects.csv` has a line for each "
        "of the others.\n",
        "| reason | images | |",
        "| --- | ---: | --- |",
    ]
    lines += [f"| `{reason}` | {count} | {meaning} |" for reason, count, meaning in reasons]
    return "\n".join(lines) + "\n"


def count_reasons(folder: DatasetFolder) -> list[tuple[str, int, str]]:
    """Why source images were dropped: reason, number of images and meaning; the most frequent first."""
    reasons = Counter(reject.reason for reject in read_rejects(folder.rejects))
    return [(reason, count, find_reason(reason).meaning) for reason, count in reasons.most_common()]


def describe_regions(folder: DatasetFolder) -> str:
    """A sentence about what became of the drawn regions."""
    counts: Counter = Counter()
    for entry in folder.journal.read().values():
        counts.update(entry.counts)
    return (
        f"{counts['drawn']} regions were drawn. {counts['clipped']} of them pass the image's border and were clipped there; "
        f"{counts['vanished']} are smaller than half a target pixel and kept their fullest one; {counts['ignored']} more "
        "are points, or polylines where the recipe does not close them, and were not drawn.\n"
    )


def _audit(folder: DatasetFolder) -> str:
    report = read_audit(folder)
    if not report:
        return "Not run on this data set yet.\n"
    if not report["findings"]:
        return "No findings: no patient or image in two splits, no duplicates, every pair complete, every mask clean.\n"
    lines = ["| finding | count | asked for by the recipe | examples |", "| --- | ---: | --- | --- |"]
    lines += [
        f"| `{finding['code']}` | {finding['count']} | {'yes' if finding['code'] in report['expected'] else 'no'} | "
        f"{'; '.join(finding['examples'][:2])} |"
        for finding in report["findings"]
    ]
    return "\n".join(lines) + "\n"


def audit_json(folder: DatasetFolder, findings: list[dict], expected: list[str]) -> str:
    """The text of audit.json: findings, those that the recipe asks for, and the manifest that was audited."""
    report = {"schema": SCHEMA, "manifest_sha256": folder.digest(), "expected": expected, "findings": findings}
    return json.dumps(report, indent=1) + "\n"


def read_audit(folder: DatasetFolder) -> dict:
    """What audit.json says; empty where it is of another manifest or was written by another version."""
    report = folder.read_state(folder.audit)
    known = report.get("schema") == SCHEMA and report.get("manifest_sha256") == folder.digest()
    return report if known else {}
