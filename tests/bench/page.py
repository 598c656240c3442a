# Copyright (c) mlops.elasticsearch contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the measured figures into docs/speed.md, below a mark; the text above the mark stays."""

from __future__ import annotations

import typing as t
from pathlib import Path

MARK = "<!-- `make bench` writes everything below this line. -->\n"


def write(report: dict[str, t.Any], page: Path, plots: Path) -> None:
    """Write the figures of *report* into *page*, with links to the plots in the folder *plots*.

    :raises ValueError: if the page has no mark.
    """
    before, mark, _old = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{page} has no line {MARK.strip()}")
    folder = plots.relative_to(page.parent).as_posix()
    parts = [_section(name, scene, folder) for name, scene in report["scenes"].items()]
    measured = (
        f"ansible-core {report['ansible']} on Python {report['python']}; one emulator answers "
        f"{report['requests_per_second']} requests per second.\n"
    )
    page.write_text(before + MARK + "\n".join(["", measured, *parts]), encoding="utf-8")


def _section(name: str, scene: dict[str, t.Any], plots: str) -> str:
    ways = scene["ways"]
    first = next(iter(ways.values()))["seconds"]
    title = scene["title"][:1].upper() + scene["title"][1:]
    lines = [f"### {title}", "", f"![{title}]({plots}/bench_{name}.svg)", ""]
    lines += ["| | median | ratio | range | memory | requests | received |", "|---|---|---|---|---|---|---|"]
    lines += [_row(way, each, each["seconds"] / first) for way, each in ways.items()]
    return "\n".join([*lines, ""])


def _row(way: str, each: dict[str, t.Any], ratio: float) -> str:
    span = f"{each['fastest']:.2f}-{each['slowest']:.2f} s"
    cells = (f"{each['seconds']:.2f} s", f"{ratio:.1f}", span, f"{each['peak_mb']:.0f} MB")
    return f"| {way} | {' | '.join(cells)} | {each['requests']} | {each['received_kb']:.0f} kB |"
