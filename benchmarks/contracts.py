"""Contracts that every output keeps, measured on real outputs:

    python benchmarks/contracts.py [--data ../shared/data] [--photo PHOTO]

Length: frames of the video against the sound, for every usual frame rate and sample rate; the
largest error of each row must be at most half a frame, and the sound must be as long as it was.
Silence and noise: standard deviation of the mouth's aperture, tracked in the finished video, in
IOD; it must stay under 0.01.  The row "speech" is for comparison.
"""

import argparse
import tempfile
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import enliven
from enliven.face.track import track_video
from enliven.media.rate import frame_rate
from enliven.metrics.lips import lip_measures

EXAMPLES = Path(__file__).parents[1] / "examples"
FRAME_RATES = ("24000/1001", "24", "25", "30000/1001", "30", "50", "60")
SAMPLE_RATES = (8000, 16000, 22050, 44100, 48000)
LENGTH_SECONDS = 2.3571  # no whole number of frames at any of the rates
APERTURE_LIMIT = 0.01


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((32767 * np.clip(samples, -1, 1)).astype("<i2").tobytes())


def voice_at(rate: int, seconds: float) -> np.ndarray:
    """The example voice at another sample rate, by linear interpolation."""
    with wave.open(str(EXAMPLES / "speech.wav")) as file:
        voice = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        own = file.getframerate()
    times = np.arange(round(seconds * rate)) / rate
    return np.interp(times, np.arange(len(voice)) / own, voice)


def pink_noise(seconds: float, rate: int = 16000) -> np.ndarray:
    """Noise whose power falls with frequency, as loud as speech."""
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=round(seconds * rate)))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum)
    return 0.1 * noise / noise.std()


def measure(path: Path) -> tuple[int, Fraction]:
    """Frames and exact seconds of sound in a video."""
    with av.open(str(path)) as file:
        frames = sum(1 for _ in file.decode(video=0))
    with av.open(str(path)) as file:
        sound = file.streams.audio[0]
        return frames, sound.duration * sound.time_base


def lengths(photo: Path, folder: Path) -> None:
    print(f"{'fps':>11s} {'frames off':>11s} {'sound off ms':>13s}   worst of {SAMPLE_RATES} Hz")
    for fps in FRAME_RATES:
        frames_off, sound_off = 0.0, 0.0
        for rate in SAMPLE_RATES:
            write_wav(folder / "v.wav", voice_at(rate, LENGTH_SECONDS), rate)
            truth = Fraction(round(LENGTH_SECONDS * rate), rate)
            made = enliven.animate(photo, audio=folder / "v.wav", output=folder / "v.mp4",
                                   fps=fps, size=192, overwrite=True)  # fmt: skip
            frames, sound = measure(made.path)
            frames_off = max(frames_off, abs(float(frames - truth * frame_rate(fps))))
            sound_off = max(sound_off, 1000 * abs(float(sound - truth)))
        verdict = "ok" if frames_off <= 0.5 else "TOO FAR"
        print(f"{fps:>11s} {frames_off:11.3f} {sound_off:13.2f}   {verdict}")


def stillness(photo: Path, data: Path | None, folder: Path) -> None:
    write_wav(folder / "silence.wav", np.zeros(5 * 16000), 16000)
    write_wav(folder / "noise.wav", pink_noise(5.0), 16000)
    sounds = {"silence": folder / "silence.wav", "pink noise": folder / "noise.wav"}
    if data is not None:
        sounds["a14 silence"] = data / "dev/audio/a14_silence_5s.wav"
        sounds["a15 noise"] = data / "dev/audio/a15_pink_noise_5s.wav"
    sounds["speech"] = EXAMPLES / "speech.wav"
    print(f"{'sound':>12s} {'aperture sd':>12s} {'largest':>8s}   IOD")
    for name, sound in sounds.items():
        made = enliven.animate(photo, audio=sound, output=folder / "s.mp4", overwrite=True)
        aperture = lip_measures(track_video(made.path).landmarks).aperture
        verdict = "" if name == "speech" else "ok" if aperture.std() < APERTURE_LIMIT else "MOVES"
        print(f"{name:>12s} {aperture.std():12.4f} {aperture.max():8.3f}   {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--photo", type=Path, default=EXAMPLES / "portrait.jpg")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lengths(arguments.photo, Path(folder))
        stillness(arguments.photo, arguments.data, Path(folder))


if __name__ == "__main__":
    main()
