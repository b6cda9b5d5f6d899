"""enliven: a still portrait becomes a person who talks.

    import enliven

    portrait = enliven.load_portrait("portrait.jpg")
    motion = enliven.from_speech("speech.wav")(portrait, seed=0)
    frames = enliven.render(portrait, motion)           # an iterator of (H, W, 3) uint8
    enliven.animate("portrait.jpg", audio="speech.wav")  # all of it, into a video file

Names are loaded on first use, so that importing the package takes no time.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "animate": "enliven.animate",
    "Result": "enliven.animate",
    "replay": "enliven.replay",
    "Part": "enliven.plan",
    "LiveSpeech": "enliven.drive",
    "from_motion": "enliven.drive",
    "from_silence": "enliven.drive",
    "from_speech": "enliven.drive",
    "from_video": "enliven.drive",
    "retarget": "enliven.drive",
    "track": "enliven.drive",
    "load_people": "enliven.face.portrait",
    "load_portrait": "enliven.face.portrait",
    "Generator": "enliven.motion.generator",
    "Sampling": "enliven.motion.performer",
    "SpeechOptions": "enliven.motion.options",
    "load_motion": "enliven.motion_io",
    "save_motion": "enliven.motion_io",
    "render": "enliven.render.renderer",
    "Renderer": "enliven.render.renderer",
    "Scene": "enliven.render.scene",
    "save_video": "enliven.animate",
    "judge": "enliven.reward.judge",
    "evaluate": "enliven.reward.evaluate",
    "Motion": "enliven.types",
    "Portrait": "enliven.types",
    "resample": "enliven.types",
    **dict.fromkeys(
        ("BadMedia", "BadMotion", "BadOption", "Cancelled", "EnlivenError", "InputError",
         "ModelUnavailable", "NoFaceFound", "OutputError", "OutputExists"),
        "enliven.errors",
    ),
}  # fmt: skip

__all__ = ["__version__", *sorted(_HOME)]


class _Package(ModuleType):
    """Lets `enliven.render` and `enliven.animate` name the functions.

    Python binds a submodule as an attribute of its package when it is first imported, which
    would hide the function of the same name; `from enliven.render.x import y` does not need
    that attribute.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'enliven' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
