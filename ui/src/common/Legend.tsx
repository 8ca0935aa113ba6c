import { Group, Text } from "@mantine/core";

/** What the colours of a chart mean, with the newest figures. */
export function Legend({ items }: { items: readonly { label: string; color: string; value?: string }[] }) {
  return (
    <Group gap="md">
      {items.map((item) => (
        <Group key={item.label} gap={6} wrap="nowrap">
          <span
            aria-hidden
            style={{ width: 12, height: 3, borderRadius: 2, background: `var(--mantine-color-${item.color})` }}
          />
          <Text size="xs" c="dimmed" className="tabular">
            {item.label}
            {item.value === undefined ? "" : ` ${item.value}`}
          </Text>
        </Group>
      ))}
    </Group>
  );
}
