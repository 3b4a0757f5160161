"""The tables of an evaluation of lifting, and its Markdown page."""

from __future__ import annotations

from backend.evaluation.lifting.rows import OURS, SMPLIFY
from backend.evaluation.lifting.scenes import CONDITIONS, DETECTED, NOISE
from backend.evaluation.tables import markdown_table

IN_3D = {"root_official": "T_root (program)", "root": "T_root", "joint": "MPJPE", "aligned": "PA-MPJPE"}
MAIN = {**IN_3D, "picture": "J2D", "centred_picture": "J2D centred", "fid": "FID"}
OBJECTS = {**IN_3D, "object_root": "T_root^O", "object": "O-MPJPE"}
ABLATION = {**IN_3D, "picture": "J2D", "off_lines": "off the lines", "apart": "views apart"}
COST = {"rows": "network rows", "window_seconds": "seconds"}
GOALS = {"joint": 0.5, "aligned": 0.45, "root": 0.7, "picture": 0.4}
"""Aims for our lift: the most that its error may be of SMPLify's."""
PAPER_ORDER = ("stage-1", "stage-2", OURS)  # from worst to best MPJPE in the paper's Table 3


def measured(scores: dict, ablation: bool | None = None) -> dict[str, dict]:
    """The rows that were measured; of Table 3 with `ablation`, without its steps where False."""
    rows = {name: row for name, row in scores["rows"].items() if "missing" not in row}
    if ablation is None:
        return rows
    return {name: row for name, row in rows.items() if row["ablation"] == ablation or name == OURS}


def conditions_of(scores: dict) -> list[str]:
    return [condition for condition in CONDITIONS if any(condition in row for row in scores["rows"].values())]


def table(rows: dict[str, dict], condition: str, columns: dict[str, str]) -> str:
    """Rows by name: title and the values of `columns` under a condition; a dash where there is none."""
    def told(value: float | None, key: str) -> str:
        return "-" if value is None else f"{value:.2f}" if key == "window_seconds" else f"{value:.1f}"

    cells = [[row["title"], *(told(row[condition][key], key) for key in columns)] for row in rows.values()]
    return markdown_table(["", *columns.values()], cells)


def tables(scores: dict) -> list[tuple[str, str]]:
    """The tables that have rows, each with its title."""
    found = []
    for condition in conditions_of(scores):
        seen = CONDITIONS[condition]
        if rows := measured(scores, ablation=False):
            found.append((f"Table 1, {seen}", table(rows, condition, MAIN)))
            if scores["objects"] and any(row[condition]["object_root"] is not None for row in rows.values()):
                found.append((f"Table 2, {seen}", table(rows, condition, OBJECTS)))
        if any(row["ablation"] and name != OURS for name, row in measured(scores).items()):
            found.append((f"Table 3, {seen}", table(measured(scores, ablation=True), condition, ABLATION)))
    own = {name: row for name, row in measured(scores).items() if any(row[condition]["rows"] is not None for condition in conditions_of(scores))}
    if own:
        found.append(("What a window costs", table(own, conditions_of(scores)[0], COST)))
    return found


def goals(scores: dict) -> list[str]:
    """How our lift stands against SMPLify, where both were measured, and whether the paper's order holds."""
    rows, said = measured(scores), []
    for condition in conditions_of(scores):
        if {OURS, SMPLIFY} <= rows.keys():
            parts = [f"{MAIN[key]} {ours / other:.2f} (the aim: under {most:g})" for key, most in GOALS.items()
                     if (ours := rows[OURS][condition][key]) is not None and (other := rows[SMPLIFY][condition][key])]
            said.append(f"Ours by SMPLify-2D, {CONDITIONS[condition]}: {', '.join(parts)}.")
        if set(PAPER_ORDER) <= rows.keys():
            errors = [rows[name][condition]["joint"] for name in PAPER_ORDER]
            holds = "holds" if errors == sorted(errors, reverse=True) else "does not hold"
            said.append(f"The order of the paper's Table 3 by MPJPE (stage 1, stage 2, all four) {holds} {CONDITIONS[condition]}.")
    return said


def lift_page(title: str, scores: dict, command: str) -> str:
    """The page for a domain's title and the scores that `command` printed."""
    missing = [f"* {row['title']}: {row['missing']}." for row in scores["rows"].values() if "missing" in row]
    pack = f"The pack `{scores['pack']}`. " if scores["pack"] else ""
    points = "" if scores["object_points"] != 1 else " An object of one point has no shape, so O-MPJPE has nothing to measure."
    fid = """FID compares what three other cameras of a ring see of the lifted motions with what they see of the true ones, by the features of a
motion autoencoder trained on the domain's 2D motions; the paper's program holds no code for it, so its figures compare rows with each other.""" \
        if scores["fid"] else "FID was not measured: it needs the domain's 2D motions (`--flat`) and a folder for what is trained."
    paragraphs = [
        f"# Evaluation: {title}",
        f"{pack}This page is written by",
        f"```\n{command}\n```",
        f"""\
{scores["scenes"]} windows of {scores["seconds"]:.1f} s on average, from {scores["clips"]} held-out sources or clips, each before one random camera
of the domain. All cameras are zoomed so that a person is as large in the picture of 1920 x 1080 as in the paper. Every row is told the focal
length and how far the camera looks down, as the paper's rows are (there all cameras are level), but that of the unknown camera.""",
        *(f"## {name}\n\n{text}" for name, text in tables(scores)),
        *goals(scores),
    ]
    if DETECTED in conditions_of(scores):
        paragraphs.append(f"""\
{CONDITIONS[DETECTED].capitalize()}: {NOISE:g} pixels of deviation in each direction, smooth over a few frames, and in half of the windows up to
three groups of points hidden for up to two seconds. Errors are against the truth, of hidden points too.""")
    paragraphs += [
        f"""\
T_root, MPJPE and PA-MPJPE are millimetres, J2D pixels. T_root is the mean distance of the hips from where they should be, from the first
frame's; the paper's program reports the mean difference of a coordinate instead, the first column. PA-MPJPE is after one fit to a whole window,
and J2D centred scales every frame, both as the program does. Before anything is compared a lifted motion gets the true body's size and the
first frame's direction.{points} A dash is what a row doesn't say: ElePose lifts frames, so it tells no way of the root, and other tools'
results come without cost.""",
        fid,
        f"""\
SMPLify-2D fits a body of our skeleton, with a prior on poses learned from the 3D training clips, since SMPL and VPoser are not free; nothing
else here has seen 3D motion. With its prior from stage 3 it is what our lift begins with, and what it would be without a network: such a prior follows
from 2D poses alone. MAS and "SDS for 3D without epipolar lines" sample with the line-conditioned network, told no lines, which it
has not been trained for. "SDS for 3D" is {scores["distil_iterations"]} iterations from where points were filmed, stage 1 is 50 network calls a view without
agreement, stage 2 {scores["stage_2"]["calls"]} calls a view for a first sample and {scores["stage_2"]["iterations"]} steps from there, or
{scores["paper_iterations"]} steps from nothing as in the paper's program. How far drawn views are off the epipolar lines of what was filmed, and off the motion
that follows from them, is in pixels as if from as far away. A network row is one view of one window, once; seconds are on this machine,
{scores["threads"]} thread(s), training of baselines left out.""",
    ]
    if missing:
        paragraphs += ["Left out:", "\n".join(missing)]
    return "\n\n".join(paragraphs) + "\n"
