"""Finds what is wrong with names, pairs and files: leaks between splits, missing, broken and unclean files."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pipeline.audit.contents import Contents
from pipeline.audit.findings import AuditFinding, make_finding
from pipeline.audit.samples import Sample
from pipeline.contract import SPLITS, fold_patient


def find_leaks(samples: Sequence[Sample]) -> Iterator[AuditFinding]:
    by_image: dict[str, list[Sample]] = defaultdict(list)
    by_patient: dict[str, list[Sample]] = defaultdict(list)
    spellings: dict[str, str] = {}
    for sample in samples:
        # Sets often count their files from 1 in each split; whether two of a number show one image, their pixels decide.
        if sample.patient or not _is_number(sample.image_id):
            by_image[sample.image_id].append(sample)
        if sample.patient:
            by_patient[spellings.setdefault(fold_patient(sample.patient), sample.patient)].append(sample)
    for code, unit, groups in (
        ("image-in-splits", "source images", by_image),
        ("patient-in-splits", "patients", by_patient),
    ):
        leaking = {name: group for name, group in groups.items() if len({sample.split for sample in group}) > 1}
        yield make_finding(code, unit, (_name_splits(name, group) for name, group in leaking.items()), leaking.values())


def _is_number(name: str) -> bool:
    return not any(character.isalpha() for character in name)


def find_unknown_patients(samples: Sequence[Sample]) -> Iterator[AuditFinding]:
    """Counts the samples whose patient could not be compared; in a set of one split there is nothing to compare."""
    unknown = [sample.location for sample in samples if not sample.patient]
    several = len({sample.split for sample in samples}) > 1
    yield make_finding("patient-unknown", "samples", unknown if several else [])


def _name_splits(name: str, group: Sequence[Sample]) -> str:
    counts = Counter(sample.split for sample in group)
    return f"{name}: " + ", ".join(f"{counts[split]} in {split}" for split in SPLITS if counts[split])


def find_incomplete_pairs(samples: Sequence[Sample]) -> Iterator[AuditFinding]:
    yield make_finding("mask-missing", "files", (sample.location for sample in samples if sample.mask is None and sample.image))
    yield make_finding("image-missing", "files", (sample.location for sample in samples if sample.image is None))


def find_odd_sizes(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[AuditFinding]:
    sizes = Counter(content.image_size for content in contents if content.image_size)
    common = sizes.most_common(1)[0][0] if sizes else None
    yield make_finding(
        "size",
        "files",
        (
            f"{sample.location}: image {_size(content.image_size)}, mask {_size(content.mask_size)}; "
            f"most images are {_size(common)}"
            for sample, content in zip(samples, contents, strict=True)
            if {size for size in (content.image_size, content.mask_size) if size} - {common}
        ),
    )


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]} x {size[1]}" if size else "none"


def find_inverted(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[AuditFinding]:
    both = zip(samples, contents, strict=True)
    yield make_finding("inverted", "files", (sample.location for sample, content in both if content.inverted))


def find_unclean_masks(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[AuditFinding]:
    both = list(zip(samples, contents, strict=True))
    decoded = [(sample, content) for sample, content in both if content.mask_size]
    # Class indices are fine where all masks hold them; 0, 1 and 2 among masks of 0 and 255 are a fault.
    indices = all(set(content.mask_values) <= {0, 1, 2} for _, content in decoded)
    sound = {0, 1, 2} if indices else {0, 255}
    yield make_finding(
        "mask-values",
        "files",
        [
            f"{sample.location}: {len(content.mask_values)} values, {', '.join(map(str, content.mask_values[:6]))}"
            f"{' ...' if len(content.mask_values) > 6 else ''}; expected 0 and 255"
            for sample, content in decoded
            if set(content.mask_values) - sound
        ]
        + [f"{sample.location}: {content.mask_fault}" for sample, content in both if content.mask_fault],
    )
    yield make_finding(
        "mask-empty",
        "files",
        (sample.location for sample, content in decoded if content.mask_values == (0,) and sample.image_class != "normal"),
    )


def find_broken_files(samples: Sequence[Sample], contents: Sequence[Contents]) -> Iterator[AuditFinding]:
    both = list(zip(samples, contents, strict=True))
    yield make_finding(
        "unreadable", "files", (f"{sample.location}: {name}" for sample, content in both for name in content.broken)
    )
    yield make_finding(
        "changed",
        "files",
        (
            f"{sample.location}: {name} differs from the file in the manifest"
            for sample, content in both
            for name in content.changed
        ),
    )
