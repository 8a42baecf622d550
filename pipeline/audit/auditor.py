"""Audits a data set folder: reads every file once, and runs all checks."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path

from pipeline.audit.checks import (
    find_broken_files,
    find_incomplete_pairs,
    find_inverted,
    find_leaks,
    find_odd_sizes,
    find_unclean_masks,
    find_unknown_patients,
)
from pipeline.audit.contents import describe_crash, read_contents
from pipeline.audit.duplicates import find_duplicates
from pipeline.audit.findings import AuditFinding, make_finding
from pipeline.audit.partners import find_partner_faults
from pipeline.audit.samples import (
    Rows,
    Sample,
    describe_missing_splits,
    list_not_read,
    list_samples,
    patient_by_regex,
    patient_of_name,
)
from pipeline.contract import MANIFEST
from pipeline.dataset.manifest import read_manifest
from pipeline.files import InputError, all_cores, progress
from pipeline.workers import in_groups, open_executor


def audit(
    folder: Path,
    manifest: Rows | None = None,
    patient: str | None = None,
    executor: Executor | None = None,
    made: Collection[str] = (),
) -> list[AuditFinding]:
    """Audits a data set folder, with a manifest or without; nothing is written.

    Without a manifest, patient and source image come from the samples' names.

    Args:
      folder: with train, valid and test.
      manifest: its rows where the caller has read them already.
      patient: a regular expression with one group, which finds the patient in a sample's name; None finds CDD-CESM's.
      executor: reads the files; processes on all cores where it is left out.
      made: the image_ids of the images whose samples this process has just made as exact turns of one square, with lossless
        masks. Of them the files of turned samples are only compared with the hashes in the manifest: where they and those of
        the original are unchanged, what the pixels of the original show holds for them, too.

    Raises:
      InputError: the folder holds no split with images and masks, or `patient` is not such an expression.
    """
    name_patient = patient_by_regex(patient) if patient is not None else patient_of_name
    if manifest is None and (folder / MANIFEST).exists():
        manifest = read_manifest(folder / MANIFEST)
    listed = list_samples(folder.absolute(), manifest or [], name_patient, made)  # a worker may run in another folder
    samples = [sample for group in _by_image(listed) for sample in group]
    if not samples:
        raise InputError(describe_missing_splits(folder))
    with nullcontext(executor) if executor else open_executor(all_cores()) as workers:
        read = in_groups(workers, read_contents, _by_image(samples), crashed=describe_crash)
        contents = list(progress(read, len(samples), "audit", "pairs"))
        partners = find_partner_faults(folder.absolute(), manifest or [], workers)
    findings = [
        *find_leaks(samples),
        *find_unknown_patients(samples),
        make_finding("not-read", "paths", list_not_read(folder)),
        *find_duplicates(samples, contents),
        *find_incomplete_pairs(samples),
        *find_odd_sizes(samples, contents),
        *find_inverted(samples, contents),
        *find_unclean_masks(samples, contents),
        *find_broken_files(samples, contents),
        partners,
    ]
    return [finding for finding in findings if finding.count]


def _by_image(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Groups the samples of one image in one split, which `read_contents` reads together."""
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.split, sample.image_id].append(sample)
    return list(groups.values())
