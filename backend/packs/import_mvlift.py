"""`import-mvlift`: makes a pack from official MVLift checkpoints. Runs no code of the files.

Of a checkpoint the moving average counts, which the program itself samples with. Its multi-view network is trained with one cross-view
layer that all blocks share, though four stand in the file: the first is taken. The networks see keypoints in a picture of 1920 x 1080 with a focal
length of 1000 pixels, y down, from cameras 3 m away that look level: the card's normalisation and `box` say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from backend.diffusion.denoiser import sinusoids
from backend.diffusion.schedule import Schedule
from backend.errors import KineliftError
from backend.mvlift.model import LINE, MULTIVIEW
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings
from backend.mvlift.windows import BOX_DISTANCE, BOX_FOCAL, BOX_IMAGE
from backend.packs.import_mas import bad, rename
from backend.packs.mas_datasets import DATASETS
from backend.packs.model import save_pack
from rigs import load_skeleton

STEPS, TAU, FPS = 1000, 1.0, 30
AVERAGE = "ema_model."
TRANSFORMER = "denoise_fn.motion_transformer."
OPENPOSE = ("Nose", "Neck", "RightShoulder", "RightElbow", "RightWrist", "LeftShoulder", "LeftElbow", "LeftWrist", "RightHip", "RightKnee", "RightAnkle",
            "LeftHip", "LeftKnee", "LeftAnkle", "RightEye", "LeftEye", "RightEar", "LeftEar")
LAYER = {"self_attn.w_q": "attention.query", "self_attn.w_k": "attention.key", "self_attn.w_v": "attention.value", "self_attn.fc": "attention.out",
         "self_attn.layer_norm": "attention.norm", "pos_ffn.w_1": "feed.first", "pos_ffn.w_2": "feed.second", "pos_ffn.layer_norm": "feed.norm"}
TRUNK = {f"{TRANSFORMER}start_conv": "frame_in", "denoise_fn.linear_out": "frame_out", "denoise_fn.time_mlp.1": "step_in.0",
         "denoise_fn.time_mlp.3": "step_in.2"}
REMEDY = "Use a checkpoint that the official program saved"


@dataclass(frozen=True)
class Kind:
    """What a network of so many keypoints is for: keypoints in its order; box: how large the first frame is in the picture, wide and tall;
    height, bones: a usual body's height and summed bones in metres; standing_height: of its feet's joints."""

    title: str
    skeleton: str
    keypoints: tuple[str, ...]
    box: tuple[float, float]
    height: float
    bones: float
    standing_height: float


KINDS = {
    18: Kind("Lift people (MVLift)", "openpose18", OPENPOSE, (0.5, 0.5), 1.7, 3.35, 0.07),
    17: Kind("Lift cats (MVLift)", "ap10k-paws", DATASETS["horse"].keypoints, (1 / 6, 1 / 4), 0.28, 1.2, 0.02),
    23: Kind("Lift people with an object (MVLift)", "openpose18-object5", (*OPENPOSE, *load_skeleton("openpose18-object5").objects),
             (0.5, 0.5), 1.7, 3.35, 0.07),
}


def read_average(path: Path) -> dict[str, torch.Tensor]:
    """The moving average of a checkpoint, by the program's names. Runs no code of the file."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise KineliftError("there is no such file", "Check the path", str(path), "missing-file") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise bad(f"the file is no plain checkpoint: reading it would need code to run, or it is damaged ({reason})",
                  "Download it again from where its authors publish it; do not load it with other tools", path) from error
    average = content.get("ema") if isinstance(content, dict) else None
    if not isinstance(average, dict):
        raise bad("there is no moving average under 'ema'", REMEDY, path)
    tensors = {key.removeprefix(AVERAGE): value for key, value in average.items() if key.startswith(AVERAGE)}
    if not tensors or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise bad(f"there are no tensors under 'ema', '{AVERAGE}...'", REMEDY, path)
    return tensors


def take(tensors: dict[str, torch.Tensor], key: str, dimensions: int, path: Path) -> torch.Tensor:
    """A tensor whose shape tells the sizes of the network."""
    if key not in tensors:
        raise bad(f"the key '{key}' is missing", REMEDY, path)
    if tensors[key].ndim != dimensions:
        raise bad(f"'{key}' has shape {list(tensors[key].shape)}, not {dimensions} dimensions", REMEDY, path)
    return tensors[key]


def check_table(tensors: dict[str, torch.Tensor], key: str, path: Path) -> int:
    """Rows of a table of positions, the first of which is for padding. Raises KineliftError when it isn't the usual one."""
    table = take(tensors, key, 2, path).float()
    if len(table) < 3 or not torch.allclose(table[1:], sinusoids(*table.shape)[1:], atol=1e-3):
        raise bad(f"'{key}' is not the usual table of sines", REMEDY, path)
    return len(table)


def read_settings(tensors: dict[str, torch.Tensor], heads: int, path: Path) -> tuple[LiftNetworkSettings, int]:
    """Sizes of the network, told by shapes, and the frames of a window."""
    frame_in, query = take(tensors, f"{TRANSFORMER}start_conv.weight", 3, path), take(tensors, f"{TRANSFORMER}layer_stack.0.self_attn.w_q.weight", 2, path)
    features = take(tensors, "denoise_fn.linear_out.weight", 2, path).shape[0]
    layers = {int(match[1]) for key in tensors if (match := re.match(re.escape(TRANSFORMER) + r"layer_stack\.(\d+)\.", key))}
    across = any("cross_view_layer_stack" in key for key in tensors)
    if features % 2 or features // 2 not in KINDS:
        raise bad(f"the network has {features} features", f"Import one of {', '.join(str(2 * count) for count in KINDS)} features", path)
    if heads < 1 or query.shape[0] % heads:
        raise bad(f"{query.shape[0]} features can't be shared by {heads} heads", "Give the number of heads with --heads", path)
    views = check_table(tensors, f"{TRANSFORMER}view_position_vec.weight", path) - 1 if across else 1
    hidden = take(tensors, f"{TRANSFORMER}layer_stack.0.pos_ffn.w_1.weight", 3, path).shape[0]
    settings = LiftNetworkSettings(features // 2, frame_in.shape[1] - features, frame_in.shape[0], hidden, len(layers), heads, query.shape[0] // heads,
                                   views=views, cross="shared" if across else "none", masked=False)
    return settings, check_table(tensors, f"{TRANSFORMER}position_vec.weight", path) - 2


def read_network(path: Path, heads: int, across: bool) -> tuple[LiftNetworkSettings, dict[str, torch.Tensor], int]:
    """Settings, our state dict with keypoints in the program's order, and the frames of a window. `across`: a multi-view network is meant."""
    tensors = read_average(path)
    settings, frames = read_settings(tensors, heads, path)
    if (settings.cross == "shared") != across:
        raise bad(f"this is a {'line-conditioned' if across else 'multi-view'} network", f"Give it as {'--line' if across else 'the first file'}", path)
    if settings.conditions != settings.keypoints * (2 if across else 3):
        raise bad(f"the network is given {settings.conditions} features a frame", "Import a network that the released scripts train", path)
    signal = take(tensors, "alphas_cumprod", 1, path)
    if signal.shape != (STEPS,) or not torch.allclose(signal, torch.tensor(Schedule(STEPS, TAU).abar, dtype=torch.float32), atol=1e-4):
        raise bad("the noise schedule is not the cosine one of 1000 steps", REMEDY, path)
    names = dict(TRUNK)
    for ours, theirs, count in (("layers", "layer_stack", settings.layers), ("crosses", "cross_view_layer_stack", int(across))):
        names |= {f"{TRANSFORMER}{theirs}.{number}.{part}": f"{ours}.{number}.{name}" for number in range(count) for part, name in LAYER.items()}
    used = {key: value.squeeze(-1) if value.ndim == 3 else value for key, value in tensors.items() if not ignored(key)}
    with torch.device("meta"):
        expected = LiftDenoiser(settings, Schedule(STEPS, TAU)).state_dict()
    return settings, rename(used, names, expected, path), frames


def ignored(key: str) -> bool:
    """What stands in a checkpoint and isn't used: the schedule's tables, a text encoder, fixed positions, and cross-view layers after the first."""
    return ("." not in key or key.startswith("clip_encoder.") or key.endswith("position_vec.weight")
            or bool(re.search(r"cross_view_layer_stack\.[1-9]", key)))


def reorder(state: dict[str, torch.Tensor], order: list[int], across: bool) -> dict[str, torch.Tensor]:
    """The network for keypoints in another order; `order` [J] are the old indices."""

    def features(each: int, start: int) -> torch.Tensor:
        return start + (torch.tensor(order).unsqueeze(1) * each + torch.arange(each)).flatten()

    flat = features(2, 0)
    columns = torch.cat([flat, features(2 if across else 3, 2 * len(order))])
    return {**state, "frame_in.weight": state["frame_in.weight"][:, columns], "frame_out.weight": state["frame_out.weight"][flat],
            "frame_out.bias": state["frame_out.bias"][flat]}


def import_network(path: Path, to: Path, heads: int = 4, across: bool = True) -> Path:
    """Writes the pack of a multi-view network, or with `across` False that of a line-conditioned one; returns its folder."""
    settings, state, frames = read_network(path, heads, across)
    kind = KINDS[settings.keypoints]
    skeleton = load_skeleton(kind.skeleton)
    order = [kind.keypoints.index(name) for name in skeleton.keypoints]
    card = {
        "name": to.name, "title": kind.title, "kind": MULTIVIEW if across else LINE,
        "description": f"Imported from {path.name}, a model of the MVLift paper.", "skeleton": skeleton.name, "fps": FPS,
        "seconds": {"default": frames / FPS, "max": 3600.0}, "camera": {"distance": BOX_DISTANCE, "elevation": [0.0, 0.0]},
        "body": {"box": list(kind.box), "height": kind.height, "bones": kind.bones, "standing_height": kind.standing_height},
        "network": settings.as_card(), "conditions": settings.conditions, "diffusion": {"steps": STEPS, "tau": TAU},
        "training": {"checkpoint": path.name},
        "data": [{"name": "data of the MVLift paper", "licence": "as its authors say",
                  "credit": "Lifting Motion to the 3D World via 2D Diffusion (Li et al., CVPR 2025)"}],
        "scores": {},
    }
    half = torch.tensor(BOX_IMAGE) / 2 / BOX_FOCAL * BOX_DISTANCE  # units of the picture at its edges, which are 1 for the network
    std = (half * torch.tensor([1.0, -1.0])).expand(settings.keypoints, 2)
    return save_pack(to, card, reorder(state, order, across), torch.zeros_like(std), std)


def add_arguments(parser) -> None:
    parser.add_argument("checkpoint", type=Path, help="model-*.pt of the multi-view network (the program's stage 4)")
    parser.add_argument("--line", type=Path, help="model-*.pt of the line-conditioned network (stage 1), to go on training from or to evaluate")
    parser.add_argument("--to", type=Path, required=True, help="the pack's folder")
    parser.add_argument("--heads", type=int, default=4, help="heads of the attention, which the file doesn't tell")


def run(arguments) -> int:
    print(import_network(arguments.checkpoint, arguments.to, arguments.heads))
    if arguments.line:
        print(import_network(arguments.line, arguments.to / "line", arguments.heads, across=False))
    return 0
