import "@mantine/core/styles/Timeline.css";
import { Text, Timeline } from "@mantine/core";
import type { Schemas } from "@/api/client";
import { Moment } from "@/common/Moment";
import { spelled } from "@/common/marks";
import { Outside } from "@/common/Outside";

type Step = Schemas["TraceAnswer"]["steps"][number];

const COLORS: Record<string, string> = { rejected: "red", waiting: "gray", stored: "teal", replayed: "orange" };

/** What happened to an event and what it led to, in order. */
export function Trace({ steps }: { steps: readonly Step[] }) {
  return (
    <Timeline active={steps.length} bulletSize={14} lineWidth={2}>
      {steps.map((step, at) => (
        <Timeline.Item
          // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
          key={at}
          color={COLORS[step.step] ?? "water"}
          title={
            <Text fw={600} tt="capitalize">
              {spelled(step.step)}
            </Text>
          }
        >
          {step.at && (
            <Text size="xs" c="dimmed" component="div">
              <Moment at={step.at} precision="whole" />
            </Text>
          )}
          <Text size="sm" component="div">
            <Outside text={step.text} />
          </Text>
          <Facts facts={step.facts} />
        </Timeline.Item>
      ))}
    </Timeline>
  );
}

function Facts({ facts }: { facts: Step["facts"] }) {
  const told = Object.entries(facts).filter(([, value]) => value !== null && value !== "");
  if (told.length === 0) return null;
  return (
    <Text size="xs" c="dimmed" component="div" mt={2}>
      {told.map(([name, value], at) => (
        <span key={name}>
          {at > 0 && " · "}
          {spelled(name)}: <Outside text={typeof value === "string" ? value : JSON.stringify(value)} mono />
        </span>
      ))}
    </Text>
  );
}
