import numpy as np
import pytest

from alnus.clips import evaluation_indices, keyframe_index, training_indices
from alnus.clips.sampling import MOST_CLIPS
from alnus.config import ClipConfig, resolve
from alnus.errors import CohortError

SEGMENTS = ClipConfig(frames=8, sampling="segments")
DENSE = ClipConfig(frames=8, sampling="dense", stride=5)
KEYFRAME = ClipConfig(frames=1, sampling="keyframe")


@pytest.mark.parametrize("clip", [SEGMENTS, DENSE])
@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 36, 300])
def test_every_clip_runs_forwards_within_its_cine(clip, n_frames):
    clips = evaluation_indices(n_frames, clip, 3)
    clips += [training_indices(n_frames, clip, np.random.default_rng(seed)) for seed in range(20)]
    for indices in clips:
        assert indices.shape == (8,)
        assert (np.diff(indices) >= 0).all()
        assert indices.min() >= 0
        assert indices.max() < n_frames


def test_training_takes_one_frame_from_each_segment_and_reaches_all_of_it():
    drawn = np.array([training_indices(80, SEGMENTS, np.random.default_rng(seed)) for seed in range(300)])
    for segment in range(8):
        assert set(drawn[:, segment]) == set(range(10 * segment, 10 * segment + 10))


def test_one_evaluation_clip_takes_the_segments_centres():
    assert evaluation_indices(80, SEGMENTS, 1)[0].tolist() == [5, 15, 25, 35, 45, 55, 65, 75]


def test_several_evaluation_clips_are_shifted_within_the_segments():
    first, second = evaluation_indices(80, SEGMENTS, 2)
    assert first.tolist() == [2, 12, 22, 32, 42, 52, 62, 72]
    assert (second - first == 5).all()


def test_dense_frames_are_a_stride_apart():
    indices = training_indices(100, DENSE, np.random.default_rng(0))
    assert (np.diff(indices) == 5).all()


def test_dense_evaluation_clips_reach_from_the_first_frame_to_the_last():
    clips = evaluation_indices(100, DENSE, 3)
    assert [clip[0] for clip in clips] == [0, 32, 64]
    assert clips[-1][-1] == 99
    assert evaluation_indices(40, DENSE, 1)[0][0] == 2


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("n_frames", [47, 48, 49, 97, 200, 255, 256])
def test_dense_evaluation_clips_leave_no_gap_beyond_the_stride(n_frames, stride):
    seen = np.unique(evaluation_indices(n_frames, ClipConfig(frames=16, sampling="dense", stride=stride), 1))
    assert max(np.diff(seen)) <= stride
    assert seen[0] + n_frames - 1 - seen[-1] < max(stride, 2)


@pytest.mark.parametrize(("name", "clips", "gap"), [("r2plus1d", 9, 2), ("resnet3d", 16, 3)])
def test_the_paper_preset_sees_all_of_a_long_cine_up_to_the_most_clips(name, clips, gap):
    network = resolve({"cohort": "c.csv", "out": "o", "preset": "paper"}, origin="test").networks[name]
    chosen = evaluation_indices(274, network.clip, network.inference.clips_per_video)
    assert len(chosen) == clips
    seen = np.unique(chosen)
    assert (seen[0], seen[-1], max(np.diff(seen))) == (0, 273, gap)


def test_more_clips_than_the_most_are_taken_where_they_are_asked_for():
    assert len(evaluation_indices(2000, DENSE, 1)) == MOST_CLIPS
    assert len(evaluation_indices(2000, DENSE, 20)) == 20
    assert len(evaluation_indices(2000, SEGMENTS, 3)) == 3


def test_a_dense_clip_longer_than_its_cine_first_shortens_its_stride_then_repeats_the_last_frame():
    assert evaluation_indices(16, DENSE, 1)[0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert evaluation_indices(3, DENSE, 1)[0].tolist() == [0, 1, 2, 2, 2, 2, 2, 2]


def test_the_keyframe_is_the_sonographers_else_the_middle_frame():
    assert keyframe_index(9, 7) == 7
    assert keyframe_index(9, None) == 4
    assert [clip.tolist() for clip in evaluation_indices(9, KEYFRAME, 3, keyframe=2)] == [[2]]
    assert training_indices(9, KEYFRAME, np.random.default_rng(0)).tolist() == [4]


def test_a_keyframe_beyond_the_cine_is_refused():
    with pytest.raises(CohortError, match="keyframe 9 is not in the cine, whose frames are 0 to 8"):
        keyframe_index(9, 9)
