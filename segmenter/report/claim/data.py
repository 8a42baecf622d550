"""What the data set's files state of the subjects of CLAIM's items; an empty string where they state nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.contract import GROUPS, MANIFEST, SPLITS
from segmenter.data.dataset import Sample, count_patients
from segmenter.evaluation.formatting import counted, sentence
from segmenter.report import contents
from segmenter.report.labels import group_name
from segmenter.report.results import RunResults


def sources(results: RunResults) -> str:
    """Which data set it is, and what to cite for it."""
    description = results.description
    kind = "Synthetic images of a phantom, of no patient" if results.is_phantom else "Images of patients"
    parts = [
        f"{kind}: {description.get('title', results.data.folder.name)}",
        f"{MANIFEST} SHA-256 {description['manifest_sha256']}",
    ]
    if not results.is_phantom:
        parts += description.get("citations", ())
    return sentence(parts)


def criteria(results: RunResults) -> str:
    """Which images the recipe takes."""
    source = _settings(results, "source", "with_regions", "without_regions")
    if not source:
        return ""
    parts = [f"{name} images with a drawn region" for name in source["with_regions"]]
    parts += [f"{name} images without a drawn region" for name in source["without_regions"]]
    reasons = ", ".join(dropped["reason"] for dropped in results.description.get("dropped", ()))
    excluded = f" Excluded as {reasons}; item 35 has the numbers." if reasons else ""
    return f"Included: {', '.join(parts)}.{excluded}"


def _settings(results: RunResults, table: str, *keys: str) -> Mapping[str, Any]:
    """A table of the data set's recipe; empty where it lacks one of the keys."""
    settings = results.recipe.get(table, {})
    return settings if {*keys} <= settings.keys() else {}


def preprocessing(results: RunResults) -> str:
    """From the source image to the network's input."""
    image = _settings(results, "image", "size_px", "resize", "color", "format")
    if not image:
        return ""
    text = (
        f"Image and mask padded to a square and resized to {image['size_px']} px (method for images: {image['resize']}), images "
    )
    text += f"stored as {image['color']} {image['format'].upper()}."
    shape = dict(contents.training_rows(results)).get("input")
    return f"{text} Input of the network: {shape}." if shape else text


def subsets(results: RunResults) -> str:
    """Which part of the data, and of each image, is used."""
    variants, crop = _settings(results, "variants", "names"), results.configuration.dataset.crop
    if not variants:
        return ""
    parts = [f"all images that were included, each as {', '.join(variants['names'])}"]
    parts += [f"the network sees the {crop} alone"] if crop != "none" and not results.scored else []
    return sentence(parts)


def privacy(results: RunResults) -> str:
    """What the pipeline did to the names of sources."""
    if results.is_phantom:
        return "Not applicable: synthetic images."
    keyed = "Names of sources are pseudonyms made with a secret key of the site."
    return keyed if results.description.get("keyed") else ""


def missing_data(results: RunResults) -> str:
    """What became of images of which something is missing."""
    parts = ["Nothing was imputed: images without a readable file, class or required region were left out"]
    if results.configuration.dataset.partner and not results.scored:
        partnerless = [sample for sample in results.data.samples if sample.partner is None]
        parts += [f"the other image of the view is zero for {counted(len(partnerless), 'sample')} without one"]
    if results.scored:
        parts += [f"{counted(len(results.scored['missing']), 'image')} without a predicted mask scored as empty"]
    return sentence(parts)


def reference_standard(results: RunResults) -> str:
    """How drawn regions became masks."""
    regions, mask = results.description.get("regions"), _settings(results, "mask", "drawing", "polylines")
    if not regions or not mask:
        return ""
    return (
        f"Regions of annotation files, made into masks by the recipe (drawing {mask['drawing']}, polylines "
        f"{mask['polylines']}): {regions['drawn']:,} drawn, {regions['clipped']:,} of them clipped at the border; "
        f"{regions['ignored']:,} points or open lines not drawn."
    )


def annotators(results: RunResults) -> str:
    """By whom and when annotation files were made, where they state it."""
    entries = results.description.get("annotators", ())
    lines = [", ".join(part for part in (entry["file"], entry["annotator"], entry["date"]) if part) for entry in entries]
    return f"As annotation files state: {'; '.join(lines)}." if lines else ""


def partition(results: RunResults) -> str:
    """How samples were assigned to splits or folds, and how many there are in each."""
    sizes = "; ".join(f"{name}: {_count(samples)}" for name, samples in _parts(results).items() if samples)
    split, fold = _settings(results, "split", "by", "seed", "fractions"), results.data.fold
    if results.is_over_folds:
        return f"Cross-validation, each fold of the patients once as test. {sizes}."
    if fold is not None:
        return f"Fold {fold} of the patients is test, the next one valid, the others are train. {sizes}."
    if not split:
        return f"{sizes}."
    shares = ", ".join(f"{name} {share:.0%}" for name, share in split["fractions"].items())
    return f"Recipe: by {split['by']}, at random with seed {split['seed']}, for {shares} of the images. Result: {sizes}."


def disjointness(results: RunResults) -> str:
    """Whether patients are shared by splits or folds."""
    splits = defaultdict(set)
    for sample in results.data.samples:
        splits[sample.patient].add(sample.fold if results.is_over_folds else sample.split)
    if "" in splits:
        return ""
    shared = sum(len(names) > 1 for names in splits.values())
    text = f"Patients: {shared or 'none'} of {len(splits):,} in more than one {'fold' if results.is_over_folds else 'split'}."
    is_audited = results.audit and results.data.fold is None and not results.is_over_folds  # the audit knows no folds
    return f"{text} {contents.audit_sentence(results)}" if is_audited else text


def sample_size(results: RunResults) -> str:
    """The size of what was or will be evaluated, which nobody planned."""
    samples = results.data.samples if results.is_over_folds else _parts(results)[results.split]
    return f"{_count(samples)}, as the split left them." if samples else ""


def _parts(results: RunResults) -> Mapping[str, Sequence[Sample]]:
    """The samples of each split; of a cross-validation all of them."""
    samples = results.data.samples
    if results.is_over_folds:
        return {"all folds": samples}
    return {split: [sample for sample in samples if sample.split == split] for split in SPLITS}


def _count(samples: Sequence[Sample]) -> str:
    images = counted(len({sample.image_id for sample in samples}), "image")
    return f"{counted(count_patients(samples), 'patient')}, {images}, {counted(len(samples), 'sample')}"


def numbers(results: RunResults) -> str:
    """Images and patients that were included and excluded."""
    if "named" not in results.description:
        return ""
    parts = [f"images named by files and annotations: {results.description['named']:,}"]
    parts += [f"included: {_count(results.data.samples)}"]
    reasons = [f"{row['images']:,} {row['reason']} ({row['meaning']})" for row in results.description.get("dropped", ())]
    return sentence([*parts, f"excluded: {', '.join(reasons) or 'none'}"])


def characteristics(results: RunResults) -> str:
    """Source images by group, in each split."""
    parts, groups = _parts(results), []
    for column in GROUPS:
        values = [[*{sample.image_id: _value(sample, column) for sample in samples}.values()] for samples in parts.values()]
        known = sorted({value for split in values for value in split if value})
        counts = (f"{value} ({' / '.join(str(split.count(value)) for split in values)})" for value in known)
        groups += [f"{group_name(column)}: {', '.join(counts)}"] if known else []
    return f"Images in {' / '.join(parts)}. {'; '.join(groups)}." if groups else ""


def _value(sample: Sample, column: str) -> str:
    return str((sample.label if column == "class" else sample.details.get(column)) or "")
