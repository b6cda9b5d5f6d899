"""The package is light and offers what it promises: pytest tests/test_imports.py"""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import enliven

HEAVY = ("torch", "cv2", "onnxruntime", "av", "numpy", "PIL", "pocketsphinx", "typer", "rich")
MODULES = sorted(
    ".".join(path.relative_to(Path(enliven.__file__).parent.parent).with_suffix("").parts)
    for path in Path(enliven.__file__).parent.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)


def fresh(code: str) -> str:
    """Output of a fresh interpreter."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env=environment, check=True)  # fmt: skip
    return done.stdout


def test_import_is_light_and_quick() -> None:
    code = (
        "import time, sys; start = time.perf_counter(); import enliven; "
        "print(time.perf_counter() - start, *sorted(sys.modules))"
    )
    seconds, *modules = min((fresh(code).split() for _ in range(3)), key=lambda out: float(out[0]))
    assert float(seconds) < 0.3
    assert not set(modules) & set(HEAVY)


def test_animating_never_imports_torch() -> None:
    code = "import enliven, sys; enliven.animate; enliven.render; print('torch' in sys.modules)"
    assert fresh(code).strip() == "False"


def test_command_line_starts_without_the_stages() -> None:
    code = "import enliven.cli, sys; print(*sorted(sys.modules))"
    assert not set(fresh(code).split()) & {"torch", "cv2", "onnxruntime", "av"}


def test_every_public_name_exists() -> None:
    for name in enliven.__all__:
        assert getattr(enliven, name) is not None
    assert set(enliven.__all__) <= set(dir(enliven))


def test_functions_are_not_hidden_by_modules_of_the_same_name() -> None:
    code = (
        "import enliven; from enliven.animate import Result; from enliven.render.renderer import "
        "Renderer; print(callable(enliven.render), callable(enliven.animate)); "
        "import enliven.render.layers; print(callable(enliven.render))"
    )
    assert fresh(code).split() == ["True"] * 3


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'enliv'"):
        enliven.enliv  # noqa: B018


@pytest.mark.parametrize("module", MODULES)
def test_every_module_imports(module: str) -> None:
    if module.startswith(("enliven.train", "enliven.recipes")):
        pytest.importorskip("torch", reason="training needs the [train] extra")
    import_module(module)
