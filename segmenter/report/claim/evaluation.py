"""What a run's evaluation states of the subjects of CLAIM's items; an empty string where it states nothing."""

from segmenter.evaluation.bootstrap import CONFIDENCE, DRAWS
from segmenter.evaluation.formatting import counted, format_estimate, format_number, sentence
from segmenter.evaluation.metrics import RATES, metric_of
from segmenter.report import contents
from segmenter.report.cases import OF_EACH
from segmenter.report.labels import group_name
from segmenter.report.results import RunResults

_QUOTED = (("dice", "mean"), ("dice", "median"), ("nsd", "mean"), ("hd95_px", "median"))
_PER_PIXEL = ("sensitivity", "precision", "specificity")


def metrics(results: RunResults) -> str:
    """The metrics' names."""
    names = [metric_of(name).label for name in results.metrics.query("group == 'all'")["metric"].unique()]
    tolerance = results.summary["tolerance_px"]
    return f"{'; '.join(names)}. NSD has a tolerance of {tolerance:g} px; docs/metrics.md of the program defines all."


def uncertainty(results: RunResults) -> str:
    """How intervals were made."""
    return (
        f"{CONFIDENCE:.0%} intervals over {counted(results.patients, 'patient')}: percentiles of {DRAWS:,} bootstrap draws of "
        "patients, expanded by Student's t."
    )


def robustness(results: RunResults) -> str:
    """By which groups metrics are given."""
    groups = [group_name(name).rstrip(":") for name in results.metrics["group"].unique() if name not in ("all", "without lesion")]
    return sentence([f"metrics by {', '.join(groups)}" if groups else "", contents.single_sentence(results)])


def internal_test(results: RunResults) -> str:
    """The test images of the same data set; empty for another split, whose images were trained or tuned on."""
    if results.split != "test":
        return ""
    text = f"{counted(len(results.images), 'image')} of {counted(results.patients, 'patient')} of the same data set, "
    text += "each as a test image of its fold" if results.is_over_folds else f"split {results.split}"
    return f"{text}: {_estimate(results, 'dice', 'mean')}. {contents.shared_sentence(results)}"


def not_held_out(results: RunResults) -> str:
    """What the author adds where test patients were trained on, or where that is unknown; else empty."""
    shared = results.summary["patients_in_train"]
    if shared is None:
        return "state whether these patients were trained on"
    return "test on patients that were not trained on" if shared else ""


def not_of_test(results: RunResults) -> str:
    """What the author adds to metrics of images that were trained or tuned on; empty for test images."""
    return "" if results.split == "test" else f"give those of test images; these are of {results.split}"


def performance(results: RunResults) -> str:
    """Dice and distances, with intervals."""
    return sentence(_estimate(results, name, average) for name, average in _QUOTED)


def detection(results: RunResults) -> str:
    """Lesions found, false positives and pixel rates, with intervals."""
    parts = [_estimate(results, name, "mean") for name in ("detection_rate", "false_positives_per_image")]
    pixels = ", ".join(text for name in _PER_PIXEL if (text := _estimate(results, name, "mean")))
    return sentence([*parts, f"of the pixels of each image: {pixels}" if pixels else ""])


def _estimate(results: RunResults, name: str, average: str) -> str:
    row, metric = results.metric("all", name), metric_of(name)
    label = metric.label if name in RATES else f"{average} {metric.label}"
    return f"{label} {format_estimate(row, average, metric.digits)}" if row else ""


def failures(results: RunResults) -> str:
    """The worst images, missed lesions and false alarms."""
    rows = results.images[results.images["empty_truth"] == 0].sort_values(["dice", "sample"]).head(OF_EACH)
    worst = ", ".join(f"{row['sample']} ({format_number(row['dice'], 2)})" for row in rows.to_dict("records"))
    parts = [f"lowest Dice: {worst}"] if worst else []
    parts += [f"{(results.lesions['detected'] == 0).sum():,} of {counted(len(results.lesions), 'lesion')} missed"]
    false_positives = counted(int(results.images["false_positives"].sum()), "false positive")
    parts += [f"{false_positives} in {counted(len(results.images), 'image')}"]
    return sentence([*parts, "the page shows them"])


def limits(results: RunResults) -> str:
    """What a reader must know before reading any metric."""
    return " ".join(contents.warnings(results))
