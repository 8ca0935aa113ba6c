import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { compact } from "./numbers";
import { tick, tickUtc } from "./time";

export type Line = {
  label: string;
  color: string;
  values: readonly (number | null)[];
  dash?: number[];
  bars?: boolean;
};

type Props = {
  /** Seconds since 1970, growing. */
  times: readonly number[];
  lines: readonly Line[];
  /** What the chart shows, for those who do not see it. */
  label: string;
  height?: number;
  format?: (value: number) => string;
  /** Seconds that are always in view, up to the newest: a chart that moves on by itself. */
  span?: number;
  /** The times are those of UTC days, weeks or months, which have the same names in every zone. */
  utc?: boolean;
};

/** The seconds to show: up to the newest where the chart moves on, and all of the first and the last bar. */
function inView(low: number, high: number, known: Known, span: number | undefined): [number, number] {
  if (span) {
    const newest = known.current.times.at(-1) ?? Date.now() / 1000; // the server's clock, which may not be ours
    return [newest - span, newest];
  }
  const { times, lines } = known.current;
  if (times.length === 0 || !lines.some((line) => line.bars)) return [low, high];
  const [first = low, last = first] = [times[0], times.at(-1)]; // uPlot makes room of its own around a single one
  const gaps = Math.max(1, times.length - 1);
  const half = first === last ? 43_200 : (0.6 * (last - first)) / gaps;
  return [first - half, last + half];
}

/** The values to show: 0 always, so that heights can be compared, and all of what is above or below it. */
function inRange(low: number | null, high: number | null): [number, number] {
  const [bottom, top] = [Math.min(0, (low ?? 0) * 1.1), Math.max(0, (high ?? 0) * 1.1)];
  return bottom === top ? [0, 1] : [bottom, top];
}

type Known = {
  current: { times: readonly number[]; lines: readonly Line[]; format: (value: number) => string };
};

/** Lines over time, drawn by uPlot; the viewer's zone is the axis's, if it is not one of UTC days. */
export function Chart({ times, lines, label, height = 180, format = compact, span, utc = false }: Props) {
  const { ref: sized, width } = useElementSize<HTMLDivElement>();
  const box = useRef<HTMLDivElement>(null);
  const ref = useMergedRef(sized, box);
  const colorScheme = useComputedColorScheme("light");
  const plot = useRef<uPlot | null>(null);
  const shape = lines.map((line) => `${line.label}/${line.color}/${line.bars}`).join();
  const known = useRef({ times, lines, format });
  known.current = { times, lines, format };

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` and `colorScheme` say when it is drawn anew
  useEffect(() => {
    if (!box.current || width === 0) return;
    const made = new uPlot(options(known, width, height, span, utc), data(), box.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [width, height, shape, span, utc, colorScheme]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: new data, drawn into the chart that there is
  useEffect(() => {
    plot.current?.setData(data());
  }, [times, lines]);

  function data(): uPlot.AlignedData {
    return [known.current.times as number[], ...known.current.lines.map((line) => line.values as number[])];
  }

  return <div ref={ref} style={{ height, overflow: "hidden" }} role="img" aria-label={label} />;
}

function options(known: Known, width: number, height: number, span: number | undefined, utc: boolean): uPlot.Options {
  const { lines, format } = known.current;
  const css = getComputedStyle(document.documentElement);
  const color = (name: string) => css.getPropertyValue(`--mantine-color-${name}`).trim() || name;
  const axis = {
    stroke: color("dimmed"),
    grid: { stroke: color("default-border"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height,
    legend: { show: false },
    ...(utc ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC") } : {}),
    cursor: { y: false, drag: { x: false, y: false } },
    padding: [8, 8, 0, 0],
    scales: {
      x: { range: (_plot, low, high) => inView(low, high, known, span) },
      y: { range: (_plot, low, high) => inRange(low, high) },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 70,
        values: (_plot, marks, _axis, _space, step) => marks.map((at) => (utc ? tickUtc : tick)(at, step)),
      },
      { ...axis, size: 48, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.5,
        points: { show: false },
        ...(line.dash ? { dash: line.dash } : {}),
        ...(line.bars ? { fill: color(line.color), paths: uPlot.paths.bars?.({ size: [0.7, 40] }) } : {}),
      })),
    ] as uPlot.Series[],
  };
}
