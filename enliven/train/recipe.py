"""Finds recipes by name or path."""

import importlib.util
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from enliven.errors import BadOption, ModelUnavailable


def load_recipe(name: str) -> Any:
    """What the function `recipe` of a module returns.

    name: recipes.NAME for one that ships, or the path of a Python file.
    Raises BadOption when there is no such recipe, ModelUnavailable without what training needs.
    """
    if any(importlib.util.find_spec(each) is None for each in ("torch", "accelerate")):
        raise ModelUnavailable(
            "training needs torch, safetensors, tensorboard and accelerate; install them with "
            'pip install "enliven[train]"'
        )
    module = _from_file(Path(name)) if name.endswith(".py") else _shipped(name)
    made = getattr(module, "recipe", None)
    if not callable(made):
        raise BadOption(f"{name} has no function `recipe`; see enliven/recipes/speech.py for one")
    return made()


def _shipped(name: str) -> ModuleType:
    known = sorted(f"recipes.{file.name.removesuffix('.py')}"
                   for file in files("enliven.recipes").iterdir()
                   if file.name.endswith(".py") and file.name != "__init__.py")  # fmt: skip
    if name not in known:
        raise BadOption(f"there is no recipe {name}; choose {', '.join(known)} or a Python file")
    return importlib.import_module(f"enliven.{name}")


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise BadOption(f"there is no recipe {path}; give the path of a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
