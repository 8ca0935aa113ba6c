import "@mantine/core/styles/Progress.css";
import { Progress, Skeleton, Text } from "@mantine/core";
import { count, share } from "@/common/numbers";
import type { Limit } from "./queries";

type Props = { signal: { slug: string; rate_limit: number | null }; limit: Limit | undefined; loading: boolean };

/** How much of a signal's limit is used in the minute that runs. */
export function Nearness({ signal, limit, loading }: Props) {
  if (signal.rate_limit === null) {
    return (
      <Text size="sm" c="dimmed">
        no limit
      </Text>
    );
  }
  if (!limit) return loading ? <Skeleton height={28} width={130} /> : <span>{count(signal.rate_limit)} a minute</span>;
  const used = limit.used / limit.limit;
  const words = `${count(limit.used)} of ${count(limit.limit)}`;
  return (
    <div style={{ width: 130 }}>
      <Text size="xs" className="tabular" title={`${share(limit.used, limit.limit)} used in this minute`}>
        {words}
      </Text>
      <Progress
        value={Math.min(100, used * 100)}
        color={used >= 1 ? "red" : used >= 0.8 ? "orange" : "water"}
        size={6}
        aria-label={`${signal.slug}: ${words} events of this minute's limit used`}
      />
    </div>
  );
}
