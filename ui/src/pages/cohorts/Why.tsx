import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, told } from "@/api/client";
import { FaultNote } from "@/common/Fault";
import { Loaded } from "@/common/Loading";
import { Moment } from "@/common/Moment";
import { Identities } from "@/common/marks";
import { Outside } from "@/common/Outside";
import { isGroup, type Model } from "./builder/model";
import { met } from "./builder/words";
import { type Found, type Verdict, verdict } from "./explain";
import classes from "./list.module.css";
import type { Cohort } from "./queries";

type Props = { cohort: Cohort; model: Model; who: string; ask: (who: string) => void };

/** Why somebody is in or out: every condition, and what was found. */
export function Why({ cohort, model, who, ask }: Props) {
  const [text, setText] = useState(who);
  useEffect(() => setText(who), [who]);
  return (
    <Stack gap="md">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask(named(text));
        }}
      >
        <Group align="flex-end" gap="xs">
          <TextInput
            label="Who"
            description="type:id, as email:ada@example.com or account:42"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            dir="auto"
            style={{ flex: "1 1 14rem", maxWidth: "26rem" }}
            autoComplete="off"
          />
          <Button type="submit" disabled={text.trim() === ""}>
            Explain
          </Button>
        </Group>
      </form>
      {who !== "" && <Explained id={cohort.id} model={model} who={who} />}
    </Stack>
  );
}

/** A bare e-mail address or phone number is taken for one. */
function named(text: string): string {
  const who = text.trim();
  if (who.includes(":")) return who;
  if (who.includes("@")) return `email:${who}`;
  return /^\+?[\d\s()-]{6,}$/.test(who) ? `phone:${who}` : who;
}

function Explained({ id, model, who }: { id: string; model: Model; who: string }) {
  const explained = useQuery({
    queryKey: ["cohorts", "explain", id, who],
    queryFn: ({ signal }) =>
      told(api.GET("/v1/cohorts/{id}/members/{key}", { params: { path: { id, key: who } }, signal })),
    refetchInterval: 5_000,
  });
  return (
    <Loaded query={explained} what="explanation" lines={6}>
      {(found) => (
        <Stack gap="sm">
          {explained.error && <FaultNote error={explained.error} what="This is not the newest" />}
          <Alert
            color={found.member ? "teal" : "gray"}
            icon={found.member ? <IconCircleCheck /> : <IconCircleX />}
            title={found.member ? "In the cohort" : "Not in the cohort"}
          >
            <Group gap="xs">
              <Identities identities={found.identities} most={4} />
              {found.since && (
                <Text size="sm">
                  since <Moment at={found.since} />
                </Text>
              )}
            </Group>
            {!found.is_subject && <NoSubject subject={found.subject} />}
          </Alert>
          <ul className={classes.tree} aria-label="Conditions">
            <Part verdict={verdict(model.where, found.explain)} />
          </ul>
        </Stack>
      )}
    </Loaded>
  );
}

function NoSubject({ subject }: { subject: string }) {
  return (
    <Text size="sm">
      {subject === "person"
        ? "No processed event named this identity together with an e-mail address or a phone number, so it is no person here."
        : "No processed event makes this one of the kind that the cohort is of: "}
      {subject !== "person" && <Outside text={subject} />}
    </Text>
  );
}

const TITLES = {
  "all 0": "All of these",
  "any 0": "At least one of these",
  "all 1": "Not all of these",
  "any 1": "None of these",
};

function Part({ verdict: { node, holds, found, parts } }: { verdict: Verdict }) {
  const { body, nots } = node;
  const mark = holds ? (
    <IconCircleCheck size={18} color="var(--mantine-color-teal-7)" role="img" aria-label="Fulfilled" />
  ) : (
    <IconCircleX size={18} color="var(--mantine-color-red-7)" role="img" aria-label="Not fulfilled" />
  );
  if (isGroup(body)) {
    const title =
      TITLES[`${body.kind} ${nots}` as keyof typeof TITLES] ?? `${"Not ".repeat(nots)}${body.kind} of these`;
    return (
      <li data-holds={holds}>
        <div className={classes.verdict}>
          {mark}
          <Text size="sm" fw={600}>
            {title}
          </Text>
        </div>
        <ul className={classes.tree}>
          {parts.map((part) => (
            <Part key={part.id} verdict={part} />
          ))}
        </ul>
      </li>
    );
  }
  return (
    <li className={classes.verdict} data-holds={holds}>
      {mark}
      <div style={{ minWidth: 0 }}>
        <Text size="sm" className="outside">
          {nots > 0 && <strong>{"not: ".repeat(nots)}</strong>}
          {met(body)}
        </Text>
        {found.map((each) => (
          <Text key={each.text} size="xs" c="dimmed" component="div">
            {found.length > 1 && (
              <>
                <Outside text={each.text} />
                {": "}
              </>
            )}
            found: <Observed found={each} />
          </Text>
        ))}
      </div>
    </li>
  );
}

/** A count, a sum, a value; the times of the steps that a sequence got to. */
function Observed({ found: { condition, observed } }: { found: Found }) {
  if ("sequence" in condition && Array.isArray(observed)) {
    const steps = (condition as { sequence: unknown[] }).sequence.length;
    return (
      <>
        {observed.length} of {steps} steps
        {observed.map((at, place) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
          <span key={place}>
            {place === 0 ? ": " : ", then "}
            <Moment at={String(at)} />
          </span>
        ))}
      </>
    );
  }
  if (observed === null || observed === undefined) return <>nothing</>;
  if ("performed" in condition && !("sum" in condition) && !("avg" in condition)) {
    return <>{observed === 1 ? "1 time" : `${JSON.stringify(observed)} times`}</>;
  }
  return <Outside text={typeof observed === "string" ? `“${observed}”` : JSON.stringify(observed)} />;
}
