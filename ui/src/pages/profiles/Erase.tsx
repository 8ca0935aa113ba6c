import { Button, Stack, Text } from "@mantine/core";
import { IconEraser } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Schemas, told } from "@/api/client";
import { useMay } from "@/api/session";
import { Confirm } from "@/common/Confirm";
import { keyOf } from "@/common/marks";
import { count } from "@/common/numbers";
import { Outside } from "@/common/Outside";

/** Erases a person everywhere, after one has typed whom. */
export function Erase({ profile }: { profile: Schemas["ProfileAnswer"] }) {
  const [asking, ask] = useState(false);
  const may = useMay("admin");
  const navigate = useNavigate();
  const key = keyOf(profile.identities[0] ?? { type: "", id: "" });
  const erase = useMutation({
    mutationFn: () => told(api.DELETE("/v1/profiles/{key}", { params: { path: { key } } })),
    onSuccess: () => void navigate({ to: "/settings", search: { tab: "erasures" } as never }),
  });
  return (
    <>
      <Button
        color="red"
        variant="light"
        leftSection={<IconEraser size={16} aria-hidden />}
        disabled={!may}
        title={may ? undefined : "This needs a key with the scope admin"}
        onClick={() => ask(true)}
      >
        Erase
      </Button>
      <Confirm
        opened={asking}
        close={() => ask(false)}
        title="Erase this person everywhere"
        verb="Erase for good"
        typed={key}
        busy={erase.isPending}
        error={erase.error}
        act={() => erase.mutate()}
      >
        <Stack gap="xs">
          <Text size="sm">
            {count(profile.events)} events and {count(profile.identities.length)} identities leave the store, the log,
            all derived figures and later restored backups. Nothing brings them back.
          </Text>
          <Text size="sm" c="dimmed">
            <Outside text={profile.identities.slice(0, 5).map(keyOf).join(", ")} />
          </Text>
        </Stack>
      </Confirm>
    </>
  );
}
