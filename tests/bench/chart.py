# SPDX-License-Identifier: MIT
"""Draws the bench's bar chart: ours as a part of the peer, which is 1.00."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from report import Line  # type: ignore[import-not-found]

WIDTH = 900
LEFT = 390  # where the bars begin
RIGHT = 76  # room for the figures
TOP = 92
ROW = 26
BAR = 14
BOTTOM = 82
LONGEST = 2.0  # where bars are cut

# A viewer's dark mode is followed: a README is read in both.
STYLE = """
  text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .note, .tick { font-size: 11.5px; fill: #656d76; }
  .name { font-size: 13px; font-weight: 600; }
  .peer { font-size: 12px; fill: #656d76; }
  .value { font-size: 12.5px; font-weight: 600; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .one { stroke: #1f2328; stroke-width: 1.5; }
  .below { fill: #2da44e; }
  .above { fill: #bf8700; }
  .floor { fill: #1f2328; opacity: .45; }
  .mark { fill: none; stroke: #0969da; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note, .tick, .peer { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .one { stroke: #e6edf3; }
    .below { fill: #3fb950; }
    .above { fill: #d29922; }
    .floor { fill: #e6edf3; }
    .mark { stroke: #4493f8; }
  }
"""


def draw(lines: Sequence[Line], kernel: str, path: Path) -> None:
    """Writes the chart of all cases that ran."""
    rows = [line for line in lines if not line.reason and line.case.peer_name != "itself"]
    longest = max((max(line.to_peer, line.case.mark or 0) for line in rows), default=1.0)
    # Up to the next quarter beyond the longest bar, never less than the peer; the figure
    # tells what the few tell that are longer still.
    limit = min(max(1.25, (int(longest * 4) + 1) / 4), LONGEST)
    height = TOP + len(rows) * ROW + BOTTOM
    bottom = TOP + len(rows) * ROW

    def x(ratio: float) -> float:
        return LEFT + min(ratio, limit) / limit * (WIDTH - LEFT - RIGHT)

    parts = [
        '<!-- SPDX-License-Identifier: MIT -->',
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="ipcshim against its peers">',
        f'<style>{STYLE}</style>',
        '<text class="title" x="20" y="32">ipcshim against its peers</text>',
        '<text class="note" x="20" y="54">Instructions for each operation as a part of the '
        "peer's in the same boot: shorter is better, the peer is 1.00.</text>",
    ]
    for step in range(int(limit * 4) + 1):
        ratio = step / 4
        style = "one" if ratio == 1 else "grid"
        parts.append(f'<line class="{style}" x1="{x(ratio):.1f}" y1="{TOP - 8}" '
                     f'x2="{x(ratio):.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x(ratio):.1f}" y="{TOP - 13}" '
                     f'text-anchor="middle">{ratio:.2f}</text>')
    for number, line in enumerate(rows):
        parts += _row(line, TOP + number * ROW, x)
    parts += _legend(bottom + 26)
    parts.append(f'<text class="note" x="20" y="{bottom + 50}">Linux {escape(kernel)}, arm64, '
                 'QEMU with an instruction counter for a clock. idle_*_bytes: bytes of kernel '
                 'memory.</text>')
    parts.append(f'<text class="note" x="20" y="{bottom + 68}">wall_*: time, both sides running '
                 'at once on a processor each.</text>')
    parts.append('</svg>')
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _row(line: Line, top: float, x) -> list[str]:
    middle = top + ROW / 2
    bar = middle - BAR / 2
    style = "below" if line.to_peer < 1 else "above"
    end = x(line.to_peer)
    parts = [
        f'<text class="name" x="20" y="{middle + 4.5:.1f}">{escape(line.case.name)}</text>',
        f'<text class="peer" x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">'
        f'{escape(line.peer_name)}</text>',
        f'<rect class="{style}" x="{x(0):.1f}" y="{bar:.1f}" '
        f'width="{end - x(0):.1f}" height="{BAR}" rx="2"/>',
    ]
    floor = line.floor / line.peer
    if floor < LONGEST:
        parts.append(f'<rect class="floor" x="{x(floor) - 1.5:.1f}" y="{bar:.1f}" width="3" '
                     f'height="{BAR}"/>')
    if line.case.mark:
        parts.append(f'<path class="mark" d="M{x(line.case.mark):.1f} {bar - 3:.1f}v{BAR + 6}"/>')
    parts.append(f'<text class="value" x="{WIDTH - 20}" y="{middle + 4.5:.1f}" '
                 f'text-anchor="end">{line.to_peer:.{3 if line.to_peer < 0.1 else 2}f}</text>')
    return parts


def _legend(y: float) -> list[str]:
    return [
        f'<rect class="below" x="20" y="{y - 10}" width="22" height="11" rx="2"/>',
        f'<text class="note" x="48" y="{y}">ours, below the peer</text>',
        f'<rect class="above" x="190" y="{y - 10}" width="22" height="11" rx="2"/>',
        f'<text class="note" x="218" y="{y}">ours, not below the peer</text>',
        f'<rect class="floor" x="382" y="{y - 12}" width="3" height="14"/>',
        f'<text class="note" x="392" y="{y}">the floor of any mechanism</text>',
        f'<path class="mark" d="M566 {y - 12}v14"/>',
        f'<text class="note" x="576" y="{y}">to reach</text>',
    ]
