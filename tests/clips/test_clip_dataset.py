import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from alnus.clips import ClipDataset, EpochSampler, EvaluationClips, EvaluationSampler, ResizedFrames, Sample, cine_clips
from alnus.config import AugmentationConfig, ClipConfig
from alnus.errors import CohortError

CLIP = ClipConfig(frames=4, sampling="segments", resize_px=24, side_px=20, channels=1)
KEYFRAME = ClipConfig(frames=1, sampling="keyframe", resize_px=24, side_px=20, channels=1)


class NoiseStore:
    def __init__(self, *, stills: bool = False) -> None:
        generator = np.random.default_rng(0)
        self.cines = {f"v{i}": generator.integers(0, 256, (20, 30, 40), dtype=np.uint8) for i in range(10)}
        self.stills = stills

    def frames(self, video: str) -> NDArray[np.uint8]:
        return self.cines[video]

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video: str) -> NDArray[np.uint8] | None:
        return np.full((50, 50), 255, np.uint8) if self.stills else None


SAMPLES = [Sample(f"p{i}", f"v{i}", i % 2) for i in range(10)]


def _dataset(*, seed: int = 0, clip: ClipConfig = CLIP, store: NoiseStore | None = None) -> ClipDataset:
    return ClipDataset(SAMPLES, store or NoiseStore(), clip, augmentation=AugmentationConfig(), seed=seed)


def test_the_same_key_gives_the_same_clip_and_any_other_another():
    dataset = _dataset()
    clip, label, index = dataset[3, 5]
    assert (label, index) == (1, 5)
    assert torch.equal(clip, _dataset()[3, 5][0])
    for other in (dataset[4, 5], dataset[3, 6], _dataset(seed=1)[3, 5]):
        assert not torch.equal(clip, other[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_loader_workers_changes_no_bit(workers):
    def clips(count: int) -> torch.Tensor:
        sampler = EpochSampler(10, batch_size=3, seed=0)
        return torch.cat([batch[0] for batch in DataLoader(_dataset(), 3, sampler=sampler, num_workers=count)])

    assert torch.equal(clips(0), clips(workers))


def test_what_is_kept_in_memory_changes_nothing():
    store = NoiseStore()
    kept, read_anew = ResizedFrames(store, 24), ResizedFrames(store, 24, limit_bytes=0)
    for indices in ([3, 3, 7, 19], [0, 7, 8, 9]):
        chosen = np.array(indices)
        assert torch.equal(kept.frames("v1", chosen), read_anew.frames("v1", chosen))


def test_frames_are_resized_once_while_memory_allows(monkeypatch):
    store = NoiseStore()
    frames = ResizedFrames(store, 24)
    before = frames.frames("v1", np.array([1, 2]))
    store.cines["v1"] = np.zeros((20, 30, 40), np.uint8)
    assert torch.equal(frames.frames("v1", np.array([1, 2])), before)
    assert frames.frames("v1", np.array([3])).max() == 0


def test_the_sonographers_still_stands_in_for_the_keyframe():
    clip, _ = cine_clips(np.zeros((9, 30, 40), np.uint8), KEYFRAME, 1, image=np.full((50, 50), 255, np.uint8))
    assert clip.min() == 2
    dataset = ClipDataset(SAMPLES, NoiseStore(stills=True), KEYFRAME, augmentation=None, seed=0)
    assert dataset[0, 0][0].min() == 2
    assert EvaluationClips(SAMPLES, NoiseStore(stills=True), KEYFRAME, clips_per_video=3)[0][0].min() == 2


def test_evaluation_clips_are_those_of_the_whole_cine():
    store = NoiseStore()
    clips = EvaluationClips(SAMPLES, store, CLIP, clips_per_video=3)
    assert len(clips) == 30
    whole, indices = cine_clips(store.frames("v2"), CLIP, 3)
    assert len(indices) == 3
    assert torch.equal(whole, torch.stack([clips[place][0] for place in (6, 7, 8)]))


def test_a_long_cine_has_more_evaluation_clips_than_a_short_one():
    clip = ClipConfig(frames=4, sampling="dense", resize_px=24, side_px=20, channels=1)
    store = NoiseStore()
    store.cines["v1"] = store.cines["v1"][:5]
    clips = EvaluationClips(SAMPLES[:3], store, clip, clips_per_video=2)
    assert clips.counts.tolist() == [5, 2, 5]
    together = torch.stack([clips[place][0] for place in range(len(clips))])
    assert torch.equal(together, torch.cat([cine_clips(store.frames(f"v{i}"), clip, 2)[0] for i in range(3)]))


def test_a_keyframe_beyond_the_cine_is_refused_by_patient_and_video():
    samples = [Sample("p7", "v1", 1, keyframe=20)]
    clips = EvaluationClips(samples, NoiseStore(), KEYFRAME, clips_per_video=1)
    with pytest.raises(CohortError, match="patient p7, video v1: keyframe 20 is not in the cine"):
        clips[0]


def test_an_epoch_is_a_permutation_and_no_two_are_alike():
    sampler = EpochSampler(12, batch_size=4, seed=0)
    epochs = []
    for epoch in range(5):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert {key[0] for key in keys} == {epoch}
        assert sorted(index for _, index in keys) == list(range(12))
        epochs.append(tuple(index for _, index in keys))
    assert len(set(epochs)) == 5


@pytest.mark.parametrize("length", [8, 11, 130])
@pytest.mark.parametrize("world", [2, 4])
def test_several_processes_see_the_global_batches_of_one(length, world):
    one = list(EpochSampler(length, batch_size=8, seed=3))
    shares = [list(EpochSampler(length, batch_size=8 // world, seed=3, rank=r, world=world)) for r in range(world)]
    size = 8 // world
    for step in range(length // 8):
        together = [key for share in shares for key in share[step * size : (step + 1) * size]]
        assert set(together) == set(one[step * 8 : (step + 1) * 8])


def test_fewer_samples_than_a_batch_are_all_seen_in_equal_shares():
    shares = [list(EpochSampler(5, batch_size=8, seed=0, rank=rank, world=2)) for rank in range(2)]
    assert [len(share) for share in shares] == [3, 3]
    assert {index for share in shares for _, index in share} == set(range(5))


def test_every_evaluation_clip_is_seen_by_some_process():
    shares = [list(EvaluationSampler(7, rank=rank, world=3)) for rank in range(3)]
    assert {place for share in shares for place in share} == set(range(7))
    assert len({len(share) for share in shares}) == 1
