"""MViTv2 adds places as its equation says, carries its class token through Grad-CAM unseen, and keeps its tables."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from alnus.clips import normalised
from alnus.config import ClipConfig, NetworkConfig
from alnus.errors import WeightsError
from alnus.explanation import explain_clip
from alnus.models import Layout, ModelCard, build, load_model, load_weights, save_model
from alnus.models.class_token import joined, parted
from alnus.models.mvit import Attention
from alnus.models.relative_positions import at_distances

GRID = Layout(grid=(2, 8, 8))


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def small(*, seed=0, **options):
    torch.manual_seed(seed)
    network = build("mvit", depth=10, width=8, **options).double().eval()
    for parameter in network.parameters():  # as far from the beginning as training may bring them
        parameter.data += 0.2 * random(*parameter.shape, seed=seed)
    return network


@pytest.mark.parametrize(("q_size", "k_size"), [(8, 8), (8, 2), (2, 8), (7, 4), (1, 1), (5, 5)])
def test_a_table_is_read_at_the_distance_of_query_from_key(q_size, k_size):
    table = random(2 * max(q_size, k_size) - 1, 3)
    read = at_distances(table, q_size, k_size)
    for query in range(q_size):
        for key in range(k_size):
            fine_query, fine_key = query * max(k_size / q_size, 1), key * max(q_size / k_size, 1)
            furthest = (k_size - 1) * max(q_size / k_size, 1)  # makes the least distance 0
            assert torch.equal(read[query, key], table[int(fine_query - fine_key + furthest + 1e-9)])


def test_a_table_of_another_size_is_interpolated_and_keeps_its_ends_in_order():
    ramp = torch.arange(13.0, dtype=torch.float64)[:, None]
    read = at_distances(ramp, 16, 16)[:, 0, 0]
    assert (read.diff() > 0).all()


def test_attention_is_the_softmax_of_products_and_places_of_the_papers_equation():
    torch.manual_seed(0)
    attention = Attention(8, 8, heads=2, stride_q=2, stride_kv=4, grid=(3, 8, 8)).double()
    grid, tokens = (3, 8, 8), random(2, 1 + 3 * 64, 8)
    split = attention.qkv(tokens).reshape(2, -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
    query, (_, q_rows, q_columns) = attention.pool_q(split[0], grid)
    key, (k_frames, k_rows, k_columns) = attention.pool_k(split[1], grid)
    value, _ = attention.pool_v(split[2], grid)
    tables = attention.positions
    frames, rows = at_distances(tables.frames, 3, k_frames), at_distances(tables.rows, q_rows, k_rows)
    columns = at_distances(tables.columns, q_columns, k_columns)
    logits = query @ key.transpose(2, 3) / 2  # the root of 4 features
    for place in range(query.shape[2] - 1):
        t, row, column = place // (q_rows * q_columns), place // q_columns % q_rows, place % q_columns
        for other in range(key.shape[2] - 1):
            u, k_row, k_column = other // (k_rows * k_columns), other // k_columns % k_rows, other % k_columns
            apart = frames[t, u] + rows[row, k_row] + columns[column, k_column]
            logits[:, :, 1 + place, 1 + other] += query[:, :, 1 + place] @ apart
    answer = logits.softmax(-1) @ value
    answer[:, :, 1:] += query[:, :, 1:]
    expected = attention.proj(answer.transpose(1, 2).flatten(2))
    found, coarse = attention(tokens, grid)
    assert coarse == (3, 4, 4)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("grid", [(2, 3, 4), (1, 3, 3), (1, 1, 1), (8, 7, 7)])
def test_a_class_token_joined_to_the_grid_comes_apart_again(grid):
    tokens = random(2, 1 + grid[0] * grid[1] * grid[2], 5)
    features = joined(tokens, grid)
    assert features.shape == (2, 10, *grid)
    torch.testing.assert_close(parted(features)[0], tokens)
    assert parted(features)[1] == grid


def test_the_class_tokens_channels_have_no_weight_in_grad_cam():
    network, clip = small(layout=GRID), random(1, 3, 4, 96, 96, seed=3)
    features = network.features(clip).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.head(features)[:, 1].sum(), features)
    weights = gradient.mean((2, 3, 4))[0]
    places, token = weights.chunk(2)
    assert gradient[0, 64:].abs().max() > 1e-3  # they do carry the answer
    assert token.abs().max() < 1e-12 < places.abs().max()


def test_grad_cam_has_a_map_of_each_clip_and_evidence_of_each_frame():
    network = small(layout=GRID).float()
    explained = explain_clip(network, random(2, 3, 6, 64, 64).float(), with_evidence=True)
    assert explained.cells.shape == (2, 3, 2, 2)
    assert explained.cam.shape == (2, 6, 64, 64)
    assert explained.evidence.shape == (2, 6)


def test_stochastic_depth_leaves_branches_out_in_training_alone():
    network, clip = small(layout=GRID, stochastic_depth=0.9), random(1, 3, 4, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(clip), network(clip))
        network.train()
        assert len({float(network(clip)[0, 0]) for _ in range(6)}) > 1
        rates = [block.skipped for block in network.blocks]
        assert rates == pytest.approx([0.1 * place for place in range(10)])


def test_a_branch_that_stays_is_raised_so_that_the_mean_stays():
    torch.manual_seed(0)
    block = small(layout=GRID, stochastic_depth=0.5).train().blocks[-1]
    kept = block._kept(torch.ones(20_000, 1, 1))
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert abs(float(kept.mean()) - 1) < 0.03


def test_a_network_takes_the_tables_of_its_checkpoint_and_keeps_them_when_saved(tmp_path):
    source, target, clip = small(layout=GRID), small(seed=2), random(1, 3, 4, 32, 32)
    save_file({key: value.contiguous() for key, value in source.state_dict().items()}, tmp_path / "w.safetensors")
    report = load_weights(target, tmp_path / "w.safetensors")
    assert report.notes == ("the network takes the layout of Alnus",)
    assert target.layout == GRID
    with torch.no_grad():
        assert torch.equal(source(clip), target(clip))
    network = NetworkConfig(depth=10, width=8, clip=ClipConfig(frames=4, side_px=32))
    save_model(tmp_path / "mvit", target.float(), ModelCard(name="mvit", source="mvit", network=network))
    loaded, card = load_model(tmp_path / "mvit")
    assert card.layout == loaded.layout == GRID
    with torch.no_grad():
        assert torch.equal(loaded(clip.float()), target(clip.float()))
    again = build("mvit", depth=10, width=8)
    load_weights(again, tmp_path / "mvit" / "model.safetensors")
    assert again.layout == GRID


def test_tables_for_another_clip_are_refused_where_a_layout_was_asked_for(tmp_path):
    save_file(small(layout=GRID).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"positions.frames has shape \(3, 8\), the network needs \(7, 8\)"):
        load_weights(small(layout=Layout(grid=(4, 8, 8))), tmp_path / "w.safetensors")


def test_pyslowfasts_names_are_understood(tmp_path):
    source, target, clip = small(), small(seed=2), random(1, 3, 4, 32, 32)
    theirs = {}
    for key, value in source.state_dict().items():
        for ours, whose in (
            ("patches.", "patch_embed.proj."),
            ("class_token", "cls_token"),
            (".conv.weight", ".weight"),
            ("pool_q.norm", "norm_q"),
            ("pool_k.norm", "norm_k"),
            ("pool_v.norm", "norm_v"),
            ("positions.frames", "rel_pos_t"),
            ("positions.rows", "rel_pos_h"),
            ("positions.columns", "rel_pos_w"),
            ("mlp.0", "mlp.fc1"),
            ("mlp.2", "mlp.fc2"),
            ("widen", "proj"),
        ):
            key = key.replace(ours, whose)
        theirs[key.replace("fc.", "head.projection.") if key.startswith("fc.") else key] = value
    theirs["cls_token"] = theirs["cls_token"].reshape(1, 1, -1)
    torch.save({"model_state": theirs, "epoch": 199}, tmp_path / "w.pyth")
    assert load_weights(target, tmp_path / "w.pyth").origin == "MViTv2-10 checkpoint of PySlowFast"
    with torch.no_grad():
        assert torch.equal(source(clip), target(clip))


def theirs_of(network):
    """The network's tensors under torchvision's names."""
    pairs = (
        ("patches.", "conv_proj."),
        ("class_token", "pos_encoding.class_token"),
        *((f"pool_{letter}.conv", f"pool_{letter}.pool") for letter in "qkv"),
        *((f"pool_{letter}.norm", f"pool_{letter}.norm_act.0") for letter in "qkv"),
        ("positions.frames", "rel_pos_t"),
        ("positions.rows", "rel_pos_h"),
        ("positions.columns", "rel_pos_w"),
        ("attn.proj", "attn.project.0"),
        ("mlp.2", "mlp.3"),
        ("widen", "project"),
    )
    theirs = {}
    for key, value in network.state_dict().items():
        for ours, whose in pairs:
            key = key.replace(ours, whose)
        theirs[key.replace("fc.", "head.1.") if key.startswith("fc.") else key] = value
    return theirs


@pytest.mark.parametrize(
    ("classes", "origin", "mean", "deviation"),
    [
        (512, "EchoPrime", (29.110628, 28.076836, 29.096405), (47.989223, 46.456997, 47.20083)),
        (400, "torchvision", (0.45 * 255,) * 3, (0.225 * 255,) * 3),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_gives_what_the_publisher_gives_it_after_his_normalisation(
    tmp_path, classes, origin, mean, deviation, channels
):
    source, target = small(num_classes=classes), small(seed=2, in_channels=channels)
    torch.save(theirs_of(source), tmp_path / "w.pt")
    report = load_weights(target, tmp_path / "w.pt", head="replace", grey="normalised")
    assert report.origin == f"MViTv2-10 checkpoint of {origin}"
    assert "its publisher's normalisation of pictures is reckoned in" in report.notes
    picture = random(4, 32, 32).abs().clamp_max(1)
    whose = ((255 * picture - m) / d for m, d in zip(mean, deviation, strict=True))
    with torch.no_grad():
        expected = source.patches(torch.stack(tuple(whose))[None])
        found = target.patches(normalised(picture, channels)[None].double())
    inside = (..., slice(1, None), slice(1, None), slice(1, None))  # outside lies another grey
    torch.testing.assert_close(found[inside], expected[inside], rtol=1e-5, atol=1e-5)


def test_without_pictures_the_publishers_numbers_are_kept(tmp_path):
    source, target = small(num_classes=512), small(seed=2, num_classes=512)
    torch.save(theirs_of(source), tmp_path / "w.pt")
    load_weights(target, tmp_path / "w.pt")
    assert torch.equal(source.patches.weight, target.patches.weight)
    assert torch.equal(source.patches.bias, target.patches.bias)


@pytest.mark.parametrize("change", [{"conv_proj.bias": None}, {"conv_proj.bias": torch.zeros(3)}])
def test_a_bias_that_does_not_fit_is_refused_also_where_pictures_are_reckoned_in(tmp_path, change):
    state = {key: value for key, value in (theirs_of(small()) | change).items() if value is not None}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"1 the file has not \(patches.bias\)|patches.bias has shape \(3,\)"):
        load_weights(small(), tmp_path / "w.pt", grey="normalised")
