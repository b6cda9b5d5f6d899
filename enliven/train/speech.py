"""Train speech to motion from beginning to end.

1. The articulation network, once on all speakers and once for each fold without its speakers.
2. Pieces of speech, each heard by a network that never heard its speaker, and performances.
3. The performer.
4. Everything the generator needs, in one folder: articulation.onnx, performer.onnx,
   performer.safetensors.

Each stage keeps what it made in the folder of the run and is not done twice.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from enliven.errors import BadMedia, BadOption
from enliven.motion.articulation import Articulation
from enliven.motion.generator import open_session
from enliven.train import articulation as lips
from enliven.train import performer as performing
from enliven.train.articulation_data import Clip, Example, lip_clips
from enliven.train.performer_net import PerformerNet
from enliven.train.performer_onnx import to_onnx
from enliven.train.performer_set import SetConfig, make_set


@dataclass(frozen=True)
class SpeechRecipe:
    """Everything that decides what comes out, besides the data.

    folds: groups the speakers are put in for networks that never heard them; 2 at least.
    kept: every so many clips of a speaker with at least 20 are kept out of all training.
    """

    articulation: lips.Config = field(default_factory=lips.Config)
    performer: performing.PerformerConfig = field(default_factory=performing.PerformerConfig)
    learned_from: SetConfig = field(default_factory=SetConfig)
    folds: int = 4
    kept: int = 5

    def __post_init__(self) -> None:
        if self.folds < 2 or self.kept < 2:
            raise BadOption(f"folds is {self.folds} and kept {self.kept}; each is at least 2")

    def run(self, clips: Path, voices: Path | None = None, out: Path = Path("run"), *,
            device: str = "cpu", threads: int = 2) -> Path:  # fmt: skip
        """Train; returns the folder of the models.

        clips: archive of talking clips.  voices: folder of synthetic speech (`enliven data
        synth`), or None.  out: of the run, continued if there is one.  device: of torch, for the
        performer; the articulation networks are too small to gain from a GPU.
        Raises BadMedia when there is too little to learn from.
        """
        torch.set_num_threads(threads)
        out.mkdir(parents=True, exist_ok=True)
        talking = lip_clips(clips)
        kept = kept_out(talking, self.kept)
        learned = [clip for clip in talking if clip.name not in kept]
        groups = speaker_folds(learned, self.folds)
        examples = stored(out / "examples.pickle",
                          lambda: lips.make_examples(learned, self.articulation))  # fmt: skip
        networks = self._networks(talking, kept, groups, examples, out / "articulation")
        of = {speaker: networks[number] for number, group in enumerate(groups) for speaker in group}
        shown, tested = make_set(learned, voices_of(voices), networks[-1], of, self.learned_from,
                                 out / "pieces.pickle")  # fmt: skip
        weights = np.array([len(one.latent) for one in shown], float)
        net = performing.train(shown, weights, tested, out, self.performer, device=device)
        return export(net, out / "articulation" / "all" / "articulation.onnx", out / "models",
                      {"config": repr(self)})  # fmt: skip

    def _networks(self, talking: Sequence[Clip], kept: set[str], groups: Sequence[set[str]],
                  examples: Sequence[Example], folder: Path) -> list[Articulation]:  # fmt: skip
        """One network a fold, without its speakers, and the one that heard all."""
        networks = []
        for name, group in [*((f"fold{i}", g) for i, g in enumerate(groups)), ("all", set())]:
            mine = [example for example in examples if example.speaker not in group]
            tested = [c for c in talking if c.speaker in group or c.name in kept]
            made = lips.fit(mine, tested, folder / name, self.articulation)
            networks.append(Articulation(open_session(made.read_bytes())))
        return networks


def stored(path: Path, make: Any) -> Any:
    """What `make` returns, from the file where it was put the first time."""
    if not path.exists():
        hidden = path.with_suffix(".part")
        hidden.write_bytes(pickle.dumps(make(), protocol=5))
        hidden.replace(path)
    return pickle.loads(path.read_bytes())


def kept_out(clips: Sequence[Clip], every: int) -> set[str]:
    """Names of clips to test on: every so many of each speaker with 20 or more."""
    names: set[str] = set()
    for speaker in {clip.speaker for clip in clips}:
        own = sorted(clip.name for clip in clips if clip.speaker == speaker)
        names |= set(own[::every]) if len(own) >= 20 else set()
    return names


def speaker_folds(clips: Sequence[Clip], count: int) -> list[set[str]]:
    """Groups of speakers, about alike in clips; each speaker is in one.

    Raises BadMedia when there are fewer speakers than groups.
    """
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < count:
        raise BadMedia(f"there are clips of {len(speakers)} speakers and {count} are needed; add "
                       "clips of other people, or lower folds in the recipe")  # fmt: skip
    sizes = {name: sum(clip.speaker == name for clip in clips) for name in speakers}
    groups: list[set[str]] = [set() for _ in range(count)]
    for name in sorted(speakers, key=lambda n: (-sizes[n], n)):
        min(groups, key=lambda g: (sum(sizes[s] for s in g), len(g))).add(name)
    return groups


def voices_of(folder: Path | None) -> list[NDArray[np.float32]]:
    """Sounds of synthetic speech, 16 kHz.  Raises BadMedia when a given folder has none."""
    if folder is None:
        return []
    from enliven.media.audio import read_speech

    found = [read_speech(path).samples for path in sorted(folder.rglob("*.wav"))]
    if not found:
        raise BadMedia(f"{folder} holds no .wav files; make some with enliven data synth")
    return found


def export(net: PerformerNet, articulation: Path, folder: Path, settings: dict[str, str]) -> Path:
    """Write what the generator needs to `folder`, which is returned; weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "articulation.onnx").write_bytes(articulation.read_bytes())
    net = net.cpu().eval()
    with torch.no_grad():  # so that every copy of the weights computes the same
        for parameter in net.parameters():
            parameter.copy_(parameter.half().float())
    onnx.save(to_onnx(net, settings), folder / "performer.onnx")
    weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    save_file(weights, folder / "performer.safetensors", settings | {"shape": repr(net.shape)})
    return folder
