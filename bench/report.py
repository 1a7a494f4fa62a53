"""Collects measurements and writes them as Markdown for people and CSV for machines."""

import csv
import datetime
import math
import os
import pathlib
import platform


def geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


class Report:
    def __init__(self, scale, commit):
        self.scale = scale
        self.lines = [
            f"# Benchmarks of {datetime.date.today().isoformat()}, commit {commit}",
            "",
            f"{processor()}, {os.cpu_count()} cores, {memory_gigabytes():.0f} GB memory, {platform.system()} "
            f"{platform.machine()}; TPC-H scale {scale}.",
            "",
        ]
        self.rows = []

    def section(self, title, *paragraphs):
        self.lines += [f"## {title}", ""]
        for paragraph in paragraphs:
            self.lines += [paragraph, ""]
        print(f"== {title}", flush=True)

    def table(self, header, rows):
        self.lines.append("| " + " | ".join(header) + " |")
        self.lines.append("|" + "|".join(" --- " if index == 0 else " ---: " for index in range(len(header))) + "|")
        for row in rows:
            self.lines.append("| " + " | ".join(row) + " |")
            print("  ".join(row), flush=True)
        self.lines.append("")

    def note(self, text):
        self.lines += [text, ""]
        print(text, flush=True)

    def value(self, section, item, system, value, unit):
        """One machine-readable measurement."""
        self.rows.append((section, item, system, self.scale, f"{value:.4f}" if isinstance(value, float) else value, unit))

    def write(self, folder, name):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        markdown, table = folder / f"{name}.md", folder / f"{name}.csv"
        markdown.write_text("\n".join(self.lines).rstrip() + "\n")
        with open(table, "w", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["section", "item", "system", "scale", "value", "unit"])
            writer.writerows(self.rows)
        return markdown, table


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def memory_gigabytes():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
