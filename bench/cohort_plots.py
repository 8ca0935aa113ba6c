"""The plot of docs/cohorts-performance.md."""

from pathlib import Path

from matplotlib import pyplot
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter

from plots import COLOURS, STYLE, save
from report import Figures

TINTS = {"headwater": COLOURS["headwater"], "DuckDB": "#c2a000", "PostgreSQL": COLOURS["FastAPI + PostgreSQL"]}


def draw(results: Figures, directory: Path) -> None:
    """Writes it into `directory`, if the databases were asked."""
    if results.get("rivals"):
        directory.mkdir(exist_ok=True)
        with pyplot.rc_context(STYLE):
            save(questions(results["rivals"]["kinds"]), directory / "questions.svg")


def questions(kinds: list[Figures]) -> Drawing:
    """A dot for each: how long a question takes, on a logarithmic scale; hollow where it was given up."""
    figure, axes = pyplot.subplots(figsize=(7, 0.3 * len(kinds) + 1.0))
    for place, each in enumerate(reversed(kinds)):
        axes.plot([min(each["ms"].values()), max(each["ms"].values())], [place, place], color="#8a8f98", linewidth=0.7)
        for name, ms in each["ms"].items():
            given_up = each["sizes"][0][name] is None
            axes.plot(ms, place, "o", color=TINTS[name], markersize=7, fillstyle="none" if given_up else "full")
    for name in kinds[0]["ms"]:
        axes.plot([], [], "o", color=TINTS[name], label=name)
    axes.set_yticks(range(len(kinds)), [each["kind"] for each in reversed(kinds)])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.4, -0.08))
    axes.set_title("a question over the same events, warm, ms (hollow: given up)")
    return figure
