import "@mantine/core/styles/Tabs.css";
import { Button, Group, Paper, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { api, Fault, told } from "@/api/client";
import { useMay } from "@/api/session";
import { FaultNote } from "@/common/Fault";
import { Lines } from "@/common/Loading";
import { count } from "@/common/numbers";
import { Page } from "@/common/Page";
import { useKept } from "@/common/search";
import { Builder } from "./builder/Builder";
import classes from "./builder/builder.module.css";
import { complete, conditions } from "./builder/complete";
import { type Signal, SiteContext } from "./builder/context";
import { JsonTab } from "./builder/JsonTab";
import type { Json } from "./builder/json";
import { locate } from "./builder/locate";
import type { Model } from "./builder/model";
import { PreviewPanel, things } from "./builder/PreviewPanel";
import { read } from "./builder/read";
import { Templates } from "./builder/Templates";
import { useBuilder } from "./builder/useBuilder";
import { sentence } from "./builder/words";
import { write } from "./builder/write";
import { asJson, type Cohort, useCohort, usePreview, useSignals } from "./queries";

/** A definition from nothing, from a template, or from another cohort (`?from=coh_…`). */
export function NewCohortPage() {
  const [kept] = useKept();
  const from = useCohort(kept.from ?? "", false);
  const signals = useSignals();
  const waits = signals.isPending || (kept.from !== undefined && from.isPending);
  return (
    <Page title="New cohort" about="Who belongs is looked at live: people enter and leave by themselves.">
      {from.error && <FaultNote error={from.error} what="The cohort to start from is not there" />}
      {signals.error && <FaultNote error={signals.error} what="The signals cannot be listed" />}
      {waits ? (
        <Lines count={8} />
      ) : (
        <Workbench key={kept.from ?? ""} signals={signals.data ?? []} from={from.data ?? null} />
      )}
    </Page>
  );
}

type Start = { from: Cohort | null; signals: readonly Signal[] };

function Workbench({ from, signals }: Start) {
  const builder = useBuilder(from ? () => read(from.definition as Json) : undefined);
  const [name, setName] = useState(from ? `${from.name}, changed` : "");
  const [isBroken, tellBroken] = useState(false);
  const pruned = useMemo(() => complete(builder.model), [builder.model]);
  const preview = usePreview(useMemo(() => (pruned.model ? write(pruned.model) : null), [pruned.model]));
  const create = useCreate(name, builder.model);
  const known = useMemo(() => new Map(signals.map((each) => [each.slug, each])), [signals]);
  const fault = placed(create.error, builder.model) ?? placed(preview.error, pruned.model);
  const site = useMemo(() => ({ builder, signals, fault }), [builder, signals, fault]);
  const nothing = conditions(builder.model.where.body) === 0;
  const misplaced = create.error !== null && placed(create.error, builder.model) === null;

  return (
    <SiteContext value={site}>
      {nothing && !from && (
        <Templates
          signals={signals}
          choose={(template) => {
            builder.load(read(template.definition));
            if (name === "") setName(template.name);
          }}
        />
      )}
      <Paper withBorder p="sm" component="section" aria-label="In words">
        <Text size="sm" className="outside" aria-live="polite">
          {sentence(builder.model, known)}
        </Text>
      </Paper>
      <div className={classes.columns}>
        <Tabs defaultValue="builder" keepMounted={false}>
          <Tabs.List mb="sm">
            <Tabs.Tab value="builder">Builder</Tabs.Tab>
            <Tabs.Tab value="json">JSON</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="builder">
            <Builder />
          </Tabs.Panel>
          <Tabs.Panel value="json">
            <JsonTab tell={tellBroken} />
          </Tabs.Panel>
        </Tabs>
        <Stack className={classes.panel} gap="md">
          <PreviewPanel
            preview={preview}
            left={pruned.left}
            subject={builder.model.subject}
            placed={placed(preview.error, pruned.model) !== null}
          />
          <Save
            name={name}
            setName={setName}
            create={create}
            left={pruned.left}
            nothing={nothing}
            isBroken={isBroken}
          />
          {misplaced && create.error && <FaultNote error={create.error} what="It was not created" />}
        </Stack>
      </div>
      <div className={classes.bar} aria-hidden>
        {preview.known
          ? `${count(preview.known.size)} ${things(preview.known.size, builder.model.subject)} in it now`
          : "–"}
      </div>
    </SiteContext>
  );
}

/** Where a refused definition is at fault; null when no part of it is named. */
function placed(error: Error | null, model: Model | null) {
  if (!(error instanceof Fault) || error.status !== 400 || !model) return null;
  const id = locate(model, error.path);
  return id ? { id, path: error.path, message: error.message } : null;
}

function useCreate(name: string, model: Model) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const create = useMutation({
    mutationFn: (body: { name: string; definition: Record<string, never> }) =>
      told(api.POST("/v1/cohorts", { body, ...asJson })),
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: ["cohorts", "list"] });
      await navigate({ to: "/cohorts/$id", params: { id: made.id } as never });
    },
  });
  const [asked, setAsked] = useState<Model | null>(null);
  return {
    /** Of this very definition: once it is changed, the fault is gone. */
    error: asked === model ? create.error : null,
    busy: create.isPending,
    run() {
      setAsked(model);
      create.mutate({ name: name.trim(), definition: write(model) as Record<string, never> });
    },
  };
}

type SaveProps = {
  name: string;
  setName: (name: string) => void;
  create: ReturnType<typeof useCreate>;
  left: number;
  nothing: boolean;
  /** The text of the JSON tab is not what would be saved. */
  isBroken: boolean;
};

function Save({ name, setName, create, left, nothing, isBroken }: SaveProps) {
  const may = useMay("admin");
  const why = isBroken && may ? "Mend the JSON first." : whyNot(may, nothing, left, name);
  return (
    <Paper withBorder p="md" component="section" aria-label="Save">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (why === null) create.run();
        }}
      >
        <TextInput
          label="Name"
          value={name}
          maxLength={200}
          onChange={(event) => setName(event.currentTarget.value)}
          autoComplete="off"
          dir="auto"
        />
        <Group mt="sm" justify="space-between" gap="xs">
          <Button type="submit" disabled={why !== null} loading={create.busy}>
            Create cohort
          </Button>
        </Group>
        <Text size="xs" c="dimmed" mt={6} mih={18}>
          {why}
        </Text>
      </form>
    </Paper>
  );
}

function whyNot(may: boolean, nothing: boolean, left: number, name: string): string | null {
  if (!may) return "Your key may look, but not change: that needs the scope admin.";
  if (nothing) return "Add a condition first.";
  if (left > 0) return "Complete every condition, or remove it.";
  return name.trim() === "" ? "Give it a name." : null;
}
