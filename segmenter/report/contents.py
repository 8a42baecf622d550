"""The rows and sentences of a report, from its material; what is not known is left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata

from pipeline.contract import MANIFEST, SPLITS
from segmenter.data.dataset import Sample
from segmenter.evaluation.sizes import SIZES
from segmenter.report.labels import (
    CRITERIA,
    GROUP_NAMES,
    WIDE_UNDER,
    Metric,
    counted,
    interval,
    metric_of,
    told,
    with_interval,
)
from segmenter.report.results import Material
from segmenter.runs import TRAINED_ON

METRIC_COLUMNS = ("figure", "mean", "95 % interval", "median", "95 % interval", "images", "patients", "what it means")
EMPTY_COLUMNS = ("figure", "mean", "95 % interval", "images", "patients", "what it means")
STRATA_COLUMNS = (
    *("group", "images", "patients", "with lesions", "their patients"),
    *("Dice", "NSD", "sensitivity", "detection rate", "false positives an image"),
)
SPLIT_COLUMNS = ("split", "patients", "source images", "samples", "source images by class")
CURVE_COLUMNS = ("criterion", "lesions", "threshold", "found", "95 % interval", "false positives an image")
FOLD_COLUMNS = {
    "fold": "fold",
    "patients": "patients",
    "images": "images",
    "epochs": "epochs",
    "best_epoch": "best epoch",
    "dice_mean": "mean Dice",
    "dice_median": "median Dice",
    "nsd": "NSD",
    "hd95_px": "median HD95, px",
    "detection_rate": "detection rate",
    "false_positives_per_image": "false positives an image",
}
_STRATA_METRICS = ("dice", "nsd", "sensitivity", "detection_rate", "false_positives_per_image")
_UNTOLD = ("data_identity", TRAINED_ON)  # told elsewhere on the page, or too long for it
Entry = tuple[str, str, str]
Rows = list[tuple[object, ...]]


def warnings(material: Material) -> list[str]:
    """What a reader must know before any figure."""
    found = []
    if material.is_phantom:
        found.append(
            "This is a phantom: synthetic images made by a program. They prove nothing clinical and are nobody's breast."
        )
    shared = material.summary["patients_in_train"]
    if shared and material.split != "train":
        found.append(
            f"{shared} of the {counted(material.patients, 'patient')} of {material.split} are in train too: these figures are "
            "flattered, and say little of new patients."
        )
    elif shared is None:
        found.append(shared_words(material))
    if material.split == "train":
        found.append("These are figures of the images that the model was trained on: they say nothing of new patients.")
    if material.patients < WIDE_UNDER:
        found.append(
            f"Only {counted(material.patients, 'patient')} ({counted(len(material.images), 'image')}) in {material.split}: "
            "intervals are wide, and still too narrow; take them as a lower bound of the doubt."
        )
    return found


def key_figures(material: Material) -> list[Entry]:
    """The cards at the top: value, name, small print."""
    dice = dice_name(material)
    entries = [
        _card(material, "all", "dice", f"mean {dice}", 2),
        _card(material, "all", "dice", f"median {dice}", 2, kind="median"),
        *(_card(material, "all", f"dice_{name}", f"mean Dice, {name}", 2) for name in material.class_names),
        _card(material, "all", "nsd", f"NSD at {material.summary['tolerance_px']:g} px", 2),
        _card(material, "all", "hd95_px", "median HD95, px", 1, kind="median"),
        _card(material, "all", "hd95_mm", "median HD95, mm", 1, kind="median"),
        _card(material, "all", "detection_rate", "lesions found", share=True, more=_found_words(material)),
        _card(material, "all", "false_positives_per_image", "false positives an image", 2),
        _card(material, "without lesion", "share_without_false_positive", "images without lesion that stay clean", share=True),
    ]
    images = material.images
    clean = int((images["empty_truth"] == 1).sum())
    more = f"{len(images) - clean} with lesions, {clean} without"
    known = [entry for entry in entries if entry]
    return [*known, (f"{len(images):,}", "images", more), (f"{material.patients:,}", "patients", f"split {material.split}")]


def dice_name(material: Material) -> str:
    """What Dice over all lesions is called: that of one class has the class's name."""
    return "Dice, any class" if material.has_classes else "Dice"


def _card(
    material: Material,
    group: str,
    metric: str,
    name: str,
    digits: int = 2,
    *,
    kind: str = "mean",
    share: bool = False,
    more: str = "",
) -> Entry | None:
    row = material.figure(group, metric)
    if row is None:
        return None
    if share:
        known = f"{row[f'{kind}_low']:.0%} to {row[f'{kind}_high']:.0%}" if interval(row, kind) else ""
        return f"{row[kind]:.0%}", name, "; ".join(part for part in (more, known) if part)
    return told(row[kind], digits), name, interval(row, kind, digits)


def _found_words(material: Material) -> str:
    return f"{material.lesions['detected'].sum():,.0f} of {counted(len(material.lesions), 'lesion')}"


def metric_rows(material: Material) -> Rows:
    """All figures over the images of the split, with intervals."""
    return [
        (metric.name, *_estimate(row, metric.digits), *_median(row, metric.digits), *_counts(row), _meaning(material, row))
        for row, metric in _rows(material, "all")
    ]


def empty_rows(material: Material) -> Rows:
    """The figures of images without lesion; none where there is no such image."""
    return [
        (metric.name, *_estimate(row, metric.digits), *_counts(row), _meaning(material, row))
        for row, metric in _rows(material, "without lesion")
    ]


def _rows(material: Material, group: str) -> Iterable[tuple[Mapping, Metric]]:
    table = material.figures
    for row in table[table["group"] == group].to_dict("records"):
        yield row, metric_of(row["metric"])


def _estimate(row: Mapping, digits: int) -> tuple[str, str]:
    return told(row["mean"], digits), interval(row, "mean", digits)


def _median(row: Mapping, digits: int) -> tuple[str, str]:
    return ("", "") if row["median"] != row["median"] else (told(row["median"], digits), interval(row, "median", digits))


def _counts(row: Mapping) -> tuple[int, int]:
    return int(row["images"]), int(row["patients"])


def _meaning(material: Material, row: Mapping) -> str:
    values = {"tolerance": material.summary["tolerance_px"], "lesions": counted(len(material.lesions), "lesion")}
    return metric_of(row["metric"]).meaning.format(**values)


def strata_rows(material: Material) -> Rows:
    """A row a value of each group, its figures with intervals."""
    table = material.figures
    rows: Rows = []
    for group, name in GROUP_NAMES.items():
        part = table[table["group"] == group]
        for value in part["value"].unique():
            found = {row["metric"]: row for row in part[part["value"] == value].to_dict("records")}
            counts = *_counts(found["false_positives_per_image"]), *(_counts(found["dice"]) if "dice" in found else (0, 0))
            figures = [with_interval(found[metric], digits=2) if metric in found else "–" for metric in _STRATA_METRICS]
            rows.append((f"{name} {value}", *counts, *figures))
    return rows


def size_detection(material: Material) -> list[Mapping]:
    """The detection rate of small, medium and large lesions: rows of figures.csv."""
    rows = (material.figure("lesion size", "detection_rate", size) for size in SIZES)
    return [row for row in rows if row is not None]


def curve_rows(material: Material) -> Rows:
    """The points of the FROC curves of all lesions."""
    shown = material.curve[material.curve["size"] == "all"]
    return [
        (
            CRITERIA[row["criterion"]],
            int(row["lesions"]),
            f"{row['threshold']:g}",
            told(row["detection_rate"]),
            "" if row["low"] != row["low"] else f"{told(row['low'])} to {told(row['high'])}",
            told(row["false_positives_per_image"], 2),
        )
        for row in shown.to_dict("records")
    ]


def operating_points(material: Material) -> dict[str, tuple[float, float]]:
    """By criterion, false positives an image and detection rate with the mask as it was decided."""
    points = {}
    for criterion, prefix in (("iou", ""), ("centre", "centre_")):
        rate = material.figure("all", f"{prefix}detection_rate")
        false_positives = material.figure("all", f"{prefix}false_positives_per_image")
        if rate and false_positives:
            points[criterion] = (false_positives["mean"], rate["mean"])
    return points


def split_rows(material: Material) -> Rows:
    """Patients, source images and samples of each split as the run saw it."""
    samples = material.data.samples
    parts = [(split, [sample for sample in samples if sample.split == split]) for split in SPLITS]
    return [
        (
            split,
            len({sample.patient for sample in part} - {""}),
            len({sample.image_id for sample in part}),
            len(part),
            _classes(part),
        )
        for split, part in [*parts, ("all", samples)]
    ]


def _classes(samples: Iterable[Sample]) -> str:
    classes = Counter(label for _, label in {(sample.image_id, sample.label) for sample in samples} if label)
    return ", ".join(f"{count} {label}" for label, count in sorted(classes.items())) or "–"


def shared_words(material: Material) -> str:
    """How many of the split's patients were trained on, in a sentence."""
    shared, split = material.summary["patients_in_train"], material.split
    if shared is None:
        return f"Whether patients of {split} are in train too is not known."
    return f"{counted(shared, 'patient') if shared else 'No patient'} of {split} {'are' if shared > 1 else 'is'} in train too."


def dropped_rows(material: Material) -> Rows:
    """Why source images are not in the data set, how many, and what it means: the table of the data set's card."""
    table = material.card.get("What was dropped, and why", "").splitlines()
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table if line.startswith("| `")]
    return [(reason, int(images), meaning) for reason, images, meaning in rows]


def audit_words(material: Material) -> str:
    """What the data set's audit found, in a line."""
    if not material.audit:
        return "The data set was not audited, or has changed since; `cesm-pipeline audit` does it."
    findings = material.audit["findings"]
    if not findings:
        return "The audit of the data set found nothing: no patient or image in two splits, no duplicates, every mask clean."
    found = "; ".join(f"{one['count']} {one.get('meaning', 'findings')} ({one['code']})" for one in findings)
    return f"The audit of the data set found {found}."


def fold_rows(material: Material) -> Rows:
    """A row a fold, and mean and standard deviation of their figures."""
    rows: Rows = [tuple(row[name] or "–" for name in FOLD_COLUMNS) for row in material.folds]
    figures = material.summary["figures"]
    for kind, name in (("mean", "mean"), ("std", "standard deviation")):
        spread = [told(figures.get(f"fold_{column}_{kind}"), 4) for column in list(FOLD_COLUMNS)[5:]]
        rows.append((name, "", "", "", "", *spread))
    return rows


def hash_rows(material: Material) -> Rows:
    """What pins the figures down: models, data, split."""
    models: Rows = [(f"model of {run}, SHA-256", digest) for run, digest in material.models.items()]
    has_manifest = (material.data.folder / MANIFEST).is_file()
    # For one fold the identity is the hash and words on the fold.
    data = (f"{MANIFEST}, SHA-256" if has_manifest else "data, SHA-256 of its listing", material.data.identity)
    return [*models, data, ("split", material.split), ("reported with cesm-segmentation", metadata.version("cesm-segmentation"))]


def version_rows(material: Material) -> Rows:
    """Versions of the libraries and what else training recorded."""
    known = {name: value for name, value in material.versions.items() if name not in _UNTOLD and value is not None}
    return [(name.replace("_", " "), str(value)) for name, value in known.items()]


def training_words(material: Material) -> str:
    """How the network was trained, in a line."""
    model, train = material.configuration.model, material.configuration.train
    losses = [name if weight == 1 else f"{weight:g} {name}" for name, weight in model.loss.items()]
    words = f"loss {' + '.join(losses)}, optimizer {model.optimizer}, learning rate {model.learning_rate:g}"
    words += f", batches of {train.batch_size}, at most {counted(train.epochs, 'epoch')}"
    if material.best_epoch:
        words += f"; the best of {len(material.history)} was epoch {material.best_epoch}"
    return words


def setting_words(material: Material) -> str:
    """How predictions were cut, and what a small lesion is."""
    threshold, cuts = material.summary["threshold"], material.summary["size_cuts_px"]
    if threshold is not None:
        words = f"A pixel is lesion from a probability of {threshold:g} on."
    elif material.has_classes:
        names = " and ".join(f"Dice, {name}" for name in material.class_names)
        words = "A pixel is of its most probable class. Figures are of lesion of any class, detection and FROC too: the wrong "
        words += f"class costs nothing there; {names} alone tell the classes apart."
    else:
        words = f"The cut is found image by image ({material.configuration.infer.algorithm})."
    if cuts:
        words += f" A lesion is small up to {cuts[0]:,.0f} px and large above {cuts[1]:,.0f} px, the terciles of train."
    return words


def paragraphs(text: str) -> list[str]:
    """The paragraphs and list items of a Markdown text, each on one line."""
    lines: list[str] = []
    is_new = True
    for line in text.splitlines():
        if is_new or not line.strip() or line.startswith("- "):
            lines.append(line.strip())
        else:
            lines[-1] += f" {line.strip()}"
        is_new = not line.strip()
    return [line for line in lines if line]
