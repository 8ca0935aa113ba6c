import { Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

type Props = {
  /** The heading, and with it the window's title. */
  title: string;
  /** What stands beside the heading when the page is about one thing: its name, from outside. */
  subject?: string | undefined;
  about?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
};

/** The frame of every page: one h1, what it is for, what can be done. */
export function Page({ title, subject, about, actions, children }: Props) {
  useEffect(() => {
    document.title = subject ? `${subject} · ${title} · headwater` : `${title} · headwater`;
  }, [title, subject]);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start" gap="sm">
        <div style={{ minWidth: 0, flex: "1 1 16rem" }}>
          <Title order={1} size="h2" className="outside">
            {subject ?? title}
          </Title>
          {about && (
            <Text component="div" c="dimmed" size="sm" mt={2}>
              {about}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
