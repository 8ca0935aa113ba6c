import "@mantine/core/styles/List.css";
import { Button, List, Text, Tooltip } from "@mantine/core";
import { useState } from "react";
import { useMay } from "@/api/session";
import { Confirm } from "@/common/Confirm";
import { count } from "@/common/numbers";
import { type Backfill, useChange, type Verb } from "./queries";

type Props = { backfill: Backfill };

/** What can be done with a backfill now. */
export function Actions({ backfill }: Props) {
  const [asking, ask] = useState<Verb | null>(null);
  const { status, held } = backfill;
  const settled = status === "open" || status === "closed";
  return (
    <>
      {status === "open" && <Act verb="Close" act={() => ask("close")} />}
      {held && settled && <Act verb="Release" act={() => ask("release")} />}
      {settled && <Act verb="Revert" danger act={() => ask("revert")} />}
      {asking && <Ask key={asking} backfill={backfill} verb={asking} done={() => ask(null)} />}
    </>
  );
}

function Act({ verb, act, danger = false }: { verb: string; act: () => void; danger?: boolean }) {
  const may = useMay("admin");
  const button = (
    <Button variant={danger ? "light" : "default"} {...(danger ? { color: "red" } : {})} disabled={!may} onClick={act}>
      {verb}
    </Button>
  );
  if (may) return button;
  return (
    <Tooltip label="The key that is signed in lacks the scope admin.">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard reaches the reason as the mouse does */}
      <span tabIndex={0}>{button}</span>
    </Tooltip>
  );
}

type AskProps = Props & { verb: Verb; done: () => void };

function Ask({ backfill, verb, done }: AskProps) {
  const change = useChange(backfill.id, verb, done);
  const shared = { opened: true, close: done, busy: change.isPending, error: change.error, act: () => change.mutate() };
  if (verb === "close") {
    return (
      <Confirm {...shared} title="Close this backfill" verb="Close" danger={false}>
        <Text size="sm">
          It takes no more events, for good: who sends into it is answered 409. What it took stays
          {backfill.held ? " held" : ", and counts"}. An upload that is under way ends.
        </Text>
      </Confirm>
    );
  }
  if (verb === "release") {
    return (
      <Confirm {...shared} title="Release this backfill" verb="Release" danger={false}>
        <Text size="sm">
          Its events{backfill.events === null ? "" : `, ${count(backfill.events)} so far,`} count from now on, in
          metrics, states, profiles and cohorts. It cannot be held again, but reverted at any time.
        </Text>
      </Confirm>
    );
  }
  return (
    <Confirm {...shared} title="Revert this backfill" verb="Revert for good" typed={backfill.name}>
      <Text size="sm">
        From the answer on its events count for nothing, as if they had never been sent. They stay readable as reverted.
        Nothing brings them back: to load the same again, make another backfill.
      </Text>
      <Text size="sm" mt="xs">
        What cannot be taken back:
      </Text>
      <List size="sm">
        <List.Item>an unmerge or an erasure that somebody did meanwhile</List.Item>
        <List.Item>the history of cohorts: who left because of it is written down there</List.Item>
        <List.Item>what your own systems did because of its events</List.Item>
      </List>
    </Confirm>
  );
}
