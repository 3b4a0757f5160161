"""`import-mas`: a pack from a checkpoint of the MAS paper's own program.

A checkpoint is a pickle. It is read with torch's `weights_only`, which refuses everything but tensors and plain values, so no code
of the file runs. Keypoints are put into the order of our skeleton, which lists parents first.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import torch

from backend.diffusion.denoiser import Denoiser, DenoiserSettings, sinusoids
from backend.errors import KineliftError
from backend.evaluation.feature_vae import EvaluatorSettings, FeatureVae, save_evaluator
from backend.packs.mas_datasets import DATASETS, Dataset
from backend.packs.model import save_pack
from rigs import Skeleton, load_skeleton

DISTANCE, ELEVATION = 7.0, math.pi / 16

REQUIRED = {"arch": "trans_enc", "cond": "no_cond", "model_mean_type": "x_start", "activation": "gelu", "emb_trans_dec": False}
"""Settings that the released models have and that our network implements."""

NETWORK_KEYS = {
    "input_process.poseEmbedding": "frame_in",
    "embed_timestep.time_embed": "step_in",
    "seqTransEncoder.layers": "encoder.layers",
    "output_process.poseFinal": "frame_out",
}
EVALUATOR_KEYS = {
    "encoder.mu_query": "mu_query",
    "encoder.sigma_query": "sigma_query",
    "encoder.input_process.poseEmbedding": "frame_in",
    "encoder.seqTransEncoder.layers": "encoder.layers",
    "decoder.seqTransDecoder.layers": "decoder.layers",
    "decoder.output_process.poseFinal": "frame_out",
}
POSITION_CODE = "sequence_pos_encoder.pe"


def bad(message: str, remedy: str, place: Path | str) -> KineliftError:
    return KineliftError(message, remedy, str(place), "bad-checkpoint")


def find_checkpoint(folder: Path) -> Path:
    """The checkpoint of the most steps in a folder of the MAS program; a file is taken as it is."""
    if folder.is_file():
        return folder
    found = {int(match[1]): path for path in folder.glob("checkpoint_*.pth") if (match := re.fullmatch(r"checkpoint_(\d+)\.pth", path.name))}
    if not found:
        raise KineliftError("there is no checkpoint_*.pth", "Give the folder that holds it beside its args.json", str(folder), "missing-file")
    return found[max(found)]


def read_settings(checkpoint: Path) -> dict:
    """The args.json beside a checkpoint."""
    path = checkpoint.parent / "args.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KineliftError(f"args.json can't be read ({error.strerror})", "Put the checkpoint's own args.json beside it", str(path),
                            "missing-file") from error
    except ValueError as error:
        raise bad(f"this is not valid JSON ({error})", "Put the checkpoint's own args.json beside it", path) from error
    if not isinstance(settings, dict):
        raise bad("this is not a table of settings", "Put the checkpoint's own args.json beside it", path)
    return settings


def read_setting(settings: dict, key: str, kind: type, place: Path):
    """A setting of the expected type (int, float or str). Raises KineliftError naming the key."""
    value = settings.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise bad(f"'{key}' is {value!r}, not a value of type {kind.__name__}", "Use the args.json that was saved with the checkpoint",
                  place / "args.json")
    return value


def read_tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The model's tensors, by the program's names. Runs no code of the file."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise KineliftError("there is no such file", "Check the path", str(checkpoint), "missing-file") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise bad(f"the file is no plain checkpoint: reading it would need code to run, or it is damaged ({reason})",
                  "Download it again from where its authors publish it; do not load it with other tools", checkpoint) from error
    tensors = content.get("model") if isinstance(content, dict) else None
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise bad("there is no table of tensors under 'model'", "Use a checkpoint that the MAS program saved", checkpoint)
    return tensors


def rename(tensors: dict[str, torch.Tensor], names: dict[str, str], expected: dict[str, torch.Tensor], place: Path) -> dict[str, torch.Tensor]:
    """The tensors under our names, checked against the `expected` names and shapes."""
    renamed: dict[str, torch.Tensor] = {}
    remedy = "Use the args.json that was saved with the checkpoint, and a checkpoint of a released kind of model"
    for key, tensor in tensors.items():
        if key.endswith(POSITION_CODE):
            code = tensor.float().squeeze(1)
            if code.ndim != 2 or not torch.allclose(code, sinusoids(*code.shape), atol=1e-3):
                raise bad(f"'{key}' is not the usual table of sines", remedy, place)
            continue
        prefix = next((prefix for prefix in names if key == prefix or key.startswith(prefix + ".")), None)
        ours = names[prefix] + key[len(prefix):] if prefix else None
        if ours not in expected:
            raise bad(f"the key '{key}' is not expected", remedy, place)
        if tensor.shape != expected[ours].shape:
            raise bad(f"'{key}' has shape {list(tensor.shape)}, not {list(expected[ours].shape)}", remedy, place)
        if not torch.isfinite(tensor).all():
            raise bad(f"'{key}' holds values that are not numbers", "Download the checkpoint again", place)
        renamed[ours] = tensor.float()
    missing = [key for key in expected if key not in renamed]
    if missing:
        theirs = {ours: prefix for prefix, ours in names.items()}
        first = next(theirs[ours] + missing[0][len(ours):] for ours in theirs if missing[0] == ours or missing[0].startswith(ours + "."))
        raise bad(f"{len(missing)} keys are missing, the first is '{first}'", remedy, place)
    return renamed


def reorder(state: dict[str, torch.Tensor], order: list[int]) -> dict[str, torch.Tensor]:
    """A network whose inputs and outputs are keypoints, for keypoints in another order; `order` [J] are the old indices."""
    features = (torch.tensor(order).unsqueeze(1) * 2 + torch.arange(2)).flatten()
    return {**state, "frame_in.weight": state["frame_in.weight"][:, features], "frame_out.weight": state["frame_out.weight"][features],
            "frame_out.bias": state["frame_out.bias"][features]}


def read_normalisation(path: Path, keypoints: int, positive: bool) -> torch.Tensor:
    """Mean.npy or Std.npy of a data set: [J,2]."""
    remedy = "Give the file that lies beside the data loader of this data set in the MAS program"
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise KineliftError("there is no such file", f"{remedy} (--mean, --std)", str(path), "missing-file") from None
    except (OSError, ValueError, EOFError) as error:
        raise bad(f"this is not a readable array ({error})", remedy, path) from error
    if array.shape != (keypoints, 2) or array.dtype.kind != "f" or not np.isfinite(array).all() or (positive and (array <= 0).any()):
        raise bad(f"this is not {'a standard deviation' if positive else 'a mean'} of {keypoints} keypoints (shape {list(array.shape)})", remedy, path)
    return torch.from_numpy(array).float()


def check_settings(settings: dict, place: Path) -> tuple[str, Dataset, float]:
    """Name and facts of the data set, and tau of the noise schedule. Raises KineliftError for what our network is not."""
    args = place / "args.json"
    name = settings.get("dataset")
    if name not in DATASETS:
        raise bad(f"'dataset' is {name!r}", f"Import a model of one of: {', '.join(DATASETS)}", args)
    for key, value in REQUIRED.items():
        if settings.get(key, value) != value:
            raise bad(f"'{key}' is {settings[key]!r}", f"Import a model whose '{key}' is {value!r}", args)
    schedule = read_setting(settings, "noise_schedule", str, place)
    match = re.fullmatch(r"cosine(?:_tau_(\d+(?:\.\d+)?))?", schedule)
    if not match:
        raise bad(f"'noise_schedule' is {schedule!r}", "Import a model with a cosine schedule", args)
    return name, DATASETS[name], float(match[1] or 1)


def import_network(folder: Path, to: Path, mean: Path, std: Path, unit: float) -> Path:
    """Writes the pack; returns its folder."""
    checkpoint = find_checkpoint(folder)
    settings, place = read_settings(checkpoint), checkpoint.parent
    name, facts, tau = check_settings(settings, place)
    keypoints = len(facts.keypoints)
    sizes = DenoiserSettings(keypoints, *(read_setting(settings, key, int, place) for key in ("latent_dim", "ff_size", "layers", "num_heads")),
                             dropout=float(read_setting(settings, "dropout", float, place)))
    with torch.device("meta"):
        try:
            expected = Denoiser(sizes).state_dict()
        except (AssertionError, ValueError, RuntimeError) as error:
            raise bad(f"no network has these sizes ({error})", "Use the args.json that was saved with the checkpoint", place / "args.json") from error
    state = rename(read_tensors(checkpoint), NETWORK_KEYS, expected, checkpoint)
    skeleton = load_skeleton(facts.skeleton)
    order = keypoint_order(facts, skeleton)
    network = sizes.as_card()
    network.pop("keypoints")
    card = {
        "name": to.name, "title": facts.title, "kind": "mas",
        "description": f"Imported from {checkpoint.name}, a model of the MAS paper trained on its {name} data.",
        "skeleton": skeleton.name, "fps": facts.fps, "seconds": {"default": min(6.0, facts.seconds), "max": facts.seconds},
        "camera": {"distance": DISTANCE * unit, "elevation": [ELEVATION, ELEVATION], "scale": facts.scale * unit},
        "centring": facts.centring, "network": network,
        "diffusion": {"steps": read_setting(settings, "diffusion_steps", int, place), "tau": tau},
        "training": {"steps": int(match[1]) if (match := re.search(r"(\d+)$", checkpoint.stem)) else None, "checkpoint": checkpoint.name},
        "data": [{"name": f"{name} data of the MAS paper", "licence": "as its authors say",
                  "credit": "MAS: Multi-view Ancestral Sampling for 3D motion generation using 2D diffusion (Kapon et al., CVPR 2024)"}],
        "scores": {},
    }
    return save_pack(to, card, reorder(state, order), read_normalisation(mean, keypoints, False)[order], read_normalisation(std, keypoints, True)[order])


def import_evaluator(checkpoint: Path, to: Path, mean: Path, std: Path) -> Path:
    """Writes the MAS program's evaluator into the pack; returns its file."""
    settings, place = read_settings(checkpoint), checkpoint.parent
    name = settings.get("dataset")
    if name not in DATASETS:
        raise bad(f"'dataset' is {name!r}", f"Import a model of one of: {', '.join(DATASETS)}", place / "args.json")
    if settings.get("e_activation", "gelu") != "gelu":
        raise bad(f"'e_activation' is {settings['e_activation']!r}", "Import an evaluator with 'gelu'", place / "args.json")
    facts = DATASETS[name]
    keypoints = len(facts.keypoints)
    keys = ("e_latent_dim", "e_ff_size", "e_num_layers", "e_num_heads")
    sizes = EvaluatorSettings(keypoints, *(read_setting(settings, key, int, place) for key in keys))
    with torch.device("meta"):
        try:
            meta = FeatureVae(sizes)
        except (AssertionError, ValueError, RuntimeError) as error:
            raise bad(f"no evaluator has these sizes ({error})", "Use the args.json that was saved with the checkpoint", place / "args.json") from error
    expected = {key: value for key, value in meta.state_dict().items() if key not in ("mean", "std")}
    state = reorder(rename(read_tensors(checkpoint), EVALUATOR_KEYS, expected, checkpoint), keypoint_order(facts, load_skeleton(facts.skeleton)))
    order = keypoint_order(facts, load_skeleton(facts.skeleton))
    vae = FeatureVae(sizes)
    vae.load_state_dict({**state, "mean": read_normalisation(mean, keypoints, False)[order], "std": read_normalisation(std, keypoints, True)[order]})
    return save_evaluator(vae, to)


def keypoint_order(facts: Dataset, skeleton: Skeleton) -> list[int]:
    """For each of our skeleton's keypoints its place in the program's network."""
    return [facts.keypoints.index(name) for name in skeleton.keypoints]


def add_arguments(parser) -> None:
    parser.add_argument("folder", type=Path, help="the folder with checkpoint_*.pth and args.json, or one checkpoint in it")
    parser.add_argument("--to", type=Path, required=True, help="the pack's folder")
    parser.add_argument("--mean", type=Path, help="Mean.npy of the data set; FOLDER/Mean.npy without it")
    parser.add_argument("--std", type=Path, help="Std.npy of the data set; FOLDER/Std.npy without it")
    parser.add_argument("--unit", type=float, default=1.0, help="metres of one 3D unit of the model, when characters come out too tall or small")
    parser.add_argument("--evaluator", type=Path, help="also import this evaluator checkpoint (its args.json lies beside it)")


def run(arguments) -> int:
    if not (math.isfinite(arguments.unit) and arguments.unit > 0):
        raise KineliftError(f"a unit of {arguments.unit} metres means nothing", "Give a positive number", code="bad-setting")
    beside = arguments.folder if arguments.folder.is_dir() else arguments.folder.parent
    mean, std = arguments.mean or beside / "Mean.npy", arguments.std or beside / "Std.npy"
    print(import_network(arguments.folder, arguments.to, mean, std, arguments.unit))
    if arguments.evaluator:
        print(import_evaluator(arguments.evaluator, arguments.to, mean, std))
    return 0
