"""The rows and sentences of a report; unknown values are left out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata

from pipeline.contract import MANIFEST, SPLITS
from segmenter.data.dataset import Sample, count_patients
from segmenter.evaluation.aggregation import GROUPS
from segmenter.evaluation.formatting import (
    NONE,
    counted,
    format_estimate,
    format_interval,
    format_number,
    row_interval,
)
from segmenter.evaluation.metrics import IMAGE_METRICS, RATES, Metric, metric_of
from segmenter.evaluation.sizes import SIZES
from segmenter.report.labels import CRITERIA, WIDE_UNDER, group_name
from segmenter.report.results import RunResults
from segmenter.runs import TRAINED_ON

METRIC_COLUMNS = ("metric", "mean", "95 % interval", "median", "95 % interval", "images", "patients", "what it means")
SINGLE_COLUMNS = ("metric", "given", "mean", "95 % interval", "median", "95 % interval")
EMPTY_COLUMNS = ("metric", "mean", "95 % interval", "images", "patients", "what it means")
SPLIT_COLUMNS = ("split", "patients", "source images", "samples", "source images by class")
CURVE_COLUMNS = ("criterion", "lesions", "threshold", "found", "95 % interval", "false positives per image")
CASE_COLUMNS = (
    *("image", "patient", "class", "kind", "view", "Dice", "NSD", "HD95, px", "found", "false positives", "lesion, px"),
    *("predicted, px", "largest lesion", "in bands", "findings"),
)
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
    "false_positives_per_image": "false positives per image",
}
_MISSING = "not recorded"  # by an earlier version
_SHOWN_ELSEWHERE = ("data_identity", "date", "device", "parameters", TRAINED_ON)  # elsewhere on the page, or too long for it
Entry = tuple[str, str, str]
Rows = list[tuple[object, ...]]
Facts = list[tuple[str, str]]


def warnings(results: RunResults) -> list[str]:
    """What a reader must know before reading any metric."""
    messages = []
    if results.is_phantom:
        messages.append(
            "This is a phantom: synthetic images made by a program. They show nobody's breast and have no clinical meaning."
        )
    shared = results.summary["patients_in_train"]
    if shared and results.split != "train":
        messages.append(
            f"{shared} of the {counted(results.patients, 'patient')} of {results.split} are also in train: these metrics are "
            "inflated, and say little about new patients."
        )
    elif shared is None and results.split != "train":
        messages.append(shared_sentence(results))
    if results.split == "train":
        subject = "Another program may have been" if results.scored else "The model was"
        messages.append(f"{subject} trained on these images: their metrics say nothing about new patients.")
    if results.split == "valid" and not results.scored:
        messages.append("The epoch was chosen on these images, and the threshold may have been: their metrics are inflated.")
    if results.lacks_partners:
        messages.append(
            f"Only {results.summary['with_partner']} of {counted(len(results.images), 'image')} had the other image of their "
            "view: these metrics are partly those of single images."
        )
    if results.patients < WIDE_UNDER:
        messages.append(
            f"Only {counted(results.patients, 'patient')} ({counted(len(results.images), 'image')}) in {results.split}: "
            "intervals are wide, and hold the true value less often than 95 %."
        )
    return messages


def key_metrics(results: RunResults) -> list[Entry]:
    """The cards at the top: value, name, small print."""
    dice = dice_name(results)
    entries = [
        _card(results, "all", "dice", f"mean {dice}", 2),
        _card(results, "all", "dice", f"median {dice}", 2, average="median"),
        *(_card(results, "all", f"dice_{name}", f"mean Dice, {name}", 2) for name in results.class_names),
        _card(results, "all", "nsd", f"NSD at {results.summary['tolerance_px']:g} px", 2),
        _card(results, "all", "hd95_px", "median HD95, px", 1, average="median"),
        _card(results, "all", "hd95_mm", "median HD95, mm", 1, average="median"),
        _card(results, "all", "detection_rate", "lesions found", share=True, more=_detected_lesions(results)),
        _card(results, "all", "false_positives_per_image", "false positives per image", 2),
        _card(results, "without lesion", "share_without_false_positive", "images without lesion that stay clean", share=True),
    ]
    images = results.images
    without = int((images["empty_truth"] == 1).sum())
    more = f"{len(images) - without} with lesions, {without} without"
    known_entries = [entry for entry in entries if entry]
    return [*known_entries, (f"{len(images):,}", "images", more), (f"{results.patients:,}", "patients", f"split {results.split}")]


def dice_name(results: RunResults) -> str:
    """The name of Dice over all lesions, which differs from Dice of one class."""
    return "Dice, any class" if results.has_classes else "Dice"


def _card(
    results: RunResults,
    group: str,
    metric: str,
    name: str,
    digits: int = 2,
    *,
    average: str = "mean",
    share: bool = False,
    more: str = "",
) -> Entry | None:
    row = results.metric(group, metric)
    if row is None:
        return None
    if share:
        interval = f"{row[f'{average}_low']:.0%} to {row[f'{average}_high']:.0%}" if row_interval(row, average) else ""
        return f"{row[average]:.0%}", name, "; ".join(text for text in (more, interval) if text)
    return format_number(row[average], digits), name, row_interval(row, average, digits)


def _detected_lesions(results: RunResults) -> str:
    return f"{results.lesions['detected'].sum():,.0f} of {counted(len(results.lesions), 'lesion')}"


def metric_rows(results: RunResults) -> Rows:
    """All metrics over the images of the split, with intervals."""
    return [
        (metric.label, *_estimate(row, metric.digits), *_median(row, metric.digits), *_counts(row), _meaning(results, row))
        for row, metric in _rows(results, "all")
    ]


def empty_rows(results: RunResults) -> Rows:
    """The metrics of images without lesion; empty where there are no such images."""
    return [
        (metric.label, *_estimate(row, metric.digits), *_counts(row), _meaning(results, row))
        for row, metric in _rows(results, "without lesion")
    ]


def _rows(results: RunResults, group: str) -> Iterable[tuple[Mapping, Metric]]:
    table = results.metrics
    for row in table[table["group"] == group].to_dict("records"):
        yield row, metric_of(row["metric"])


def _estimate(row: Mapping, digits: int) -> tuple[str, str]:
    return format_number(row["mean"], digits), row_interval(row, "mean", digits)


def _median(row: Mapping, digits: int) -> tuple[str, str]:
    return (
        ("", "")
        if row["median"] != row["median"]
        else (format_number(row["median"], digits), row_interval(row, "median", digits))
    )


def _counts(row: Mapping) -> tuple[int, int]:
    return int(row["images"]), int(row["patients"])


def _meaning(results: RunResults, row: Mapping) -> str:
    values = {"tolerance": results.summary["tolerance_px"], "lesions": counted(len(results.lesions), "lesion")}
    return metric_of(row["metric"]).meaning.format(**values)


def single_rows(results: RunResults) -> Rows:
    """The metrics over the images of the split (SINGLE_COLUMNS), with both images of each view and without the other one."""
    if not results.single:
        return []
    alone = {row["metric"]: row for row, _ in _rows(results.single, "all")}
    rows: Rows = []
    for row, metric in _rows(results, "all"):
        cells = [
            (*_estimate(each, metric.digits), *_median(each, metric.digits)) for each in (row, alone.get(row["metric"])) if each
        ]
        rows += [(metric.label, mode, *cell) for mode, cell in zip(("both images", "single image"), cells, strict=False)]
    return rows


def single_sentence(results: RunResults) -> str:
    """A sentence on what the network takes of each view; empty for networks of single images."""
    if not results.configuration.dataset.partner:
        return ""
    sentence = "The network takes both images of a view, low-energy and subtracted, and predicts the lesions of one of them."
    if (count := results.summary.get("with_partner")) is not None:
        sentence += f" {count} of {counted(len(results.images), 'image')} had both."
    if not results.single:
        return f"{sentence} How well it does without the other one was not evaluated; `evaluate --single` does."
    is_same = results.single.summary["threshold"] == results.summary["threshold"]
    return f"{sentence} It was also evaluated without the other one{'.' if is_same else f': {settings_sentence(results.single)}'}"


def strata_rows(results: RunResults) -> Rows:
    """One row per value of each group, its metrics with intervals."""
    table = results.metrics
    rows: Rows = []
    for group in GROUPS:
        group_table = table[table["group"] == group]
        for value in group_table["value"].unique():
            metrics = {row["metric"]: row for row in group_table[group_table["value"] == value].to_dict("records")}
            counts = (
                *_counts(metrics["false_positives_per_image"]),
                *(_counts(metrics["dice"]) if "dice" in metrics else (0, 0)),
            )
            cells = [format_estimate(metrics[name], digits=2) if name in metrics else NONE for name in _group_metrics()]
            rows.append((f"{group_name(group)} {value}", *counts, *cells))
    return rows


def strata_columns() -> tuple[str, ...]:
    """The columns of `strata_rows`."""
    labels = [metric.label for metric in _group_metrics().values()]
    return ("group", "images", "patients", "with lesions", "their patients", *labels)


def _group_metrics() -> dict[str, Metric]:
    return {name: metric for name, metric in (IMAGE_METRICS | RATES).items() if metric.by_group}


def size_detection(results: RunResults) -> list[Mapping]:
    """The detection rate of small, medium and large lesions: rows of metrics.csv."""
    rows = (results.metric("lesion size", "detection_rate", size) for size in SIZES)
    return [row for row in rows if row is not None]


def curve_rows(results: RunResults) -> Rows:
    """The points of the FROC curves of all lesions."""
    shown = results.curve[results.curve["size"] == "all"]
    return [
        (
            CRITERIA[row["criterion"]],
            int(row["lesions"]),
            f"{row['threshold']:g}",
            format_number(row["detection_rate"]),
            format_interval(row["low"], row["high"]),
            format_number(row["false_positives_per_image"], 2),
        )
        for row in shown.to_dict("records")
    ]


def operating_points(results: RunResults) -> dict[str, tuple[float, float]]:
    """False positives per image and detection rate of the evaluated masks, by criterion."""
    points = {}
    for criterion, prefix in (("iou", ""), ("centre", "centre_")):
        rate = results.metric("all", f"{prefix}detection_rate")
        false_positives = results.metric("all", f"{prefix}false_positives_per_image")
        if rate and false_positives:
            points[criterion] = (false_positives["mean"], rate["mean"])
    return points


def split_rows(results: RunResults) -> Rows:
    """Patients, source images and samples of each split as the run saw it."""
    all_samples = results.data.samples
    splits = [(split, [sample for sample in all_samples if sample.split == split]) for split in SPLITS]
    return [
        (
            split,
            count_patients(samples),
            len({sample.image_id for sample in samples}),
            len(samples),
            _classes(samples),
        )
        for split, samples in [*splits, ("all", all_samples)]
    ]


def _classes(samples: Iterable[Sample]) -> str:
    classes = Counter(label for _, label in {(sample.image_id, sample.label) for sample in samples} if label)
    return ", ".join(f"{count} {label}" for label, count in sorted(classes.items())) or NONE


def shared_sentence(results: RunResults) -> str:
    """A sentence on how many of the split's patients were trained on."""
    shared, split = results.summary["patients_in_train"], results.split
    if shared is None:
        return f"It is unknown whether patients of {split} are also in train."
    return f"{counted(shared, 'patient') if shared else 'No patient'} of {split} {'are' if shared > 1 else 'is'} also in train."


def dropped_rows(results: RunResults) -> Rows:
    """The reasons why source images are not in the data set, with the number of images and the meaning of each."""
    return [(dropped["reason"], dropped["images"], dropped["meaning"]) for dropped in results.description.get("dropped", [])]


def audit_sentence(results: RunResults) -> str:
    """A sentence on the findings of the data set's audit."""
    if not results.audit:
        return "The data set was not audited, or has changed since; audit it with `cesm-pipeline audit`."
    findings = results.audit["findings"]
    if not findings:
        return "The audit of the data set found nothing: no patient or image in two splits, no duplicates, every mask clean."
    issues = "; ".join(f"{issue['count']} {issue.get('meaning', 'findings')} ({issue['code']})" for issue in findings)
    return f"The audit of the data set found {issues}."


def fold_rows(results: RunResults) -> Rows:
    """One row per fold, and mean and standard deviation of their metrics."""
    rows: Rows = [tuple(row[name] or NONE for name in FOLD_COLUMNS) for row in results.folds]
    metrics = results.summary["metrics"]
    for statistic, name in (("mean", "mean"), ("std", "standard deviation")):
        spread = [format_number(metrics.get(f"fold_{column}_{statistic}"), 4) for column in list(FOLD_COLUMNS)[5:]]
        rows.append((name, "", "", "", "", *spread))
    return rows


def hash_rows(results: RunResults) -> Rows:
    """The models, the data and the split that the metrics belong to."""
    models: Rows = [(f"model of {run}, SHA-256", digest) for run, digest in results.models.items()]
    has_manifest = (results.data.folder / MANIFEST).is_file()
    # For a fold the identity is the hash with the fold's number.
    data = (f"{MANIFEST}, SHA-256" if has_manifest else "data, SHA-256 of its listing", results.data.identity)
    if results.scored:
        models = [("masks and probabilities, SHA-256", results.summary["identity"]["masks_sha256"])]
    return [*models, data, ("split", results.split), ("reported with cesm-segmentation", metadata.version("cesm-segmentation"))]


def version_rows(results: RunResults) -> Facts:
    """Versions of the libraries, and other facts that training recorded."""
    versions = {name: value for name, value in results.versions.items() if name not in _SHOWN_ELSEWHERE and value is not None}
    return [(name.replace("_", " "), str(value)) for name, value in versions.items()]


def device_rows(results: RunResults) -> Facts:
    """The device that the model was trained on; empty for masks of another program."""
    return [] if results.scored else [("device", str(results.versions.get("device", _MISSING)))]


def training_rows(results: RunResults) -> Facts:
    """What was trained, when and where; facts that an earlier version did not record are marked. Or which masks were scored."""
    if results.scored:
        return scored_rows(results.scored)
    model, facts = results.configuration.model, results.versions
    parameters = facts.get("parameters")
    scaled = "levels 0 to 1" if model.input_normalize else "levels 0 to 255"
    if results.configuration.dataset.partner:
        scaled += ": low-energy, subtracted, and the annotated one of the two again"
    cropped = "" if results.configuration.dataset.crop == "none" else f", cropped to the {results.configuration.dataset.crop}"
    return [
        ("date", str(facts.get("date", _MISSING)).replace("T", " ").replace("+00:00", " UTC")),
        *device_rows(results),
        ("network", model.model),
        (
            "input",
            f"{model.image_width} x {model.image_height} px, {counted(model.image_channels, 'channel')}, {scaled}{cropped}",
        ),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else _MISSING),
        ("training", training_sentence(results)),
    ]


def scored_rows(scored: Mapping) -> Facts:
    """How the masks of another program were read."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in scored["masks"].items())
    missing = f"{counted(len(scored['missing']), 'image')}, scored as empty: {', '.join(scored['missing'])}"
    return [
        ("masks", f"of another program: {kinds}"),
        ("probabilities", scored["probabilities"] or "none, so that there is no FROC curve"),
        ("without a mask", missing if scored["missing"] else "none"),
        *([("folds", "pooled: each image was scored once, as a test image of its fold")] if scored["pooled"] else []),
    ]


def maker(results: RunResults) -> str:
    """What made the predictions: the network, or masks of another program."""
    return "masks of another program" if results.scored else results.configuration.model.model


def case_rows(results: RunResults) -> Rows:
    """One row per image of the split (CASE_COLUMNS), by name."""
    return [
        (
            row["sample"],
            row["patient"] or NONE,
            row["class"] or NONE,
            row["kind"] or NONE,
            row["view"] or NONE,
            format_number(row["dice"]),
            format_number(row["nsd"]),
            format_number(row["hd95_px"], 1),
            f"{row['detected']:.0f} of {row['lesions']:.0f}",
            f"{row['false_positives']:.0f}",
            f"{row['truth_px']:.0f}",
            f"{row['predicted_px']:.0f}",
            row["size"] or NONE,
            format_number(row["band_share"], 2),
            row["findings"] or NONE,
        )
        for row in results.images.sort_values("sample").to_dict("records")
    ]


def training_sentence(results: RunResults) -> str:
    """A sentence on how the network was trained."""
    if results.scored:
        return "by another program, and not recorded here"
    model, train = results.configuration.model, results.configuration.train
    losses = [name if weight == 1 else f"{weight:g} {name}" for name, weight in model.loss.items()]
    sentence = f"loss {' + '.join(losses)}, optimizer {model.optimizer}, learning rate {model.learning_rate:g}"
    sentence += f", batches of {train.batch_size}, at most {counted(train.epochs, 'epoch')}"
    if results.best_epoch:
        sentence += f"; the best of {len(results.history)} was epoch {results.best_epoch}"
    return sentence


def settings_sentence(results: RunResults) -> str:
    """Sentences on how predictions were thresholded, and on which lesions are small."""
    threshold, cuts = results.summary["threshold"], results.summary["size_cuts_px"]
    if results.scored:
        score = results.scored.get("score_threshold")
        how = "taken as they are" if score is None else f"with regions of COCO results from a score of {score:g}"
        sentence = f"Masks are those of another program, {how}."
    elif threshold is not None:
        sentence = f"A pixel is lesion where its probability is at least {threshold:g}."
    elif results.has_classes:
        names = " and ".join(f"Dice, {name}" for name in results.class_names)
        sentence = "A pixel belongs to its most probable class. Metrics, detection and FROC included, are of lesion of any "
        sentence += f"class, so that a wrong class costs nothing there; only {names} distinguish the classes."
    else:
        sentence = f"The threshold is found for each image ({results.infer['algorithm']})."
    if cuts:
        sentence += f" A lesion is small up to {cuts[0]:,.0f} px and large above {cuts[1]:,.0f} px, the terciles of train."
    return sentence
