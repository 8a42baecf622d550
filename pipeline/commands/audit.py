"""Audits any folder of pairs and prints the findings; writes nothing."""

import argparse
import sys
from pathlib import Path

from pipeline.audit import AuditFinding, audit
from pipeline.commands.arguments import add_folder
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import DONE, FINDINGS, add_command, add_json, print_json
from pipeline.privacy.audit import audit_privacy, collect_identifiers


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "audit",
        execute,
        "check any folder with train, valid and test pairs for leaks and faults",
        "Needs no manifest and writes nothing. The exit status is 1 if there are findings.",
    )
    add_folder(parser)
    parser.add_argument(
        "--privacy",
        type=Path,
        metavar="RAW",
        help="also search all files and their names for identifiers of the DICOM files below RAW",
    )
    add_json(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    findings = audit(arguments.folder)
    if arguments.privacy:
        findings += _audit_privacy(arguments.folder, arguments.privacy)
    if arguments.json:
        print_json({"findings": [finding.to_json() for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.code}: {finding.count} {finding.unit}")
            print("\n".join(f"    {example}" for example in finding.examples))
        print(f"audit: {len(findings) or 'no'} finding{'s' if len(findings) != 1 else ''} in {arguments.folder}")
    return FINDINGS if findings else DONE


def _audit_privacy(root: Path, raw: Path) -> list[AuditFinding]:
    folder = DatasetFolder(root)
    keyed = folder.read_state(folder.index_state).get("keyed", False)
    identifiers = collect_identifiers(raw, public=not keyed)
    finding = audit_privacy(root, identifiers)
    kept = "" if keyed else "; paths and public names such as P12 are kept by design"
    print(f"audit: searched {root} for {len(identifiers)} identifiers of {raw}{kept}", file=sys.stderr)
    for limit in identifiers.left_out():
        print(f"audit: {limit}", file=sys.stderr)
    return [finding] if finding.count else []
