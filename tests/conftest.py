"""What tests of whole runs share: the example files, and the face networks."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="session")
def portrait_jpg() -> Path:
    return EXAMPLES / "portrait.jpg"


@pytest.fixture(scope="session")
def speech_wav() -> Path:
    return EXAMPLES / "speech.wav"


@pytest.fixture(scope="session")
def face_networks() -> Path:
    """The converted face networks; obtained on first use, which `make test` has done before."""
    from enliven.errors import ModelUnavailable
    from enliven.weights import ensure_models

    try:
        return ensure_models()
    except ModelUnavailable as error:
        pytest.skip(f"needs the face networks: {error}")


@pytest.fixture
def make_wav(tmp_path: Path) -> Callable[..., Path]:
    """Writes a 16-bit mono wav file of `seconds`: the example's voice, repeated."""

    def make(name: str, seconds: float, rate: int = 16000) -> Path:
        with wave.open(str(EXAMPLES / "speech.wav")) as file:
            voice = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        samples = np.resize(voice[4800:], round(seconds * rate))
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
        return tmp_path / name

    return make
