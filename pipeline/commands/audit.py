"""Audits any folder of pairs and prints the findings; writes nothing."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import add_folder, add_workers, open_workers
from pipeline.files import DONE, FINDINGS, add_command, add_json, one_line, print_json

if TYPE_CHECKING:
    from pipeline.audit import AuditFinding


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "audit",
        execute,
        "check any folder with train, valid and test pairs for leaks and faults",
        "Needs no manifest and writes nothing. The exit status is 1 if there are findings; patients that are unknown and folders "
        "that were not looked at are findings.",
    )
    add_folder(parser)
    parser.add_argument(
        "--privacy",
        type=Path,
        metavar="RAW",
        help="also search all files and their names for identifiers of the DICOM files below RAW",
    )
    parser.add_argument(
        "--patient",
        metavar="REGEX",
        help="a regular expression with one group that finds the patient in a sample's name, such as '^(D1-\\d+)_'; "
        "otherwise names like CDD-CESM's are searched for",
    )
    add_workers(parser)
    add_json(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from pipeline.audit import audit

    with open_workers(arguments, [arguments.folder]) as executor:
        findings = audit(arguments.folder, patient=arguments.patient, executor=executor)
    if arguments.privacy:
        findings += _audit_privacy(arguments.folder, arguments.privacy)
    if arguments.json:
        print_json({"findings": [finding.to_json() for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.code}: {finding.count} {finding.unit}")
            print("\n".join(f"    {one_line(example)}" for example in finding.examples))
        counts = f"{len(findings) or 'no'} finding{'s' if len(findings) != 1 else ''}"
        print(f"audit: {counts} in {arguments.folder}{_describe_limits(findings)}")
    return FINDINGS if findings else DONE


def _describe_limits(findings: "list[AuditFinding]") -> str:
    """States, for the last line, what the audit could not compare or did not look at."""
    counts = {finding.code: finding.count for finding in findings}
    limits = []
    if unknown := counts.get("patient-unknown"):
        limits.append(f"patients of {unknown} samples could not be compared, because their names contain none; see --patient")
    if paths := counts.get("not-read"):
        limits.append(f"{paths} folder{'s' if paths > 1 else ''} or file{'s' if paths > 1 else ''} not looked at")
    return f"; {'; '.join(limits)}" if limits else ""


def _audit_privacy(root: Path, raw: Path) -> "list[AuditFinding]":
    from pipeline.dataset.folder import DatasetFolder
    from pipeline.privacy.audit import audit_privacy, collect_identifiers

    folder = DatasetFolder(root)
    keyed = folder.read_state(folder.index_state).get("keyed", False)
    identifiers = collect_identifiers(raw, public=not keyed)
    finding = audit_privacy(root, identifiers)
    kept = "" if keyed else "; paths and public names such as P12 are kept by design"
    print(f"audit: searched {root} for {len(identifiers)} identifiers of {raw}{kept}", file=sys.stderr)
    for limit in identifiers.left_out():
        print(f"audit: {limit}", file=sys.stderr)
    return [finding] if finding.count else []
