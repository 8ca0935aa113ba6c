import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { ago, local, type Precision, utc } from "./time";

type Props = { at: string; precision?: Precision };

/** A moment in the viewer's zone; on hover, focus or touch in UTC. */
export function Moment({ at, precision = "minute" }: Props) {
  return (
    <Tooltip label={utc(at)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard reaches the tooltip as the mouse does */}
      <time dateTime={at} tabIndex={0} className="tabular">
        {local(at, precision)}
      </time>
    </Tooltip>
  );
}

/** How long ago, kept right while one looks; what has just been is never ahead of a clock that ticks slowly. */
export function Ago({ at }: { at: string }) {
  const now = useNow(15_000);
  return (
    <Tooltip label={`${local(at)} · ${utc(at)}`}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: as above */}
      <time dateTime={at} tabIndex={0} className="tabular">
        {ago(at, Math.max(now, new Date(at).getTime()))}
      </time>
    </Tooltip>
  );
}

/** The time, renewed every so many milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
