import { Button, Collapse, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, told } from "@/api/client";
import { Loaded } from "@/common/Loading";
import { Status } from "@/common/marks";
import { Cut, Id } from "@/common/Outside";

type Props = { batch: string; id: string; open: (id: string) => void };

/** The events of the same request, asked for when one wants to see them. */
export function Together({ batch, id, open }: Props) {
  const [opened, setOpened] = useState(false);
  const Chevron = opened ? IconChevronDown : IconChevronRight;
  const query = useQuery({
    queryKey: ["batch", batch],
    queryFn: () => told(api.GET("/v1/batches/{id}", { params: { path: { id: batch } } })),
    enabled: opened,
  });
  return (
    <div>
      <Button
        variant="default"
        size="xs"
        leftSection={<Chevron size={14} aria-hidden />}
        aria-expanded={opened}
        onClick={() => setOpened(!opened)}
      >
        Events of the same batch
      </Button>
      <Collapse expanded={opened}>
        <Stack gap={4} mt="xs">
          <Id id={batch} what="the batch's id" />
          <Loaded query={query} what="batch" lines={3}>
            {({ data }) =>
              data.map((event) => (
                <UnstyledButton key={event.id} onClick={() => open(event.id)} disabled={event.id === id}>
                  <Group gap="xs" wrap="nowrap">
                    <Status status={event.status} />
                    <Text size="sm" component="span" style={{ minWidth: 0 }}>
                      <Cut text={event.signal} />
                    </Text>
                    {event.id === id && (
                      <Text size="xs" c="dimmed" component="span">
                        this one
                      </Text>
                    )}
                  </Group>
                </UnstyledButton>
              ))
            }
          </Loaded>
        </Stack>
      </Collapse>
    </div>
  );
}
