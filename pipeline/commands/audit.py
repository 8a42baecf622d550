"""Audits any folder of pairs and prints the findings; writes nothing."""

import argparse
import json
import sys
from pathlib import Path

from pipeline.audit import AuditFinding, audit
from pipeline.commands.arguments import add_folder
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import DONE, FINDINGS, add_command
from pipeline.privacy.audit import audit_privacy, collect_identifiers


def add(commands) -> None:
    """Adds the command and its arguments."""
    parser = add_command(
        commands,
        "audit",
        execute,
        "check any folder of train, valid and test pairs for leaks and faults",
        "Needs no manifest; writes nothing. Exit status 1 on findings.",
    )
    add_folder(parser)
    parser.add_argument(
        "--privacy",
        type=Path,
        metavar="RAW",
        help="look for identifiers of the DICOM files below RAW in all files and names, too",
    )
    parser.add_argument("--json", action="store_true", help="print findings as JSON and nothing else")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command and gives its exit status."""
    findings = audit(arguments.folder)
    if arguments.privacy:
        findings += _audit_privacy(arguments.folder, arguments.privacy)
    if arguments.json:
        print(json.dumps({"findings": [finding.to_json() for finding in findings]}, indent=1))
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
    print(f"audit: looked for {len(identifiers)} identifiers of {raw} in {root}{kept}", file=sys.stderr)
    for limit in identifiers.left_out():
        print(f"audit: {limit}", file=sys.stderr)
    return [finding] if finding.count else []
