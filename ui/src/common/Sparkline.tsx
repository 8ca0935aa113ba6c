type Props = { values: readonly number[]; faults?: readonly number[]; label: string; width?: number; height?: number };

/** A row of small bars; `faults` is the part of each that went wrong, in red at its foot. */
export function Sparkline({ values, faults = [], label, width = 120, height = 28 }: Props) {
  const most = Math.max(1, ...values.map((value, at) => value + (faults[at] ?? 0)));
  const step = width / Math.max(1, values.length);
  return (
    <svg width={width} height={height} role="img" aria-label={label} style={{ display: "block" }}>
      <title>{label}</title>
      {values.map((value, at) => {
        const wrong = faults[at] ?? 0;
        const tall = ((value + wrong) / most) * (height - 2);
        const red = (wrong / most) * (height - 2);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place
          <g key={at}>
            <rect
              x={at * step}
              y={height - Math.max(tall, value + wrong > 0 ? 1.5 : 0.5)}
              width={Math.max(1, step - 1)}
              height={Math.max(tall, value + wrong > 0 ? 1.5 : 0.5)}
              fill={value + wrong > 0 ? "var(--mantine-color-water-5)" : "var(--mantine-color-default-border)"}
            />
            {wrong > 0 && (
              <rect
                x={at * step}
                y={height - Math.max(red, 1.5)}
                width={Math.max(1, step - 1)}
                height={Math.max(red, 1.5)}
                fill="var(--mantine-color-red-6)"
              />
            )}
          </g>
        );
      })}
    </svg>
  );
}
