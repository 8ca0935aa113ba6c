import { Group, SimpleGrid, Text, Title, UnstyledButton } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import type { Signal } from "./context";
import { TEMPLATES, type Template } from "./templates";
import classes from "./templates.module.css";

/** Those whose signals are there. */
export function offered(signals: readonly Signal[]): readonly Template[] {
  const there = new Set(signals.map((each) => each.slug));
  return TEMPLATES.filter((each) => each.signals.every((slug) => there.has(slug)));
}

export function Templates({ signals, choose }: { signals: readonly Signal[]; choose: (template: Template) => void }) {
  const list = offered(signals);
  if (list.length === 0) return null;
  return (
    <section aria-label="Templates">
      <Title order={2} size="sm" mb="xs">
        Start from a template
      </Title>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="xs">
        {list.map((each) => (
          <UnstyledButton key={each.name} className={classes.card} onClick={() => choose(each)}>
            <Group justify="space-between" wrap="nowrap" gap={4}>
              <Text size="sm" fw={600}>
                {each.name}
              </Text>
              <IconArrowRight size={14} aria-hidden />
            </Group>
            <Text size="xs" c="dimmed">
              {each.about}
            </Text>
          </UnstyledButton>
        ))}
      </SimpleGrid>
    </section>
  );
}
