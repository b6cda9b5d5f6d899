"""Imports point downward only: pytest tests/test_layers.py"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "enliven"

# Highest first.  A module may import from the rows below its own, and from its own package.
ROWS = (
    ("__init__", "__main__"),
    ("cli",),
    ("cli_data", "cli_judge", "cli_prefer", "cli_train"),
    ("recipes",),
    ("train",),
    ("doctor", "replay"),
    ("animate", "reward"),
    ("plan",),
    ("data",),
    ("drive", "metrics"),
    ("face", "motion", "render", "motion_io"),
    ("media", "weights", "flow", "provenance", "console"),
    ("types", "geometry"),
    ("errors",),
)
RANK = {name: rank for rank, row in enumerate(reversed(ROWS)) for name in row}

MODULES = sorted(PACKAGE.rglob("*.py"))


def part(module: str) -> str:
    """`enliven.face.track` -> `face`; the package itself -> `__init__`."""
    return [*module.split("."), "__init__"][1]


def imported(tree: ast.AST) -> list[tuple[str, bool]]:
    """Names of imported modules of ours, and whether the import has the one allowed form."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [
                (alias.name, False) for alias in node.names if alias.name.split(".")[0] == "enliven"
            ]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                found.append((f"relative import of {module}", False))
            elif module.split(".")[0] == "enliven":
                found.append((module, True))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downward(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert own in RANK, f"{own} has no place in ROWS; give it one"
    for module, allowed_form in imported(ast.parse(path.read_text("utf-8"))):
        assert allowed_form, f"{module}: inside the package write `from enliven.x import y`"
        other = part(module)
        # the version, which everything may name, is all that the package itself offers inside
        downward = RANK[other] < RANK[own] or other == own or module == "enliven"
        assert downward, f"{own} may not import from {other}"


def test_the_check_rejects_upward_and_sideways() -> None:
    assert RANK["errors"] < RANK["types"] < RANK["media"] < RANK["face"] < RANK["drive"]
    assert RANK["face"] == RANK["render"]
    tree = ast.parse("import enliven.face\nfrom enliven.render.warp import Grid\nfrom . import x")
    assert imported(tree) == [
        ("enliven.face", False),
        ("enliven.render.warp", True),
        ("relative import of ", False),
    ]


def test_files_are_short() -> None:
    long = {
        str(p.relative_to(PACKAGE)): n
        for p in MODULES
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long
