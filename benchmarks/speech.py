"""Speech becomes performance: every figure that README and the model card state.

    python benchmarks/speech.py [--data ../shared/data] [--tracks FOLDER ...] TABLE [TABLE ...]

lips       lips against the real ones of the same sound: correlation without any search for a lag,
           lag, closure on bilabials and labiodentals; beside: loudness, recognised phones, the
           first version's network (--first FILE), the articulation network that leads ours
rendered   lips tracked in the drawn video against the real ones
meter      the sync meter itself: voices in time with lips against shifted and wrong ones
languages  agreement of ours with the voice by that meter: languages, singing, noise, telephone
silence    what lips do where nothing is said
natural    statistics of movement beside those of real people, and difference between seeds
controls   what is measured against what was asked
joints     jumps where chunks meet, and drift over ten minutes
cost       time on one core, delay of the first chunk, memory, size

--look FOLDER draws four voices on a photo and a painting as contact sheets with their waveform,
and the movement of three real people beside that of two seeds of ours as curves.
--folds: folder of articulation networks trained without some clips (`held_out` in their metadata);
such a clip is then spoken by the network that never met it.  --tracks: folders with clips tracked
before; what is missing is tracked and kept in the first.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from speech_clips import GRID_VIDEOS, KNOWN_SPEAKERS, Clip, Regression, Tracks, generate
from speech_controls import controls_table
from speech_cost import cost_table
from speech_lips import lips_table
from speech_look import look, look_at_curves, rendered_table
from speech_natural import diversity_table, joints_table, natural_table
from speech_sync import languages_table, meter_table, silence_table

from enliven.media.audio import read_speech
from enliven.motion.articulation import Articulation
from enliven.motion.generator import Generator, load_session, open_session
from enliven.motion.performer import Performer
from enliven.types import Motion

EXAMPLE = Path(__file__).parents[1] / "examples" / "speech.wav"

CURVES = ("v10", "v12", "v14")  # development videos shown as curves
FOR_THE_JUDGE, HELD_STEP = ("grid_s31", "grid_s4"), 3  # every third clip of theirs
S1_CLIPS, S1_TRAINED = 36, 380  # of speaker s1: measured here, and evenly spaced in training


class Setting:
    """What all tables are made from: options of the command line and the clips they name."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.data: Path = options.data
        self.tracks = Tracks(tuple(options.tracks))
        self.folds = load_folds(options.folds)
        self.first = Regression(open_session(options.first.read_bytes())) if options.first else None
        self.leading = Regression(load_session("articulation.onnx"))

    def videos(self, *starts: str) -> list[Clip]:
        """Development videos whose names begin so; all without any."""
        paths = sorted((self.data / "dev" / "video").glob("*.mp4"))
        return [self.tracks.read(p) for p in paths if not starts or p.name.startswith(starts)]

    def wild(self) -> list[Clip]:
        paths = sorted((self.data / "dev" / "video").glob("*.mp4"))
        return [self.tracks.read(p) for p in paths if not p.name.startswith(GRID_VIDEOS)]

    def sentences_never_heard(self) -> list[Clip]:
        """Clips of the speaker with most clips in training that were left out of it."""
        paths = sorted((self.data / "train" / "grid_s1").glob("*.m*"))
        if not paths:
            return []
        trained = np.linspace(0, len(paths) - 1, S1_TRAINED).round().astype(int)
        rest = [p for i, p in enumerate(paths) if i not in set(trained.tolist())]
        known = [p for p in rest if self.tracks.kept(p)] or rest
        chosen = np.linspace(0, len(known) - 1, min(S1_CLIPS, len(known))).round().astype(int)
        return [self.tracks.read(known[i]) for i in chosen]

    def speak(self, clip: Clip, seed: int) -> Motion:
        """Ours for a clip, by the fold that never met its speaker if there is one."""
        fold = next((g for g, _, held in self.folds if clip.name in held), None)
        return generate(clip.samples, clip.frames, seed, fold)

    def articulate(self, clip: Clip) -> Motion:
        """The same by the articulation network alone."""
        fold = next((r for _, r, held in self.folds if clip.name in held), self.leading)
        return fold.generate(clip.samples, clip.frames)


def load_folds(folder: Path | None) -> list[tuple[Generator, Regression, set[str]]]:
    """Generators led by each articulation network of a folder, the network alone, and the clips
    it was kept from."""
    folds = []
    for file in sorted(folder.glob("*.onnx")) if folder else []:
        session = open_session(file.read_bytes())
        held = session.get_modelmeta().custom_metadata_map.get("held_out", "").split()
        performer = Performer(load_session("performer.onnx"))
        names = {name.split("--")[-1] for name in held}
        generator = Generator(Articulation(session), performer)
        folds.append((generator, Regression(session), names))
    return folds


def lips(setting: Setting) -> None:
    ways: dict[str, Callable[[Clip], Motion]] = {"articulation": setting.articulate}
    if first := setting.first:
        ways = {"first version": lambda c: first.generate(c.samples, c.frames)} | ways
    held = {name for _, _, names in setting.folds for name in names}
    grid = [c for c in setting.videos(*GRID_VIDEOS)
            if c.name in held and not c.name.startswith(KNOWN_SPEAKERS)]  # fmt: skip
    sets = (
        ("speaker known, sentences never heard", setting.sentences_never_heard()),
        ("GRID, one clip a speaker, by articulation networks that never heard them", grid),
        ("GRID speakers that only the judge learns from", judges_clips(setting)),
        ("filmed anywhere, speakers never trained on", setting.wild()),
    )
    for title, clips in sets:
        if not clips:
            print(f"\n{title}: skipped, no such clips under {setting.data}, or no --folds")
            continue
        each = title.startswith(("GRID, one", "filmed"))
        lips_table(title, clips, setting.speak, ways, setting.options.seeds, each)


def judges_clips(setting: Setting) -> list[Clip]:
    """Clips of speakers that nothing here was trained on, since the judge was."""
    paths = [p for s in FOR_THE_JUDGE for p in sorted((setting.data / "train" / s).glob("*.m*"))]
    return [setting.tracks.read(p) for p in paths[::HELD_STEP]]


def meter(setting: Setting) -> None:
    meter_table(setting.wild())


def languages(setting: Setting) -> None:
    folder, seeds = setting.data / "dev" / "audio", min(setting.options.seeds, 3)
    languages_table(folder, setting.wild(), setting.first, seeds)


def silence(setting: Setting) -> None:
    silence_table(setting.data / "dev" / "audio", min(setting.options.seeds, 3), setting.first)


def natural(setting: Setting) -> None:
    clips = setting.wild()
    natural_table(clips, setting.speak)
    diversity_table(clips, setting.options.seeds)


def controls(setting: Setting) -> None:
    controls_table(read_speech(EXAMPLE).samples, min(setting.options.seeds, 2))


def joints(setting: Setting) -> None:
    joints_table(read_speech(EXAMPLE).samples, 600.0)


def cost(setting: Setting) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "voice.npy")
        np.save(file, read_speech(EXAMPLE).samples)
        cost_table(file)


def rendered(setting: Setting) -> None:
    paths = sorted((setting.data / "dev" / "video").glob("*.mp4"))
    chosen = [p for p in paths if not p.name.startswith(KNOWN_SPEAKERS)]
    for title, some in (
        ("GRID", [p for p in chosen if p.name.startswith(GRID_VIDEOS)]),
        ("filmed anywhere", [p for p in chosen if not p.name.startswith(GRID_VIDEOS)]),
    ):
        print(f"\n{title}, speakers never trained on")
        rendered_table([(p, setting.tracks.read(p)) for p in some], setting.speak)


TABLES = {
    "lips": lips, "rendered": rendered, "meter": meter, "languages": languages,
    "silence": silence, "natural": natural, "controls": controls, "joints": joints, "cost": cost,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tracks", type=Path, nargs="+", default=[])
    parser.add_argument("--folds", type=Path)
    parser.add_argument("--first", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--look", type=Path)
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(unknown)}; choose from {', '.join(TABLES)}")
    setting = Setting(options)
    for name in setting.options.tables:
        print(f"\n== {name} ==", flush=True)
        TABLES[name](setting)
    if setting.options.look:
        look(setting.data, setting.options.look)
        look_at_curves(setting.options.look, setting.videos(*CURVES), setting.speak)


if __name__ == "__main__":
    main()
