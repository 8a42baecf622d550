"""What the papers of the project name is there: files, links, make targets."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAPERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
REQUESTS = (
    "variant",
    "column",
    "loss",
    "metric",
    "network",
    "annotation format",
    "export",
    "reject reason",
    "stage",
    "chart",
    "augmentation",
    "collection",
)


def recipes():
    """The recipes of CONTRIBUTING.md by what they add: their lines."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## How to add\n")[1]
    return {block[2 : block.index(".")]: block.splitlines() for block in text.strip().split("\n\n")}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_links_lead_to_files(paper):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", paper.read_text(encoding="utf-8"))
    assert not [link for link in links if not (paper.parent / link).exists()]


@pytest.mark.parametrize("request_", REQUESTS)
def test_each_change_request_has_a_recipe_of_six_lines(request_):
    lines = next(lines for title, lines in recipes().items() if request_ in title.split(" of ")[0])
    assert 2 <= len(lines) <= 6


@pytest.mark.parametrize("paper", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_are_named_are_there(paper):
    named = re.findall(r"`((?:pipeline|segmenter|tests|docs|benchmarks)/[\w./-]*)`", (ROOT / paper).read_text())
    assert named
    assert not [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]


def test_names_in_capitals_are_in_the_file_that_is_named_with_them():
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    pairs = re.findall(r"`([A-Z_]{4,})` in `([\w/]+\.py)`", text)
    assert len(pairs) >= 4
    assert not [pair for pair in pairs if not re.search(rf"^{pair[0]}\b", (ROOT / pair[1]).read_text(), re.MULTILINE)]


def test_make_targets_that_are_named_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for paper in (*PAPERS, ROOT / ".github/workflows/test.yml"):
        named = set(re.findall(r"(?:^    |`|run: )make ([a-z-]+)", paper.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, paper
