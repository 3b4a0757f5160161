"""ElePose, the lifting baseline of the MAS paper: 3D poses from single frames, learned from 2D poses alone.

Wandt, Little, Rhodin: "ElePose: Unsupervised 3D Human Pose Estimation by Predicting Camera Elevation and Learning Normalizing Flows on 2D
Poses", CVPR 2022. A normalising flow learns the density of 2D poses in a linear subspace. A network then learns a depth for each keypoint
and the elevation of the camera, so that the lifted pose is likely from any side and is lifted to itself again from there.

What differs, so that any skeleton and pack can be lifted:

* Relative bone lengths are not those of average people: they are read off the 2D poses. Over many poses and sides every bone is parallel
  to the picture now and then, so a high percentile of its length in 2D is its length in 3D.
* The range of camera elevations is not learned: it stands in the pack's card, and views to be likely from are drawn from it.
* The depth of the root is not free: the pack's centring tells it.
* Objects and the travel point are keypoints like any other, without bones. Points that were missed weigh nothing.
* Lengths are measured in the size of the body, so that the losses weigh the same for a horse.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from backend.errors import KineliftError
from backend.evaluation.feature_vae import Report, learning_rate_at
from backend.motion.cameras import project_perspective, view_axes
from backend.motion.files import write_bytes
from backend.motion.motion2d import Motion2DSet
from backend.packs.model import MasModel
from rigs import Skeleton

FILE = "elepose.safetensors"
BONE_PERCENTILE = 90  # higher ones take the detector's noise for length
STATISTICS_POSES = 20_000
MOST_LOG_SCALE = 2.0  # of a coupling, so that a pose far from all recorded ones can't overflow
STEADY_ELEVATION = 0.01  # radians: a range of elevations below it is one elevation
FLOW_SHARE = 0.25  # of the time of a training
MOST_GRADIENT = 10.0  # norm: the first likelihoods of an untrained lifter are in the hundred thousands


@dataclass(frozen=True)
class ElePoseSettings:
    """Sizes, training and weights of the losses.

    The official program's networks are 1024 wide and train for a hundred epochs on a GPU; these train in about four minutes on one CPU
    core. `explained` is the share of the variance of 2D poses that their subspace keeps: about as many dimensions as the program's 26 of
    34. The weights are the program's, whose 2D poses are a tenth as large: re-projection weighs more here. It leaves out the elevation's.
    """

    width: int = 256
    flow_width: int = 128
    couplings: int = 8
    explained: float = 0.999
    batch: int = 256
    flow_steps: int = 4000
    steps: int = 4000
    learning_rate: float = 1e-3
    likelihood_weight: float = 1.0
    reprojection_weight: float = 1.0
    pose_weight: float = 1.0
    deformation_weight: float = 1.0
    bone_weight: float = 50.0
    elevation_weight: float = 1.0


@dataclass(frozen=True)
class Geometry:
    """What a pack's card says of its keypoints and cameras: skeleton (a name in rigs/skeletons), distance and scale in metres, the
    range of elevations in radians, centring."""

    skeleton: str
    distance: float
    scale: float
    elevation: tuple[float, float]
    centring: str

    @classmethod
    def of(cls, model: MasModel) -> Geometry:
        low, high = model.card["camera"]["elevation"]
        return cls(model.skeleton.name, model.distance, model.scale, (float(low), float(high)), model.card["centring"])


class Coupling(nn.Module):
    """Affine coupling (Dinh et al. 2017) and a fixed rotation that mixes what it moved with what it left."""

    def __init__(self, dimensions: int, width: int):
        super().__init__()
        self.kept = dimensions - dimensions // 2
        self.network = nn.Sequential(nn.Linear(self.kept, width), nn.ReLU(), nn.Linear(width, 2 * (dimensions - self.kept)))
        nn.init.zeros_(self.network[2].weight)
        nn.init.zeros_(self.network[2].bias)
        self.register_buffer("rotation", torch.linalg.qr(torch.randn(dimensions, dimensions))[0])

    def _scale_and_shift(self, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        log_scale, shift = self.network(kept).chunk(2, -1)
        return MOST_LOG_SCALE * (log_scale / MOST_LOG_SCALE).tanh(), shift

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [B,D]: where it goes [B,D] and the log determinant of the Jacobian [B]."""
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self._scale_and_shift(kept)
        return torch.cat([kept, moved * log_scale.exp() + shift], -1) @ self.rotation, log_scale.sum(-1)

    def inverse(self, z: torch.Tensor) -> torch.Tensor:
        """The x [B,D] that goes to z."""
        x = z @ self.rotation.T
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self._scale_and_shift(kept)
        return torch.cat([kept, (moved - shift) * (-log_scale).exp()], -1)


class NormalisingFlow(nn.Module):
    """An invertible network from poses to standard normal variables, which gives poses a density."""

    def __init__(self, dimensions: int, couplings: int, width: int):
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(dimensions, width) for _ in range(couplings))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [B,D]: latent z [B,D] and the log determinant of dz/dx [B]."""
        total = x.new_zeros(len(x))
        for coupling in self.couplings:
            x, log_determinant = coupling(x)
            total = total + log_determinant
        return x, total

    def inverse(self, z: torch.Tensor) -> torch.Tensor:
        """The x [B,D] of latents z."""
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return z

    def log_likelihood(self, x: torch.Tensor) -> torch.Tensor:
        """Log density [B] of x [B,D]: that of its latent, changed by the volume the flow makes of x's."""
        z, log_determinant = self(x)
        return log_determinant - 0.5 * (z**2).sum(-1) - 0.5 * x.shape[-1] * math.log(2 * math.pi)


class ResidualBlock(nn.Module):
    """Two linear layers around which the input goes as well."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.activation = nn.LeakyReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(x + self.activation(self.second(self.activation(self.first(x)))))


class ElePose(nn.Module):
    """The flow, the lifting network and what both know of the data.

    mean, std [J,2] normalise keypoints; centre [2J], basis [2J,D] and spread [D] are the subspace of 2D poses; size (metres) is how far
    joints lie from the root in 2D; bones [N] are relative lengths.
    """

    def __init__(self, skeleton: Skeleton, geometry: Geometry, settings: ElePoseSettings, dimensions: int):
        super().__init__()
        self.skeleton, self.geometry, self.settings, self.dimensions = skeleton, geometry, settings, dimensions
        self.root = self.skeleton.joints.index(self.skeleton.root)
        points, width = len(self.skeleton.keypoints), settings.width
        self.flow = NormalisingFlow(dimensions, settings.couplings, settings.flow_width)
        self.shared = nn.Sequential(nn.Linear(2 * points, width), ResidualBlock(width))
        self.depth = nn.Sequential(ResidualBlock(width), ResidualBlock(width), nn.Linear(width, points))
        self.tilt = nn.Sequential(ResidualBlock(width), ResidualBlock(width), nn.Linear(width, 1))
        for name, shape in (("mean", (points, 2)), ("std", (points, 2)), ("centre", (2 * points,)), ("basis", (2 * points, dimensions)),
                            ("spread", (dimensions,)), ("size", ()), ("bones", (len(self.skeleton.bones),))):
            self.register_buffer(name, torch.ones(shape))

    def lift_poses(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Poses seen by one camera each, in 3D.

        Args: flat [B,J,2] in the pack's units.
        Returns: [B,J,3] metres, centred as the pack, the camera at azimuth 0; its elevations [B] in radians.
        """
        distance, (low, high) = self.geometry.distance, self.geometry.elevation
        shared = self.shared(((flat - self.mean) / self.std).flatten(1))
        elevation = low + (high - low) * self.tilt(shared)[:, 0].sigmoid()
        limit = distance / 2  # no point may slip behind a camera of the ring
        depth = limit * (self.depth(shared) * self.size / limit).tanh()
        rays = flat * (self.geometry.scale / distance)
        if self.geometry.centring == "mean":
            depth = depth - depth[:, : len(self.skeleton.joints)].mean(1, keepdim=True)
        else:
            depth = depth - depth[:, self.root, None] + self._root_depth(rays[:, self.root, 1], elevation)[:, None]
        seen = torch.cat([rays * (distance + depth).unsqueeze(-1), depth.unsqueeze(-1)], -1)
        return seen @ view_axes(torch.zeros_like(elevation), elevation), elevation

    def _root_depth(self, up: torch.Tensor, elevation: torch.Tensor) -> torch.Tensor:
        """Depth [B] of the root beyond the origin. Where the pack keeps heights, the root is the point of the vertical axis that a
        camera of that elevation sees at `up` [B] (over its distance); else it is the origin."""
        if self.geometry.centring == "root":
            return torch.zeros_like(up)
        return -self.geometry.distance * up * elevation.sin() / (elevation.cos() + up * elevation.sin())

    def improbability(self, flat: torch.Tensor, confidences: torch.Tensor) -> torch.Tensor:
        """Mean negative log-likelihood of 2D poses [B,J,2] in their subspace, in units of its spread. Poses weigh as much as was seen
        of them: confidences [B,J]."""
        weight = confidences.mean(1)
        likelihood = self.flow.log_likelihood((flat.flatten(1) - self.centre) @ self.basis / self.spread)
        return -(likelihood * weight).sum() / weight.sum().clamp(min=1e-9)

    @torch.no_grad()
    def lift(self, motions: Motion2DSet, batch: int = 8192) -> np.ndarray:
        """Motions without gaps (see `fill_gaps`) in 3D, frame by frame: [N,T,J,3] metres, centred as the pack, the recording camera at
        azimuth 0; zeros beyond a motion's length. That camera sees them as they were recorded."""
        lifted = np.zeros((*motions.keypoints.shape[:3], 3), np.float32)
        valid = valid_frames(motions)
        poses = torch.from_numpy(motions.keypoints[valid].astype(np.float32))
        lifted[valid] = torch.cat([self.lift_poses(some.to(self.mean.device))[0].cpu() for some in poses.split(batch)]).numpy()
        return lifted


def valid_frames(motions: Motion2DSet) -> np.ndarray:
    """[N,T], False beyond a motion's length."""
    return np.arange(motions.keypoints.shape[1]) < motions.lengths[:, None]


def bone_lengths(points: torch.Tensor, bones: list[tuple[int, int]]) -> torch.Tensor:
    """Lengths [B,N] of the bones (parent, child) of points [B,J,2 or 3]."""
    parents, children = (list(ends) for ends in zip(*bones, strict=True))
    return (points[:, children] - points[:, parents]).norm(dim=-1)


def relative(lengths: torch.Tensor) -> torch.Tensor:
    """Lengths [...,N] over their mean."""
    return lengths / lengths.mean(-1, keepdim=True).clamp(min=1e-9)


def subspace(rows: torch.Tensor, explained: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The principal components of rows [M,F] that explain a share of their variance: centre [F], basis [F,D], deviations [D]."""
    variances, directions = torch.linalg.eigh(rows.T.double().cov())
    variances, directions = variances.flip(0), directions.flip(1)
    count = int((variances.cumsum(0) < explained * variances.sum()).sum()) + 1
    return rows.mean(0), directions[:, :count].float(), variances[:count].sqrt().float()


def losses(lifter: ElePose, flat: torch.Tensor, confidences: torch.Tensor, azimuths: torch.Tensor,
           elevations: torch.Tensor) -> dict[str, torch.Tensor]:
    """The terms of the training, by the names of their weights (ElePose, section 3).

    Every pose is lifted, seen from another side, and lifted from there again. What is asked: the other view is likely; the pose lifted
    from there is the same one, looks the same to the first camera, and differs from another pose as the first one does; bones have
    their relative lengths; the other camera's elevation is found.

    Args: flat [B,J,2] in the pack's units; confidences [B,J]; azimuths, elevations [B] of the other cameras in radians.
    """
    geometry, bones = lifter.geometry, lifter.skeleton.bones
    level = torch.zeros_like(azimuths)
    lifted, elevation = lifter.lift_poses(flat)
    other = project_perspective(lifted, view_axes(azimuths, elevations)[:, None], geometry.distance, geometry.scale)
    again, elevation_again = lifter.lift_poses(other)
    back = again @ view_axes(azimuths, level)[:, [0, 2, 1]]  # from the other camera's azimuth to the first one's
    seen_back = project_perspective(back, view_axes(level, elevation)[:, None], geometry.distance, geometry.scale)
    change, bones_seen = lifted - back, torch.stack([confidences[:, parent] * confidences[:, child] for parent, child in bones], 1)

    def length(difference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return ((difference / lifter.size) ** 2 * weight.unsqueeze(-1)).sum((1, 2)).clamp(min=1e-9).sqrt().mean()

    low, high = geometry.elevation
    return {
        "likelihood": lifter.improbability(other, confidences),
        "reprojection": ((seen_back - flat).abs() * confidences.unsqueeze(-1)).sum((1, 2)).mean() * geometry.scale / lifter.size,
        "pose": length(change, confidences),
        "deformation": length(change - change.roll(1, 0), confidences * confidences.roll(1, 0)),
        "bone": ((relative(bone_lengths(lifted, bones)) - lifter.bones) ** 2 * bones_seen).sum(1).mean(),
        "elevation": (((elevation_again - elevations) / max(high - low, STEADY_ELEVATION)) ** 2).mean(),
    }


class _Poses:
    """Frames of motions, drawn at random without regard to the motion they are of."""

    def __init__(self, motions: Motion2DSet, rng: np.random.Generator, device: torch.device):
        self.motions, self.rng, self.device = motions, rng, device
        self.places = np.argwhere(valid_frames(motions)).astype(np.int32)

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keypoints [count,J,2] and confidences [count,J]."""
        rows, frames = self.places[self.rng.integers(len(self.places), size=count)].T
        keypoints, confidences = (torch.from_numpy(array[rows, frames].astype(np.float32)).to(self.device)
                                  for array in (self.motions.keypoints, self.motions.confidences))
        return keypoints, confidences


def _optimise(parameters: Iterable[nn.Parameter], steps: int, learning_rate: float, loss_of: Callable[[], torch.Tensor],
              report: Callable[[float, float], None]) -> None:
    """Adam with a warm-up and a cosine; reports the fraction done and the running loss."""
    parameters, running = list(parameters), math.nan
    optimiser = torch.optim.Adam(parameters, learning_rate)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, steps, learning_rate)
        loss = loss_of()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, MOST_GRADIENT)
        optimiser.step()
        running = float(loss.detach()) if math.isnan(running) else 0.98 * running + 0.02 * float(loss.detach())
        if step % 20 == 0:
            report(step / steps, running)


def train_elepose(motions: Motion2DSet, model: MasModel, settings: ElePoseSettings, seed: int = 0,
                  report: Report = lambda fraction, message: None) -> ElePose:
    """Trains a lifter on a pack's 2D motions, gapless (see `fill_gaps`): first the flow, then, with the flow as it is, the lifting
    network. Runs on the pack's device; on the CPU the same seed gives the same weights. Returns it ready for use."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    poses = _Poses(motions, rng, model.device)
    lifter = _untrained(poses.draw(STATISTICS_POSES)[0].cpu(), model, settings)
    low, high = lifter.geometry.elevation

    def flow_loss() -> torch.Tensor:
        return lifter.improbability(*poses.draw(settings.batch))

    def lifting_loss() -> torch.Tensor:
        sides = torch.from_numpy(rng.uniform((-math.pi, low), (math.pi, high), (settings.batch, 2)).astype(np.float32)).to(model.device)
        terms = losses(lifter, *poses.draw(settings.batch), *sides.T)
        return torch.stack([getattr(settings, f"{name}_weight") * term for name, term in terms.items()]).sum()

    _optimise(lifter.flow.parameters(), settings.flow_steps, settings.learning_rate, flow_loss,
              lambda done, loss: report(FLOW_SHARE * done, f"ElePose: {done:.0%} of the flow, loss {loss:.3f}"))
    lifter.flow.requires_grad_(False)
    _optimise((one for one in lifter.parameters() if one.requires_grad), settings.steps, settings.learning_rate, lifting_loss,
              lambda done, loss: report(FLOW_SHARE + (1 - FLOW_SHARE) * done, f"ElePose: {done:.0%} of the lifter, loss {loss:.3f}"))
    return lifter.eval().requires_grad_(False)


def _untrained(flat: torch.Tensor, model: MasModel, settings: ElePoseSettings) -> ElePose:
    """A lifter that knows the statistics of 2D poses [M,J,2], on the model's device."""
    centre, basis, spread = subspace(flat.flatten(1), settings.explained)
    lifter = ElePose(model.skeleton, Geometry.of(model), settings, len(spread))
    joints, bones = flat[:, : len(lifter.skeleton.joints)], lifter.skeleton.bones
    size = lifter.geometry.scale * ((joints - flat[:, lifter.root, None]) ** 2).sum(-1).mean().sqrt()
    longest = bone_lengths(flat, bones).quantile(BONE_PERCENTILE / 100, dim=0)
    for buffer, value in ((lifter.mean, model.mean), (lifter.std, model.std), (lifter.centre, centre), (lifter.basis, basis),
                          (lifter.spread, spread), (lifter.size, size), (lifter.bones, relative(longest))):
        buffer.copy_(value)
    return lifter.to(model.device)


def save_elepose(lifter: ElePose, folder: Path) -> Path:
    """Writes `folder`/elepose.safetensors: the weights, and in the file's own header what they are for."""
    facts = {"geometry": asdict(lifter.geometry), "settings": asdict(lifter.settings), "dimensions": lifter.dimensions}
    tensors = {key: value.cpu().contiguous() for key, value in lifter.state_dict().items()}
    return write_bytes(Path(folder) / FILE, save(tensors, {"elepose": json.dumps(facts)}))


def load_elepose(folder: Path, model: MasModel) -> ElePose:
    """Reads a lifter's file for a pack, onto the pack's device. Raises KineliftError naming the file and the remedy, also where it was
    trained for another skeleton, camera or centring; runs no code from the file."""
    path = Path(folder) / FILE
    again = "Delete it; the next evaluation of the row `elepose` trains one"
    if not path.is_file():
        raise KineliftError("there is no ElePose", "Run `python -m backend evaluate mas --rows elepose` once: it trains one", str(path),
                            "missing-file")
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["elepose"])
            facts["geometry"]["elevation"] = tuple(facts["geometry"]["elevation"])
            lifter = ElePose(model.skeleton, Geometry(**facts["geometry"]), ElePoseSettings(**facts["settings"]), facts["dimensions"])
            lifter.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118  it is no dict
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise KineliftError(f"this is not a readable ElePose ({error})", again, str(path), "bad-elepose") from error
    if lifter.geometry != Geometry.of(model):
        raise KineliftError("this ElePose was trained for a pack with another skeleton, camera or centring", again, str(path),
                            "bad-elepose")
    return lifter.to(model.device).eval().requires_grad_(False)
