"""The Markdown page of an evaluation."""

from __future__ import annotations

from backend.evaluation.plausibility import MEASURES
from backend.evaluation.tables import markdown_table, with_interval

SIDES_TOLD = {"all": "all sides", "hybrid": "45 to 135 degrees from the first view", "side": "90 degrees from it"}
METRICS = {"fid": "FID (lower is better)", "diversity": "diversity", "precision": "precision", "recall": "recall"}


def scores_table(rows: dict[str, dict], split: str) -> str:
    """Rows by name: title and, for the split, (mean, half width) of each metric, filmed from all sides."""
    return markdown_table(["", *METRICS.values()],
                          [[row["title"], *(with_interval(*row["all"][split][metric]) for metric in METRICS)] for row in rows.values()])


def sides_table(rows: dict[str, dict]) -> str:
    """FID of the rows of 3D motions against the test split, by the side they are filmed from; empty where there are none."""
    cells = [[row["title"], *(with_interval(*row[side]["test"]["fid"]) for side in SIDES_TOLD)] for row in rows.values() if SIDES_TOLD.keys() <= row.keys()]
    return markdown_table(["FID, test split, filmed from", *SIDES_TOLD.values()], cells) if cells else ""


def plausibility_table(rows: dict[str, dict]) -> str:
    """Rows by name: title and value of each measure."""
    return markdown_table(["", *MEASURES.values()],
                          [[row["title"], *(f"{row[measure]:.2f}" for measure in MEASURES)] for row in rows.values()])


def lifter_paragraph(scores: dict) -> list[str]:
    """What the rows of lifters are, where there are any."""
    told = []
    if any(name.startswith("elepose") for name in scores["rows"]):
        told.append("""\
ElePose (Wandt et al. 2022) learned from the same 2D training motions and lifts recorded ones frame by frame, others in every repetition.
Lifting test motions, it is given what the test split is made of, which the other rows have to know; lifting training motions, it is given
those of the row of recorded ones, and what it loses against that row it loses by lifting.""")
    told += [f"`{name}` is {count} motions that another lifter made." for name, count in scores["lifted"].items()]
    return [" ".join(told)] if told else []


def ratio_paragraph(rows: dict[str, dict]) -> list[str]:
    """How near MAS comes to the 2D model it samples with, where both were measured."""
    if not {"model", "fast"} <= rows.keys():
        return []

    def ratio(metric: str) -> str:
        return " / ".join(f"{rows['fast']['all'][split][metric][0] / max(rows['model']['all'][split][metric][0], 1e-9):.2f}" for split in ("train", "test"))

    return [f"MAS (the default) by the 2D model that it samples with, training / test split: FID {ratio('fid')}, recall {ratio('recall')}."]


def evaluation_page(card: dict, scores: dict, command: str) -> str:
    """The page for a pack's card and the scores that `command` printed."""
    (train_used, train_all), (test_used, test_all) = scores["compared"]["train"], scores["compared"]["test"]
    steps = f", trained for {scores['training_steps']:,} steps" if scores["training_steps"] else ""
    repeated = ("Every repetition generates its motions anew." if scores["fresh"] else
                "Motions are generated once, so the intervals cover the choice of cameras and of recorded motions, not that of seeds.")
    by_side = sides_table(scores["rows"])
    without_object = f"""\
 Recordings without the ball are left out of the comparison
({train_all - train_used} of {train_all} training motions, {test_all - test_used} of {test_all} test motions), because a generated
motion always has one; what the pack learned from them counts against it here.""" if train_used < train_all else ""
    distilled = f"""\
 DreamFusion takes one view an iteration from
the full circle (the paper's program looks at the front only), {scores["dreamfusion_iterations"]} iterations, Adam at 0.01.\
""" if any(name.startswith("dreamfusion") for name in scores["rows"]) else ""
    half = "bfloat16 where the machine has it" if scores["bfloat16"] else "float32"
    paragraphs = [
        f"# Evaluation: {card['title']}",
        f"The pack `{card['name']}`{steps}. This page is written by",
        f"```\n{command}\n```",
        "## Against the test split",
        scores_table(scores["rows"], "test"),
        f"""\
This repeats Table 3 of the MAS paper. Motions become features by the pack's own evaluator, an autoencoder
trained on its 2D training motions, so its figures compare rows with each other, not with the paper's. A 3D motion is filmed once,
from a random side, at the pack's elevation. A row is {scores["samples"]} motions (the paper: 1024) with lengths of test motions, against as
many recorded ones; few motions make every FID larger, that of the first row too. The metrics are repeated {scores["iterations"]} times with
other cameras and another draw of recorded motions; ± is 1.96 std / sqrt(n). {repeated}
The network ran in {half}.""",
        """\
The test split holds other recordings than the training split, and other shares of the actions. The first row tells how far
the two lie apart: a model that learned the training split perfectly would stand where it stands.""",
        f"""\
Missed points of recorded motions are filled in over time.{without_object}{distilled}""",
        *ratio_paragraph(scores["rows"]),
    ]
    if by_side:
        paragraphs += [
            "## From sides that were not seen",
            by_side,
            """\
This repeats Table 2 of the MAS paper. From near its own camera a lifted motion is the recorded one, so a lifter is judged from the side.
The paper's "side" is the middle column, and the last is an option of its program. For MAS all views are alike.""",
            *lifter_paragraph(scores),
        ]
    paragraphs += [
        "## Against the training split",
        "The same motions against those the pack learned from: how well it knows its own data. The first row compares two halves of it.",
        scores_table(scores["rows"], "train"),
    ]
    if scores["plausibility"]:
        floor = f"the height at which recorded ones stand ({scores['standing'] * 100:.1f} cm)" if scores["standing"] else "the floor"
        paragraphs += [
            "## As movement",
            plausibility_table(scores["plausibility"]),
            f"""\
Bone lengths are those of the sample as it leaves the sampler; in the motion that is delivered they are always held. The other
columns are measured on the delivered motion, unfolded, lightly smoothed, on its root path and with its feet planted: how far the lower
foot joint sinks below {floor}, how fast feet slide
while they stand, the third derivative of all joints, and how long left and right lie on each other's side of a body that faces where
nose and knees point. One view can't tell a body from the same body with its sides exchanged and seen from the other direction, so
samples may change sides; the fast mode keeps them while it samples.""",
        ]
    return "\n\n".join(paragraphs) + "\n"
