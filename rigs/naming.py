"""What the name of a bone says: its side, and the parts it may play, in any order, case and style of writing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SIDES = {"l": "L", "left": "L", "lft": "L", "lf": "L", "lt": "L", "r": "R", "right": "R", "rgt": "R", "rt": "R"}

CENTRE_WORDS = {
    "pelvis": ("hips", "hip", "pelvis", "lowerbody"),
    "spine": ("spine", "chest", "abdomen", "torso", "thorax", "ribs", "ribcage", "rib", "back", "upperback", "lowerback", "lumbar",
              "stomach", "waist", "bust", "upperchest", "lowerchest", "chestlower", "chestupper", "abdomenlower", "abdomenupper",
              "spinelower", "spinemiddle", "spineupper", "upperbody", "uppertorso", "lowertorso"),
    "neck": ("neck", "necklower", "neckupper", "lowerneck", "upperneck", "cervical"),
    "head": ("head", "skull", "cranium"),
}
"""Words of the bones in the middle of the body, written together and without numbers, the clearest first."""

SIDE_WORDS = {
    "clavicle": ("clavicle", "clav", "collar", "collarbone", "shoulder", "scapula"),
    "upper_arm": ("upperarm", "uparm", "armupper", "shldr", "shldrbend", "humerus", "bicep", "arm", "shoulder"),
    "forearm": ("forearm", "lowerarm", "lowarm", "loarm", "armlower", "forearmbend", "elbow", "radius", "ulna", "arm"),
    "hand": ("wrist", "hand"),
    "thigh": ("thigh", "thighbend", "upleg", "upperleg", "legupper", "femur", "hip", "leg"),
    "shin": ("shin", "calf", "lowerleg", "lowleg", "loleg", "leglower", "knee", "tibia", "leg"),
    "foot": ("foot", "ankle"),
    "toe": ("toe", "toes", "ball", "foot"),
}
"""The same of bones that come in pairs. A word of several parts is decided by what the bones around it are called."""

NOISE = {"bone", "bn", "jnt", "joint", "def", "org", "bind", "skin", "sk", "bip", "biped", "base", "mid", "center", "centre", "fk", "rig",
         "drv", "main", "valve", "cc"}
"""Words that say nothing of the part."""

OTHERS = {"twist", "roll", "ik", "pole", "target", "tgt", "helper", "end", "nub", "tip", "leaf", "site", "effector", "thumb", "index",
          "ring", "pinky", "little", "finger", "fingers", "metacarpal", "carpal", "palm", "jiggle", "breast", "boob", "pec", "skirt", "hair",
          "cloth", "cape", "tail", "ear", "eye", "eyes", "jaw", "tongue", "teeth", "brow", "lip", "cheek", "nose", "weapon", "prop",
          "socket", "attach", "holder", "phys", "dyn", "tweak", "corrective", "volume", "muscle", "adj", "sec", "opt", "hinge", "mch",
          "wiggle", "spring", "switch", "pad", "armor", "camera", "heel", "top", "wing", "dress", "sleeve", "strap", "share"}
"""Words of bones that play none of the parts."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+")
_KNOWN = {word for words in (*CENTRE_WORDS.values(), *SIDE_WORDS.values()) for word in words} | NOISE | OTHERS


@dataclass(frozen=True)
class Hint:
    """side: "L", "R" or ""; parts: roles without their side that the name allows, the likeliest first, and how well the
    word suits each (1 is best); other: the name is that of a helper, a finger, cloth and the like."""

    side: str = ""
    parts: tuple[str, ...] = ()
    worths: tuple[float, ...] = ()
    other: bool = False


def hints(names: Sequence[str]) -> list[Hint]:
    """What each name says. Words that most bones have in common say nothing."""
    words = [_words(name) for name in names]
    counts = Counter(word for these in words for word in set(these))
    common = {word for word, count in counts.items() if count > max(3, 0.6 * len(names)) and word not in SIDES}
    return [_hint([word for word in these if word not in common]) for these in words]


def _words(name: str) -> list[str]:
    """The words of a name in lower case, without what stands before a colon; a side written onto a word is cut off."""
    words = []
    for match in _WORD.finditer(re.split(r"[:|]", name)[-1]):
        words.extend(_cut(match[0].lower()))
    return words


def _cut(word: str) -> list[str]:
    if word in _KNOWN or word in SIDES:
        return [word]
    for side in sorted(SIDES, key=len, reverse=True):
        if word.startswith(side) and word[len(side):] in _KNOWN:
            return [side, word[len(side):]]
        if word.endswith(side) and word[:-len(side)] in _KNOWN:
            return [word[:-len(side)], side]
    return [word]


def _hint(words: list[str]) -> Hint:
    sides = {SIDES[word] for word in words if word in SIDES}
    side = sides.pop() if len(sides) == 1 else ""
    told = [word for word in words if word not in SIDES and word not in NOISE and len(word) > 1]
    if OTHERS & set(told):
        return Hint(side, other=True)
    together = "".join(told)
    vocabulary = SIDE_WORDS if side else CENTRE_WORDS
    ranked = sorted((known.index(together), part) for part, known in vocabulary.items() if together in known)
    return Hint(side, tuple(part for _, part in ranked), tuple(1 - 0.05 * place for place, _ in ranked))
