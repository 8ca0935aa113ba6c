import "@mantine/core/styles/Checkbox.css";
import { Checkbox, NativeSelect, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { AdminButton } from "@/common/AdminButton";
import { Confirm } from "@/common/Confirm";
import { FaultNote } from "@/common/Fault";
import { deleteWebhook, pauseWebhook, pingWebhook, resumeWebhook, rotateSecret, useWebhookChange } from "./queries";
import { ShownSecret } from "./ShownSecret";
import type { Webhook } from "./words";

type Doing = "pause" | "resume" | "rotate" | "delete" | null;
type AskProps = { webhook: Webhook; close: () => void };

const OVERLAPS = [
  { value: "0", label: "It ends at once" },
  { value: "1", label: "An hour" },
  { value: "24", label: "A day" },
  { value: "168", label: "7 days" },
];

/** What can be done with a webhook now. */
export function Actions({ webhook }: { webhook: Webhook }) {
  const [doing, setDoing] = useState<Doing>(null);
  const [secret, show] = useState<string | null>(null);
  const ping = useWebhookChange(pingWebhook);
  const close = () => setDoing(null);
  const rests = webhook.status === "paused";
  return (
    <>
      <AdminButton variant="default" loading={ping.isPending} onClick={() => ping.mutate(webhook.id)}>
        Send a ping
      </AdminButton>
      <AdminButton variant={rests ? "filled" : "default"} onClick={() => setDoing(rests ? "resume" : "pause")}>
        {rests ? "Resume" : "Pause"}
      </AdminButton>
      <AdminButton variant="default" onClick={() => setDoing("rotate")}>
        Rotate secret
      </AdminButton>
      <AdminButton variant="light" color="red" onClick={() => setDoing("delete")}>
        Delete
      </AdminButton>
      {ping.error && <FaultNote error={ping.error} what="No ping was sent" />}
      {doing === "pause" && <Pause webhook={webhook} close={close} />}
      {doing === "resume" && <Resume webhook={webhook} close={close} />}
      {doing === "rotate" && (
        <Rotate
          webhook={webhook}
          close={close}
          made={(text) => {
            close();
            show(text);
          }}
        />
      )}
      {doing === "delete" && <Delete webhook={webhook} close={close} />}
      {secret && <ShownSecret secret={secret} close={() => show(null)} />}
    </>
  );
}

function Pause({ webhook, close }: AskProps) {
  const pause = useWebhookChange(pauseWebhook, close);
  const act = () => pause.mutate(webhook.id);
  const shared = { opened: true, close, busy: pause.isPending, error: pause.error, act };
  return (
    <Confirm {...shared} title="Pause this webhook" verb="Pause" danger={false}>
      <Text size="sm">
        Nothing is sent until it is resumed. Nothing is lost: what happens meanwhile is told then, or skipped.
      </Text>
    </Confirm>
  );
}

function Resume({ webhook, close }: AskProps) {
  const [skip, setSkip] = useState(false);
  const resume = useWebhookChange(resumeWebhook, close);
  const act = () => resume.mutate({ id: webhook.id, skip });
  const shared = { opened: true, close, busy: resume.isPending, error: resume.error, act };
  return (
    <Confirm {...shared} title="Resume this webhook" verb="Resume" danger={false}>
      <Stack gap="sm">
        <Text size="sm">What waits is tried at once, and what happened meanwhile is told.</Text>
        <Checkbox
          label="Skip what happened meanwhile"
          description="It is told what comes from now on; what waits is given up."
          checked={skip}
          onChange={(event) => setSkip(event.currentTarget.checked)}
        />
      </Stack>
    </Confirm>
  );
}

function Rotate({ webhook, close, made }: AskProps & { made: (secret: string) => void }) {
  const [hours, setHours] = useState("24");
  const rotate = useWebhookChange(rotateSecret, (after) => made(after.secret));
  const act = () => rotate.mutate({ id: webhook.id, hours: Number(hours) });
  const shared = { opened: true, close, busy: rotate.isPending, error: rotate.error, act };
  return (
    <Confirm {...shared} title="Rotate the secret" verb="Rotate" danger={false}>
      <Stack gap="sm">
        <Text size="sm">
          A new secret is made, and shown once. For a while both sign each delivery, so that the receiver can change
          over at its leisure.
        </Text>
        <NativeSelect
          label="How long the old one still signs"
          data={OVERLAPS}
          value={hours}
          onChange={(event) => setHours(event.currentTarget.value)}
        />
      </Stack>
    </Confirm>
  );
}

function Delete({ webhook, close }: AskProps) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: deleteWebhook,
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ["webhooks", "list"] }); // and not what is there no more
      void navigate({ to: "/webhooks" });
    },
  });
  const act = () => remove.mutate(webhook.id);
  const shared = { opened: true, close, busy: remove.isPending, error: remove.error, act };
  return (
    <Confirm {...shared} title="Delete this webhook" verb="Delete">
      <Text size="sm">With its log. What waits is not sent any more; to stop for a while, pause it.</Text>
    </Confirm>
  );
}
