"""Finds recipes by name or path."""

import importlib.util
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from enliven.errors import BadOption, EnlivenError, ModelUnavailable


def load_recipe(name: str) -> Any:
    """What the function `recipe` of a module returns.

    name: recipes.NAME for one that ships, or the path of a Python file.
    Raises BadOption when there is no such recipe or it fails, ModelUnavailable without what
    training needs.
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
    with _told(name):
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
    with _told(str(path)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What goes wrong in a recipe that somebody wrote is theirs to mend: where, and what.

    Raises BadOption.
    """
    try:
        yield
    except EnlivenError:
        raise
    except SyntaxError as error:
        raise BadOption(f"{name} cannot be read: line {error.lineno}: {error.msg}") from error
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise BadOption(f"{name} fails with {type(error).__name__}: {error} (line {last.lineno} "
                        f"of {Path(last.filename).name})") from error  # fmt: skip
