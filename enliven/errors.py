"""Every error a user can meet.

    EnlivenError
    ├── InputError              the user's input cannot be used
    │   ├── BadMedia            a file cannot be read as an image, sound or video
    │   ├── NoFaceFound         no usable face in an image or a clip
    │   ├── BadMotion           a motion file or array breaks the Motion contract
    │   └── BadOption           an option has a value that cannot be honoured
    ├── OutputError             the result cannot be written
    │   └── OutputExists        the target is there already and overwriting was not asked for
    ├── ModelUnavailable        a network file is missing, damaged or cannot be obtained
    ├── TrainingStopped         a training run found that it must not go on
    └── Cancelled               the caller's progress callback asked to stop

A message says what happened, where, why, and what to do next.
"""


class EnlivenError(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""


class InputError(EnlivenError):
    """The user's input cannot be used."""


class BadMedia(InputError):
    """A file cannot be read as the image, sound or video it should be."""


class NoFaceFound(InputError):
    """No face, too small a face, or too far from frontal."""


class BadMotion(InputError):
    """A motion breaks the contract of `enliven.types.Motion`."""


class BadOption(InputError):
    """An option has a value that cannot be honoured."""


class OutputError(EnlivenError):
    """The result cannot be written."""


class OutputExists(OutputError):
    """The target file exists and overwriting was not asked for."""


class ModelUnavailable(EnlivenError):
    """A network file is missing, damaged or cannot be obtained."""


class TrainingStopped(EnlivenError):
    """A training run found that it must not go on; its last checkpoint is intact."""


class Cancelled(EnlivenError):
    """The caller's progress callback asked to stop."""
