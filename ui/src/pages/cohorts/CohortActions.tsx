import "@mantine/core/styles/Menu.css";
import { Button, Menu, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCopyPlus, IconDownload, IconPencil, IconTrash } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, told } from "@/api/client";
import { useMay } from "@/api/session";
import { Confirm } from "@/common/Confirm";
import { FAULT_COLOR } from "./builder/Faulty";
import type { Cohort } from "./queries";

const FORMATS = [
  ["csv", "CSV, for a spreadsheet"],
  ["ndjson", "NDJSON, for programs"],
] as const;

/** What can be done with a cohort that there is. */
export function CohortActions({ cohort }: { cohort: Cohort }) {
  const may = useMay("admin");
  const why = may ? undefined : "Your key needs the scope admin for that";
  const [renames, renaming] = useDisclosure();
  const [deletes, deleting] = useDisclosure();
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" size="sm" leftSection={<IconDownload size={16} aria-hidden />}>
            Export
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FORMATS.map(([format, label]) => (
            <Menu.Item
              key={format}
              component="a"
              href={`/v1/cohorts/${encodeURIComponent(cohort.id)}/export?format=${format}`}
              download
            >
              {label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Button
        variant="default"
        component={Link}
        to="/cohorts/new"
        search={{ from: cohort.id } as never}
        leftSection={<IconCopyPlus size={16} aria-hidden />}
      >
        Duplicate and edit
      </Button>
      <Button
        variant="default"
        leftSection={<IconPencil size={16} aria-hidden />}
        onClick={renaming.open}
        disabled={!may}
        title={why}
      >
        Rename
      </Button>
      <Button
        variant="default"
        c={may ? FAULT_COLOR : undefined}
        leftSection={<IconTrash size={16} aria-hidden />}
        onClick={deleting.open}
        disabled={!may}
        title={why}
      >
        Delete
      </Button>
      <Rename cohort={cohort} opened={renames} close={renaming.close} />
      <Delete cohort={cohort} opened={deletes} close={deleting.close} />
    </>
  );
}

type Props = { cohort: Cohort; opened: boolean; close: () => void };

function Rename({ cohort, opened, close }: Props) {
  const queries = useQueryClient();
  const [typed, setTyped] = useState<string | null>(null);
  const name = typed ?? cohort.name; // the one of now, not of when the page was opened
  const rename = useMutation({
    mutationFn: () =>
      told(api.PATCH("/v1/cohorts/{id}", { params: { path: { id: cohort.id } }, body: { name: name.trim() } })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["cohorts"] });
      setTyped(null);
      close();
    },
  });
  return (
    <Confirm
      opened={opened}
      close={() => {
        rename.reset();
        setTyped(null);
        close();
      }}
      title="Rename the cohort"
      verb="Rename"
      danger={false}
      busy={rename.isPending}
      error={rename.error}
      act={() => rename.mutate()}
    >
      <TextInput
        label="Name"
        value={name}
        maxLength={200}
        dir="auto"
        required
        onChange={(event) => setTyped(event.currentTarget.value)}
        data-autofocus
      />
    </Confirm>
  );
}

function Delete({ cohort, opened, close }: Props) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => told(api.DELETE("/v1/cohorts/{id}", { params: { path: { id: cohort.id } } })),
    onSuccess: async () => {
      close();
      await navigate({ to: "/cohorts" });
      queries.removeQueries({ queryKey: ["cohorts", "one", cohort.id] });
      await queries.invalidateQueries({ queryKey: ["cohorts", "list"] });
    },
  });
  return (
    <Confirm
      opened={opened}
      close={close}
      title="Delete the cohort"
      verb="Delete"
      typed={cohort.name}
      busy={remove.isPending}
      error={remove.error}
      act={() => remove.mutate()}
    >
      Its history of who entered and left goes with it, and cannot be brought back. Events and profiles stay.
    </Confirm>
  );
}
