"""Tracks: stillness, noise, lost faces, several faces, a known movement.

pytest tests/test_face_track.py
"""

import av
import cv2
import numpy as np
import pytest
from face_samples import DEV_PORTRAITS, eyes_px, mapped, moved, needs_dev_portraits, portrait
from PIL import Image

from enliven.errors import BadOption, Cancelled, NoFaceFound
from enliven.face.track import FaceTracker, Track, track_image, track_video
from enliven.geometry import angles_from_rotation

FPS = 25.0
BLANK = np.full((512, 512, 3), 60, np.uint8)


@pytest.fixture(scope="module")
def two_faces():
    """The portrait at full size on the right, at 0.7 of it on the left."""
    image = np.full((520, 960, 3), 90, np.uint8)
    image[:358, :358] = cv2.resize(portrait(), (358, 358), interpolation=cv2.INTER_AREA)
    image[:512, 448:] = portrait()
    return image


def test_a_still_picture_stands_still():
    track = track_video([portrait()] * 30, fps=FPS)
    assert np.ptp(track.landmarks, axis=0).max() == 0
    assert np.ptp(track.rotation, axis=0).max() == 0
    assert np.ptp(track.translation, axis=0).max() == 0
    assert track.valid.all()
    assert len(track) == 30
    assert track.size == (512, 512)


def test_a_still_picture_agrees_with_the_photo():
    track = track_video([portrait()] * 3, fps=FPS)
    landmarks, _ = track_image(portrait())
    error = np.linalg.norm((track.landmarks[0] - landmarks)[:, :2], axis=1) / eyes_px(landmarks)
    assert error.mean() < 0.01


def test_camera_shake_of_a_pixel_is_followed_not_amplified():
    random = np.random.default_rng(0)
    shifts = random.normal(0, 1, (40, 2))
    frames = [moved(portrait(), shift=tuple(s))[0] for s in shifts]
    track = track_video(frames, fps=FPS)
    raw = track.landmarks[..., :2].mean(1)
    # the head moves with the shake as far as smoothing lets it, and its shape holds
    follow = np.corrcoef(raw[:, 0], shifts[:, 0])[0, 1]
    shape = track.landmarks[..., :2] - raw[:, None]
    assert follow > 0.7
    assert shape.std(0).mean() < 0.35


def test_a_steady_move_is_followed_without_lag():
    shifts = np.linspace(-30, 30, 31)
    frames = [moved(portrait(), 0.9, shift=(s, 0))[0] for s in shifts]
    track = track_video(frames, fps=FPS)
    middle = track.landmarks[..., 0].mean(1)
    slope, _ = np.polyfit(shifts, middle, 1)
    assert slope == pytest.approx(1, abs=0.01)
    lag = (middle - middle[15]) - (shifts - shifts[15])
    assert np.abs(lag).max() < 1.0


def test_a_known_turn_of_the_head_in_the_plane():
    turns = np.concatenate([np.linspace(0, 20, 15), np.linspace(20, -20, 30)])
    frames = [moved(portrait(), 0.9, turn)[0] for turn in turns]
    roll = np.degrees(angles_from_rotation(track_video(frames, fps=FPS).rotation)[2])
    assert np.abs((roll - roll[0]) - turns).max() < 1.5


def test_lost_frames_are_held_between_their_neighbours():
    left, right = (moved(portrait(), 0.9, shift=(s, 0))[0] for s in (-10, 10))
    track = track_video([left] * 6 + [BLANK] * 3 + [right] * 6, fps=FPS)
    np.testing.assert_array_equal(track.valid, [True] * 6 + [False] * 3 + [True] * 6)
    assert (track.confidence[6:9] == 0).all()
    x = track.landmarks[5:10, 1, 0]
    np.testing.assert_allclose(np.diff(x), (x[-1] - x[0]) / 4, atol=1e-3)
    assert x[-1] - x[0] == pytest.approx(20, abs=1)


def test_lost_ends_hold_the_nearest_pose():
    track = track_video([BLANK] * 2 + [portrait()] * 5 + [BLANK] * 2, fps=FPS)
    np.testing.assert_array_equal(track.landmarks[0], track.landmarks[2])
    np.testing.assert_array_equal(track.landmarks[-1], track.landmarks[6])


def test_lost_frames_are_skipped_or_refused():
    frames = [portrait()] * 4 + [BLANK] * 2 + [portrait()] * 4
    assert len(track_video(frames, fps=FPS, missing="skip")) == 8
    with pytest.raises(NoFaceFound, match=r"frame 4 of the clip, at 0\.16 s"):
        track_video(frames, fps=FPS, missing="fail")
    with pytest.raises(BadOption, match="hold, skip or fail"):
        track_video(frames, fps=FPS, missing="guess")


def test_faces_are_numbered_by_size_and_picked_by_box(two_faces):
    large, _ = track_image(two_faces, face=1)
    small, _ = track_image(two_faces, face=2)
    boxed, _ = track_image(two_faces, face_box=(60, 20, 200, 200))
    assert large[1, 0] > 448 > small[1, 0]
    assert boxed[1, 0] < 358
    np.testing.assert_allclose(boxed, small, atol=0.05 * eyes_px(small))


def test_the_chosen_face_is_kept_when_the_other_is_larger(two_faces):
    frames = [np.roll(two_faces, i, axis=1) for i in range(8)]
    track = track_video(frames, fps=FPS, face=2)
    assert (track.landmarks[:, 1, 0] < 358).all()


def test_a_lost_face_is_found_again_where_it_was(two_faces):
    hidden = two_faces.copy()
    hidden[:, :400] = 90
    track = track_video([two_faces] * 3 + [hidden] * 2 + [two_faces] * 3, fps=FPS, face=2)
    assert track.landmarks[-1, 1, 0] < 358


def test_too_many_faces_asked_for(two_faces):
    with pytest.raises(NoFaceFound, match="face 3 was asked for, but the picture shows 2 faces"):
        track_image(two_faces, face=3)
    with pytest.raises(BadOption, match="from 1"):
        track_image(two_faces, face=0)


@pytest.mark.parametrize("box", [(600, 0, 50, 50), (0, 0, 0, 50), (-80, -80, 50, 50)])
def test_a_box_outside_the_picture_is_refused(box):
    with pytest.raises(BadOption, match="512 x 512"):
        track_image(portrait(), face_box=box)


@pytest.mark.parametrize("kind", ["blank", "noise"])
def test_no_face_gives_the_best_score_and_the_way_out(kind):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    image = BLANK if kind == "blank" else noise
    with pytest.raises(NoFaceFound, match=r"best score 0\.\d\d.*face box"):
        track_image(image)


def test_a_photo_upside_down_is_named_as_such():
    with pytest.raises(NoFaceFound, match="upside down; rotate"):
        track_image(np.ascontiguousarray(np.rot90(portrait(), 2)))


def test_clips_without_frames_or_face():
    with pytest.raises(NoFaceFound, match="no frames"):
        track_video([], fps=FPS)
    with pytest.raises(NoFaceFound, match="no face was found"):
        track_video([BLANK] * 2, fps=FPS)
    with pytest.raises(BadOption, match="fps"):
        track_video([portrait()])


def test_a_face_in_hardly_any_frame_is_no_track():
    frames = [portrait()] + [BLANK] * 60
    with pytest.raises(NoFaceFound, match="only 1 of 61 frames"):
        track_video(frames, fps=FPS)


def test_a_video_file_is_tracked_at_its_own_rate_or_another(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for i in range(12):
            image, _ = moved(portrait(), 0.9, shift=(2.0 * i, 0))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    seen = []
    track = track_video(path, progress=lambda *step: seen.append(step))
    assert (len(track), track.fps, track.size) == (12, 30, (512, 512))
    assert seen[-1] == (12, 12)
    step_px = np.diff(track.landmarks[..., 0].mean(1))
    assert step_px.mean() == pytest.approx(2, abs=0.1)
    assert len(track_video(path, fps=15)) == 6


def test_progress_counts_frames_and_may_cancel():
    seen = []
    track_video([portrait()] * 4, fps=FPS, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def cancel(done, _total):
        if done == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        track_video([portrait()] * 4, fps=FPS, progress=cancel)


def test_a_frame_iterator_is_walked_once():
    track = track_video((portrait() for _ in range(3)), fps=30)
    assert isinstance(track, Track)
    assert track.fps == 30


def test_live_steps_are_the_raw_track():
    tracker = FaceTracker()
    first, presence = tracker.step(portrait())
    second, _ = tracker.step(portrait())
    np.testing.assert_array_equal(first, second)
    assert presence > 0.9
    assert tracker.step(BLANK)[0] is None


def test_moved_picture_moves_the_track():
    image, matrix = moved(portrait(), 1.2, shift=(20, 15))
    old, _ = track_image(portrait())
    new, _ = track_image(image)
    error = np.linalg.norm(new[:, :2] - mapped(old, matrix), axis=1) / eyes_px(new)
    assert error.mean() < 0.012


@needs_dev_portraits
@pytest.mark.parametrize("path", sorted(DEV_PORTRAITS.glob("*")) if DEV_PORTRAITS.is_dir() else [],
                         ids=lambda path: path.stem)  # fmt: skip
def test_every_development_portrait_is_found(path):
    """Paintings, statues, cartoons, glasses, beards, half bodies."""
    landmarks, confidence = track_image(np.array(Image.open(path).convert("RGB")))
    assert confidence > 0.9
    assert eyes_px(landmarks) > 60
