"""From where bones are to be to their own channels, and back, for all frames at once."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from .armatures import Placement
from .limits import held
from .probing import Carriers
from .rotations import continuous, matrices, quaternions


def basis_turns(carriers: Carriers, place: Placement, rotations: np.ndarray, bones: Sequence[bpy.types.PoseBone]) -> np.ndarray:
    """World rotations [T,N,4] of the bones, in the order of `carriers` -> their own channels as quaternions [T,N,4].

    What a locked bone can't turn, the bones that it carries make up for.
    """
    posed = place.turn.T @ matrices(rotations)
    turns = np.empty_like(rotations)
    for number, carrier in enumerate(carriers.turn_carriers):
        unposed = carriers.turn_offsets[number] if carrier < 0 else posed[:, carrier] @ carriers.turn_offsets[number]
        turns[:, number] = held(bones[number], continuous(quaternions(np.swapaxes(unposed, -1, -2) @ posed[:, number])))
        posed[:, number] = unposed @ matrices(turns[:, number])
    return continuous(turns)


def head_places(carriers: Carriers, place: Placement, rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
    """World rotations [T,N,4] of the bones and positions [T,3] of the root bone's head -> heads [T,N,3] in armature space."""
    away = place.turn.T @ matrices(rotations) @ np.swapaxes(carriers.turns, -1, -2)
    heads = np.empty((*rotations.shape[:2], 3))
    heads[:, 0] = place.to_armature(root)
    for number, carrier in enumerate(carriers.place_carriers[1:], 1):
        heads[:, number] = heads[:, carrier] + away[:, carrier] @ (carriers.heads[number] - carriers.heads[carrier])
    return heads


def basis_locations(carriers: Carriers, heads: np.ndarray, bones: Sequence[bpy.types.PoseBone]) -> dict[int, np.ndarray]:
    """Heads [T,N,3] of the bones, in the order of `carriers` -> location channels [T,3] of those that have some, by number; where they are
    locked, what the bone has now."""
    result = {}
    for number, axes in carriers.axes.items():
        location = (heads[:, number] - carriers.heads[number]) @ np.linalg.inv(axes).T
        result[number] = np.where(bones[number].lock_location, np.array(bones[number].location), location)
    return result


def bases_from(turns: np.ndarray, locations: dict[int, np.ndarray]) -> np.ndarray:
    """Quaternions [T,N,4] and locations [T,3] by number, channels of bones -> bases [N,T,4,4]."""
    bases = np.tile(np.eye(4), (turns.shape[1], len(turns), 1, 1))
    bases[:, :, :3, :3] = np.swapaxes(matrices(turns), 0, 1)
    for number, location in locations.items():
        bases[number, :, :3, 3] = location
    return bases


def posed_bones(carriers: Carriers, turns: np.ndarray, locations: dict[int, np.ndarray]) -> np.ndarray:
    """Channels of the bones, turns [T,N,4] and locations [T,3] by number -> where they are, [T,N,4,4] in armature space."""
    posed = np.tile(np.eye(4), (*turns.shape[:2], 1, 1))
    for number in range(turns.shape[1]):
        above, below = carriers.turn_carriers[number], carriers.place_carriers[number]
        unposed = carriers.turn_offsets[number] if above < 0 else posed[:, above, :3, :3] @ carriers.turn_offsets[number]
        posed[:, number, :3, :3] = unposed @ matrices(turns[:, number])
        if number in locations:
            posed[:, number, :3, 3] = carriers.heads[number] + locations[number] @ carriers.axes[number].T
        else:
            reach = carriers.turns[below].T @ (carriers.heads[number] - carriers.heads[below])
            posed[:, number, :3, 3] = posed[:, below, :3, 3] + posed[:, below, :3, :3] @ reach
    return posed
