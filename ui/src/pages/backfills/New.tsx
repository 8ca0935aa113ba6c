import "@mantine/core/styles/Checkbox.css";
import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Outside } from "@/common/Outside";
import { Choose } from "./upload/Choose";
import { chosen } from "./upload/upload";

type Props = { opened: "empty" | "file" | null; close: () => void };

/** Makes a backfill, and leads to it; with a file to be loaded into it, if that is what one came for. */
export function New({ opened, close }: Props) {
  return (
    <Modal
      opened={opened !== null}
      onClose={close}
      title={opened === "file" ? "Upload a file" : "New backfill"}
      closeOnClickOutside={false}
    >
      {opened && <Form wantsFile={opened === "file"} close={close} />}
    </Modal>
  );
}

function Form({ wantsFile, close }: { wantsFile: boolean; close: () => void }) {
  const [file, choose] = useState<File | null>(null);
  const [name, setName] = useState("");
  const [hold, setHold] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const make = useMutation({
    mutationFn: () => told(api.POST("/v1/backfills", { body: { name: name.trim(), hold } })),
    onSuccess: (made) => {
      if (file) chosen.set(made.id, file);
      void queries.invalidateQueries({ queryKey: ["backfills"] });
      close();
      void navigate({ to: "/backfills/$id", params: { id: made.id } as never });
    },
  });
  if (wantsFile && !file) {
    return (
      <Choose
        choose={(found) => {
          choose(found);
          setName(found.name.replace(/(\.(csv|tsv|txt|ndjson|jsonl|json|gz|parquet))+$/i, ""));
        }}
      />
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim()) make.mutate();
      }}
    >
      <Stack gap="md">
        {file && (
          <Text size="sm" component="div">
            <Outside text={file.name} /> is loaded into a new backfill. To go on with one that there is, choose the file
            on its page.
          </Text>
        )}
        <TextInput
          label="Name"
          description="What is loaded, for people: a name is given once, also when its backfill is reverted."
          placeholder="orders of 2025"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={200}
          required
          data-autofocus
        />
        <Checkbox
          label="Hold its events"
          description="They are stored and count for nobody until the backfill is released: look at the preview first."
          checked={hold}
          onChange={(event) => setHold(event.currentTarget.checked)}
        />
        {make.error && <FaultNote error={make.error} what="It was not made" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={make.isPending} disabled={name.trim() === ""}>
            Create backfill
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
