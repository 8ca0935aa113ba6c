import "@mantine/core/styles/Menu.css";
import { Button, Menu, Text } from "@mantine/core";
import {
  IconArrowsRight,
  IconBolt,
  IconChartBar,
  IconId,
  IconParentheses,
  IconPlus,
  IconToggleLeft,
} from "@tabler/icons-react";
import { useSite } from "./context";
import type { Body } from "./model";

const KINDS: readonly { kind: Body["kind"]; label: string; about: string; icon: typeof IconBolt }[] = [
  {
    kind: "performed",
    label: "Did something",
    about: "ordered, at least 3 times, in the last 30 days",
    icon: IconBolt,
  },
  { kind: "sequence", label: "Did steps in order", about: "a cart, then an order within a day", icon: IconArrowsRight },
  { kind: "state", label: "Is in a state", about: "health is at risk, the tier is gold", icon: IconToggleLeft },
  { kind: "metric", label: "Has a metric", about: "100 calls or more this week", icon: IconChartBar },
  { kind: "attribute", label: "Has an attribute", about: "lives in Mumbai", icon: IconId },
  { kind: "any", label: "Any or all of a group", about: "conditions within conditions", icon: IconParentheses },
];

/** Adds a condition to a group: which kind is chosen first. */
export function AddMenu({ group }: { group: string }) {
  const { builder } = useSite();
  return (
    <Menu position="bottom-start" width={290} withinPortal>
      <Menu.Target>
        <Button
          size="xs"
          variant="light"
          leftSection={<IconPlus size={14} aria-hidden />}
          data-act="add"
          data-of={group}
        >
          Add condition
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {KINDS.map(({ kind, label, about, icon: Icon }) => (
          <Menu.Item key={kind} leftSection={<Icon size={18} aria-hidden />} onClick={() => builder.add(group, kind)}>
            {label}
            <Text size="xs" c="dimmed">
              {about}
            </Text>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
