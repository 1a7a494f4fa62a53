"""Draws a run's CSV as SVG, where a picture says it faster than the table: each query's time against every other system's, and
latencies by the number of clients. Alone: `bench/.venv/bin/python bench/plots.py bench/results/*.csv`."""

import collections
import csv
import pathlib
import re
import sys

import matplotlib
from matplotlib.ticker import FuncFormatter

matplotlib.use("svg")
# The same numbers give the same file, and texts stay texts.
matplotlib.rcParams.update({"svg.hashsalt": "boathouse", "svg.fonttype": "none", "font.size": 9})

import matplotlib.pyplot as plot  # noqa: E402

US = "Boathouse"
QUERY = re.compile(r"q\d+$")
LATENCY = re.compile(r"(\d+) clients, (p\d+)$")
PERCENTILES = ["p50", "p95", "p99"]


def draw(table):
    """The files written for one CSV."""
    sections = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(table, newline="") as lines:
        for row in csv.DictReader(lines):
            if row["unit"] == "ms":
                sections[row["section"]][row["system"]][row["item"]] = float(row["value"])
    written = []
    for section, systems in sections.items():
        figure = ratios(section, systems) or latencies(section, systems)
        if figure:
            name = re.sub(r"[^a-z0-9.]+", "-", section.lower())
            path = table.with_name(f"{table.stem}-{name}.svg")
            figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
            plot.close(figure)
            written.append(path)
    return written


def ratios(section, systems):
    """A point per query and system: how many times Boathouse's time the other one takes."""
    ours = {query: value for query, value in systems.get(US, {}).items() if QUERY.match(query)}
    others = {name: times for name, times in systems.items() if name != US and ours.keys() & times.keys()}
    if not others:
        return None
    queries = sorted(ours)
    figure, axes = plot.subplots(figsize=(max(7, 0.16 * len(queries)), 3.6))
    for name, times in others.items():
        answered = [query for query in queries if query in times]
        axes.plot(
            [queries.index(query) for query in answered], [times[query] / ours[query] for query in answered],
            linestyle="none", marker="o", markersize=4, alpha=0.8, label=name,
        )
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.set_xticks(range(len(queries)), queries, rotation=90, fontsize=7)
    axes.set_ylabel(f"time ÷ {US}'s")
    axes.set_title(f"{section}: above the line {US} is faster")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def latencies(section, systems):
    """Median and tails by the number of clients, a panel per system."""
    found = {name: {LATENCY.match(item).groups(): value for item, value in times.items() if LATENCY.match(item)}
             for name, times in systems.items()}
    found = {name: times for name, times in found.items() if times}
    if not found:
        return None
    figure, panels = plot.subplots(1, len(found), figsize=(3 * len(found), 3), sharey=True, squeeze=False)
    for panel, (name, times) in zip(panels[0], found.items(), strict=True):
        clients = sorted({count for count, _ in times}, key=int)
        for percentile in PERCENTILES:
            panel.plot(clients, [times[count, percentile] for count in clients], marker="o", label=percentile)
        panel.set_yscale("log")
        panel.set_title(name)
        panel.set_xlabel("clients")
        panel.grid(axis="y", alpha=0.3)
    panels[0][0].set_ylabel("latency, ms")
    panels[0][-1].legend()
    figure.suptitle(section)
    return figure


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        for path in draw(pathlib.Path(argument)):
            print(f"wrote {path}")
