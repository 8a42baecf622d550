"""Checks the partners of a data set against partners.csv and the manifest."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from pipeline.audit.findings import AuditFinding, make_finding
from pipeline.audit.samples import Rows, list_files
from pipeline.contract import CRASHED, PARTNER_COLUMNS, PARTNER_FOLDER, PARTNERS, REGISTERED, SPLITS, SourceError
from pipeline.files import read_csv, read_regular
from pipeline.sources import read_image
from pipeline.workers import in_batches


@dataclass(frozen=True)
class _Partner:
    """A partner that has to be there: its file, its SHA-256, and the side of its image's square in pixels."""

    path: Path
    sha256: str
    side: int


def find_partner_faults(folder: Path, manifest: Rows, executor: Executor) -> AuditFinding:
    """Finds partners that are missing, broken, changed or of another size than their image, and files that are no partner.

    Args:
      folder: the data set.
      manifest: its rows.
      executor: reads the files.

    Raises:
      InputError: partners.csv is not such a table.
    """
    listed = list(_list_partners(folder, manifest)) if (folder / PARTNERS).exists() else []
    faults = list(in_batches(executor, _inspect_all, listed, crashed=lambda partner: f"its file {CRASHED[1]}"))
    found = [(partner.path, fault) for partner, fault in zip(listed, faults, strict=True) if fault]
    known = {partner.path for partner in listed}
    folders = [folder / split / PARTNER_FOLDER for split in SPLITS] if listed else []
    found += [(path, "is not listed") for inner in folders for path in list_files(inner) if path not in known]
    return make_finding("partner", "files", (f"{path.relative_to(folder).as_posix()}: {fault}" for path, fault in sorted(found)))


def _list_partners(folder: Path, manifest: Rows) -> Iterator[_Partner]:
    digests = {
        row["image_id"]: row["partner_sha256"].split()
        for row in read_csv(folder / PARTNERS, PARTNER_COLUMNS)
        if row["status"] == REGISTERED
    }
    of_image = {name: iter(values) for name, values in digests.items()}
    for row in sorted(manifest, key=lambda row: row["sample"]):
        if row["image_id"] in of_image:
            path = folder / row["split"] / PARTNER_FOLDER / Path(row["image"]).name
            side = round(row["scale"] * max(row["source_width"], row["source_height"]))
            yield _Partner(path, next(of_image[row["image_id"]], ""), side)


def _inspect_all(partners: Sequence[_Partner]) -> list[str]:
    """The fault of each partner, empty where it has none; runs in a worker."""
    return [_inspect(partner) for partner in partners]


def _inspect(partner: _Partner) -> str:
    if not partner.path.is_file():
        return "is missing"
    data = read_regular(partner.path)
    try:
        pixels = read_image(partner.path, data, bits=16, stated_bits=16) if data else None
    except SourceError:
        pixels = None
    if pixels is None:
        return "cannot be decoded"
    if pixels.shape != (partner.side, partner.side):
        return f"is {pixels.shape[1]} x {pixels.shape[0]}; its image is {partner.side} x {partner.side}"
    return "" if hashlib.sha256(data).hexdigest() == partner.sha256 else f"differs from the file in {PARTNERS}"
