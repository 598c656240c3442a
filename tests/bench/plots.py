# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw the bars of a report, one picture for each scene."""

from __future__ import annotations

import typing as t
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

COLOUR = {"fleet": "#0b64dd", "loop": "#7de2d1", "action": "#7de2d1"}
OTHER = "#98a2b3"


def draw(report: dict[str, t.Any], folder: Path) -> None:
    """Write ``bench_<scene>.svg`` for each scene into *folder*; the same figures give the same files."""
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 10})
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in report["scenes"].items():
        ways = scene["ways"]
        first = next(iter(ways.values()))["seconds"]
        figure, axes = plt.subplots(figsize=(8, 0.6 + 0.45 * len(ways)), layout="constrained")
        seconds = [each["seconds"] for each in ways.values()]
        colours = [next((value for key, value in COLOUR.items() if key in way), OTHER) for way in ways]
        bars = axes.barh(list(ways), seconds, color=colours)
        axes.bar_label(bars, [f"{each:.2f} s  ({each / first:.1f}x)" for each in seconds], padding=4)
        axes.invert_yaxis()
        axes.set_xlim(0, max(seconds) * 1.25)
        axes.set_title(scene["title"], loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("seconds of the whole ansible-playbook, median")
        figure.savefig(folder / f"bench_{name}.svg", metadata={"Date": None})
        plt.close(figure)
