"""Settings of the Generate panel."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ...backend.packs.catalogue import Pack
from ..runtime.packs import PackChoice
from .steps import Wish

MAX_SEED = 2**31 - 1
DEVICES = (("auto", "Automatic", "The GPU if there is one"), ("cpu", "CPU", "Works everywhere"), ("cuda", "CUDA", "An NVIDIA GPU"),
           ("mps", "Metal", "The GPU of a Mac"))

packs = PackChoice(lambda pack: not pack.kind.startswith("mvlift"))
"""Packs that lift, and their line-conditioned networks, make no motion; broken ones of unknown kind say here what is wrong."""


def _fit_seconds(self, context) -> None:
    """A change of pack brings its usual length."""
    pack = self.chosen_pack
    if pack is not None:
        self.seconds = pack.seconds_default


class KineliftGenerate(bpy.types.PropertyGroup):
    pack_name: StringProperty(name="Pack Name", description="The name of the chosen pack, which stays the same when packs come and go",
                              update=_fit_seconds)
    pack: EnumProperty(name="Pack", description="What the motion is like: each pack has learnt one kind",
                       items=lambda self, context: packs.items,
                       get=lambda self: packs.number(self), set=lambda self, number: packs.choose(self, number))
    seconds: FloatProperty(name="Seconds", description="Length of the motion",
                           default=6.0, min=0.5, max=60.0, soft_max=10.0, step=50, precision=1)
    seed: IntProperty(name="Seed", description="The same seed, pack and settings give the same motion", default=0, min=0, max=MAX_SEED)
    variants: IntProperty(name="Variants", description="Motions at once, with this seed and the ones after it",
                          default=1, min=1, max=64, soft_max=8)
    mode: EnumProperty(
        name="Quality", description="How the motion is sampled",
        items=[("fast", "Fast", "Few steps of the model; the usual choice"),
               ("paper", "Paper", "All steps and views of the published method"),
               ("reference", "Reference", "As the published program does it, for comparisons. Slow")])
    in_place: BoolProperty(name="In Place", description="Keep the figure over the origin")
    device: EnumProperty(name="Device", description="What the model runs on", items=DEVICES)

    @property
    def chosen_pack(self) -> Pack | None:
        """The pack that is chosen; None when there are no packs."""
        return packs.chosen(self)

    def wish(self) -> Wish:
        """These settings for the backend. Raises KineliftError when there is no pack, or a broken one."""
        pack = packs.usable(self)
        seconds = min(self.seconds, pack.seconds_max)
        return Wish(pack.name, seconds, self.seed, self.variants, self.mode, self.in_place, self.device)


def register() -> None:
    packs.refresh()
    bpy.utils.register_class(KineliftGenerate)
    bpy.types.Scene.kinelift_generate = PointerProperty(type=KineliftGenerate)


def unregister() -> None:
    del bpy.types.Scene.kinelift_generate
    bpy.utils.unregister_class(KineliftGenerate)
