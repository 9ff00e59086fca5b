"""A cine's heat lies on the stored pixels that caused it, and every picture says what it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from PIL import Image

from alnus.clips import Sample, cine_clips, clip_tensor
from alnus.config import ClipConfig, InferenceConfig, NetworkConfig
from alnus.errors import CohortError, WeightsError
from alnus.explanation import explain_video
from alnus.explanation.attribution import explain_clip
from alnus.explanation.cine import captions
from alnus.explanation.drawing import BAR, CURVE_PX, WARNING, bars, overlay, sheet
from alnus.explanation.heat import CineHeat, cine_heat, every_frame
from alnus.explanation.tiling import tiles
from alnus.models import ModelCard, build_from_config, load_model, save_model

SAMPLE = Sample("P1", "cine.dcm", 1)
LENGTH, HEIGHT, WIDTH = 12, 60, 100


@dataclass
class Facts:
    frame_rate_hz: float | None = 20.0
    phantom: bool = False


@dataclass
class Store:
    """One cine in memory."""

    cine: np.ndarray
    still: np.ndarray | None = None
    facts: Facts = field(default_factory=Facts)

    def frames(self, video):
        return self.cine

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video):
        return self.still

    def entry(self, video):
        return self.facts


def speckle(length=LENGTH, height=HEIGHT, width=WIDTH):
    return np.random.default_rng(0).integers(0, 256, (length, height, width), dtype=np.uint8)


def configured(name, *, frames=4, **clip):
    sampling = {"image": "keyframe", "tin": "segments"}.get(name, "dense")
    options = {"resize_px": 72, "side_px": 64, "channels": 1} | clip
    chosen = ClipConfig(frames=1 if name == "image" else frames, sampling=sampling, **options)
    return NetworkConfig(depth=18, width=16, clip=chosen, inference=InferenceConfig(clips_per_video=2))


@pytest.fixture
def trained(tmp_path):
    def make(name, *, phantom=False, prefers=1, **clip):
        network = configured(name, **clip)
        torch.manual_seed(0)
        model = build_from_config(name, network)
        with torch.no_grad():  # the mean of the last stage speaks for the preferred class
            model.fc.weight.copy_(torch.tensor([[1.0], [-1.0]]).roll(prefers, 0).expand_as(model.fc.weight) * 0.1)
        directory = tmp_path / f"{name}-{phantom}-{prefers}"
        save_model(directory, model, ModelCard(name=name, source=f"my {name}", network=network, phantom=phantom))
        return directory

    return make


@pytest.mark.parametrize("name", ["image", "r2plus1d", "resnet3d", "tin"])
def test_an_explanation_is_a_picture_a_video_and_numbers(trained, tmp_path, name):
    out = tmp_path / "out"
    made = explain_video(trained(name), SAMPLE, Store(speckle()), out)
    assert sorted(path.name for path in out.iterdir()) == ["cine.mp4", "explanation.json", "keyframe.png"]
    assert (made.png, made.mp4, made.json) == (out / "keyframe.png", out / "cine.mp4", out / "explanation.json")
    record = json.loads(made.json.read_text())
    assert record["probability"] == made.probability
    assert record["keyframe"] == made.keyframe in made.frame_indices
    assert list(made.frame_indices) == sorted(set(made.frame_indices)) == record["frame_indices"]
    assert sum(made.frame_weights) == pytest.approx(1, abs=1e-4)
    assert (record["source"], record["png"], record["mp4"]) == (f"my {name}", "keyframe.png", "cine.mp4")


@pytest.mark.parametrize("name", ["image", "resnet3d", "tin"])
def test_the_probability_is_the_mean_over_the_evaluation_clips(trained, tmp_path, name):
    directory = trained(name)
    model, card = load_model(directory)
    clips, _ = cine_clips(speckle(), card.network.clip, 2, keyframe=3)
    with torch.no_grad():
        expected = model(clips).softmax(1)[:, 1].mean().item()
    made = explain_video(directory, Sample("P1", "v", keyframe=3), Store(speckle()), tmp_path / "out", video=False)
    assert made.probability == pytest.approx(expected, rel=1e-5)


def test_the_users_keyframe_is_shown_and_else_the_one_that_weighs_most(trained, tmp_path):
    directory, store = trained("tin"), Store(speckle())
    users = explain_video(directory, Sample("P1", "v", keyframe=7), store, tmp_path / "a", video=False)
    assert (users.keyframe, users.keyframe_origin) == (7, "user")
    networks = explain_video(directory, Sample("P1", "v"), store, tmp_path / "b", video=False)
    assert networks.keyframe_origin == "network"
    assert networks.keyframe == networks.frame_indices[int(np.argmax(networks.frame_weights))]


def test_the_image_network_is_shown_on_what_it_saw(trained, tmp_path):
    directory = trained("image")
    middle = explain_video(directory, SAMPLE, Store(speckle()), tmp_path / "a", video=False)
    assert (middle.keyframe, middle.keyframe_origin) == (LENGTH // 2, "middle")
    still = np.full((40, 50), 99, np.uint8)
    shown = explain_video(directory, SAMPLE, Store(speckle(), still), tmp_path / "b", video=False)
    assert (shown.keyframe, shown.keyframe_origin) == (None, "still")
    pixels = np.asarray(Image.open(shown.png))
    assert (pixels == 99).all(-1).sum() >= 40 * 50


def test_a_video_network_is_shown_on_a_frame_even_beside_a_still(trained, tmp_path):
    made = explain_video(trained("tin"), SAMPLE, Store(speckle(), speckle()[0]), tmp_path / "out", video=False)
    assert made.keyframe_origin == "network"


def cine_with_a_spot(row, column, *, height=90, width=160):
    cine = np.full((8, height, width), 128, np.uint8)  # grey is the input's zero
    cine[:, row : row + 12, column : column + 12] = 255
    return cine


@pytest.mark.parametrize("place", [(12, 24), (66, 24), (12, 124), (66, 124), (39, 74)])
def test_the_heat_lies_on_the_stored_pixels_that_caused_it(trained, place):
    row, column = place
    model, card = load_model(trained("image", resize_px=288, side_px=256))
    with torch.no_grad():  # every layer passes what it sees: the map is where the input is bright
        for key, value in model.state_dict().items():
            if key.endswith("conv1.weight") or ("conv2" in key and value.ndim == 4):
                value.abs_()
            if "downsample.0" in key:
                value.abs_()
    heat = cine_heat(model, card, cine_with_a_spot(row, column), keyframe=4).at(4)
    assert heat.shape == (90, 160)
    rows, columns = np.nonzero(heat > 0.8)
    # the last stage's cells are 32 of 256 pixels, 20 on the frame: the hottest one covers the spot's middle
    assert abs(rows.mean() - (row + 6)) < 20
    assert abs(columns.mean() - (column + 6)) < 20


def heat_of(cells, scored=(2, 6)):
    cells = np.asarray(cells, np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    evidence = cells.mean((1, 2)).astype(np.float64)
    clip = ClipConfig(frames=4, resize_px=16, side_px=16, channels=1)
    return CineHeat(0.5, cells, evidence, "mean", (4, 5), clip, np.array(scored))


def test_each_frame_has_a_map_of_its_own_as_a_share_of_the_videos_largest():
    heat = heat_of([1.0, 5.0, 2.0])
    values = [float(heat.at(frame)[2, 2]) for frame in range(3)]
    assert values == pytest.approx([0.2, 1.0, 0.4])
    assert heat.at(0).shape == (4, 5)
    assert (heat.heaviest, heat.weights.tolist()) == (1, [0.125, 0.625, 0.25])


def test_a_frame_that_did_not_enter_the_score_says_so():
    heat = heat_of([1.0] * 8)
    assert [heat.title(frame) for frame in (2, 3, 6)] == ["frame 2", "frame 3 (not scored)", "frame 6"]


@pytest.mark.parametrize("sampling", ["dense", "segments", "keyframe"])
@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 39, 44, 61, 200])
@pytest.mark.parametrize("stride", [1, 3, 5])
def test_every_frame_of_a_cine_lies_in_a_clip_as_the_network_takes_them(sampling, n_frames, stride):
    clip = ClipConfig(frames=1 if sampling == "keyframe" else 8, sampling=sampling, stride=stride)
    tiled = tiles(n_frames, clip)
    assert sorted(set(np.concatenate(tiled).tolist())) == list(range(n_frames))
    assert {len(indices) for indices in tiled} == {clip.frames}
    for indices in tiled:
        steps = set(np.diff(indices))
        assert sampling != "dense" or n_frames < 8 * stride or steps == {stride}
        assert min(steps, default=0) >= 0
    # at most twice as many as hold every frame once, and where the frames divide evenly just as many
    fewest = -(-n_frames // clip.frames)
    assert len(tiled) <= 2 * fewest + stride
    assert n_frames % (clip.frames * stride) or len(tiled) == fewest


@pytest.mark.parametrize(("name", "slack"), [("image", 0), ("tin", 0), ("resnet3d", 2), ("r2plus1d", 2)])
def test_the_only_frame_with_content_is_the_heaviest_though_no_scored_clip_holds_it(trained, name, slack):
    # tin's two clips score 8 of 40 frames; filters of the 3-D networks reach two frames further
    model, card = load_model(trained(name))
    cine = np.full((40, 64, 64), 128, np.uint8)
    cine[18, 16:32, 16:32] = 255
    heat = cine_heat(model, card, cine)
    assert len(heat.weights) == len(heat.cells) == 40
    assert abs(heat.heaviest - 18) <= slack
    assert 18 not in heat.scored or name in ("resnet3d", "r2plus1d")


def test_a_tiled_clip_gets_the_map_that_the_clip_alone_gets(trained):
    model, card = load_model(trained("resnet3d"))
    cells, _, _ = every_frame(model, card, speckle(length=8))
    alone = explain_clip(model, clip_tensor(speckle(length=8)[4:], card.network.clip)[None]).frame_cells[0]
    assert cells[4:] == pytest.approx(alone.numpy(), abs=1e-6)


def test_the_curve_has_a_bar_a_frame_and_marks_the_one_shown():
    strip = bars(np.array([0.0, 0.25, 0.5, 0.25]), 80, frame=2)
    heights = (strip == BAR).all(-1).sum(0)
    assert strip.shape == (CURVE_PX, 80, 3)
    assert not heights[:20].any()
    assert (heights[20:40] == heights[60:]).all()
    assert heights[20] == 21
    marked = (strip == WARNING).all(-1).sum(0)
    assert (marked[40:60] == CURVE_PX - 2).all()
    assert not marked[:40].any()


def test_the_numbers_name_the_heaviest_frame_and_those_scored(trained, tmp_path):
    made = explain_video(trained("tin"), Sample("P1", "v", keyframe=7), Store(speckle()), tmp_path / "a", video=False)
    record = json.loads(made.json.read_text())
    assert record["heaviest_frame"] == made.heaviest == int(np.argmax(record["frame_weights"]))
    assert record["scored_frames"] == [0, 2, 3, 5, 6, 8, 9, 11]
    assert record["frame_indices"] == list(range(LENGTH))
    assert record["heat_cells"] == "2 x 2"


def test_heat_without_evidence_is_zero_and_said_so(trained, tmp_path):
    heat = heat_of([0.0, 0.0])
    assert not heat.at(1).any()
    directory = trained("tin", prefers=0)  # all evidence is for the other class
    _, card = load_model(directory)
    assert "no evidence for metastasis found" in captions(card, heat, phantom=False)[0][0]
    made = explain_video(directory, SAMPLE, Store(speckle()), tmp_path / "out", video=False)
    assert set(made.frame_weights) == {0.0}
    left, right = panels_of(made.png)
    assert np.array_equal(left, right)


def panels_of(png, height=HEIGHT * 4, width=WIDTH * 4):
    pixels = np.asarray(Image.open(png).convert("RGB"))
    return pixels[21 : 21 + height, :width], pixels[21 : 21 + height, width + 6 : 2 * width + 6]


def test_the_png_holds_the_stored_frame_beside_its_heat(trained, tmp_path):
    made = explain_video(trained("tin"), SAMPLE, Store(speckle()), tmp_path / "out", video=False)
    left, right = panels_of(made.png)
    assert np.array_equal(left[::4, ::4], np.repeat(speckle()[made.keyframe][..., None], 3, 2))
    assert (right != left).any()


def test_the_video_has_every_frame_of_the_cine(trained, tmp_path):
    av = pytest.importorskip("av")
    made = explain_video(trained("tin"), SAMPLE, Store(speckle()), tmp_path / "out")
    with av.open(str(made.mp4)) as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert float(stream.average_rate) == pytest.approx(20)
    assert len(pictures) == LENGTH
    assert pictures[0].shape[0] > HEIGHT * 4


def test_a_still_alone_makes_no_video(trained, tmp_path):
    made = explain_video(trained("image"), SAMPLE, Store(speckle(length=1)), tmp_path / "out")
    assert made.mp4 is None
    assert not (tmp_path / "out" / "cine.mp4").exists()


def test_every_caption_says_research_use_and_a_phantoms_says_phantom(trained, tmp_path):
    _, card = load_model(trained("tin", phantom=True))
    lines, warning = captions(card, heat_of([1.0, 5.0]), phantom=True)
    assert lines[0] == "my tin: score 0.50 for metastasis (0 to 1, not calibrated)"
    assert "Research use, not for diagnosis" in " ".join(lines)
    assert warning == "PHANTOM: a simulated video, no patient. The network was trained on phantoms."
    _, card = load_model(trained("tin"))
    assert captions(card, heat_of([1.0, 5.0]), phantom=False)[1] == ""


def inked(page, colour):
    return int((page == np.array(colour)).all(-1).sum())


def test_the_warning_is_drawn_in_its_colour_and_only_where_there_is_one():
    assert inked(sheet((60, 100), ["caption"], panels=1, warning="PHANTOM").page, WARNING) > 20
    assert inked(sheet((60, 100), ["caption"], panels=1).page, WARNING) == 0


def test_a_page_has_even_sides_and_room_for_a_long_caption():
    short, long = (sheet((61, 101), ["word " * n], panels=1).page for n in (1, 80))
    assert short.shape[0] % 2 == short.shape[1] % 2 == long.shape[0] % 2 == 0
    assert long.shape[0] > short.shape[0] + 100
    assert long.shape[1] == short.shape[1]


def test_no_heat_leaves_a_frame_as_it_is_and_more_heat_changes_it_more():
    grey = speckle()[0]
    assert np.array_equal(overlay(grey, np.zeros(grey.shape, np.float32)), np.repeat(grey[..., None], 3, 2))
    black = np.zeros((1, 11), np.uint8)
    ramp = overlay(black, np.linspace(0, 1, 11, dtype=np.float32)[None]).sum(-1)[0]
    assert (np.diff(ramp.astype(int)) > 0).all()


def test_a_keyframe_that_the_cine_does_not_have_is_refused_with_the_patient(trained, tmp_path):
    message = "patient P1, video v: keyframe 12 is not in the cine, whose frames are 0 to 11"
    with pytest.raises(CohortError, match=message):
        explain_video(trained("tin"), Sample("P1", "v", keyframe=LENGTH), Store(speckle()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_directory_without_a_network_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"model\.json: cannot be read"):
        explain_video(tmp_path, SAMPLE, Store(speckle()), tmp_path / "out")
