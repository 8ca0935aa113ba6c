import { Alert, Anchor, Badge } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { KeptTabs } from "@/common/KeptTabs";
import { Loaded } from "@/common/Loading";
import { Page } from "@/common/Page";
import { Approval } from "./Approval";
import { Overview } from "./Overview";
import { type Signal, useSignal } from "./queries";
import { SettingsTab } from "./SettingsTab";
import { SchemaTab } from "./schema/SchemaTab";

/** One signal: what it is and how busy, its schema, how it is handled. */
export function SignalPage() {
  const { slug = "" } = useParams({ strict: false }) as { slug?: string };
  const signal = useSignal(slug);
  return (
    <Page
      title="Signal"
      subject={signal.data?.name ?? slug}
      about={
        <Anchor component={Link} to="/signals" size="sm">
          All signals
        </Anchor>
      }
      actions={signal.data && <Marks signal={signal.data} />}
    >
      <Loaded query={signal} what="signal" lines={8} height={44}>
        {(known) => <Known signal={known} key={known.id} />}
      </Loaded>
    </Page>
  );
}

function Marks({ signal }: { signal: Signal }) {
  return (
    <>
      <Badge variant="outline" tt="none">
        {signal.type}
      </Badge>
      {signal.draft && (
        <Badge variant="light" color="yellow" tt="none">
          draft: its events wait
        </Badge>
      )}
      {!signal.draft && (
        <Badge variant="light" color={signal.active ? "teal" : "gray"} tt="none">
          {signal.active ? "active" : "inactive: its events are refused"}
        </Badge>
      )}
    </>
  );
}

function Known({ signal }: { signal: Signal }) {
  const [text, edit] = useState<string>(); // here, so that a look at another tab does not lose it
  return (
    <>
      <Approval signal={signal} />
      {signal.preset === "ecommerce" && (
        <Alert icon={<IconInfoCircle aria-hidden />} color="water" p="sm">
          This signal came with the catalogue “{signal.preset}”. Its name and fields are words that BIK's clients share:
          they go on sending them as they are, so a stricter schema refuses events of clients that you cannot change.
        </Alert>
      )}
      <KeptTabs
        tabs={[
          { value: "overview", label: "Overview", show: () => <Overview signal={signal} /> },
          { value: "schema", label: "Schema", show: () => <SchemaTab signal={signal} text={text} edit={edit} /> },
          { value: "settings", label: "Settings", show: () => <SettingsTab signal={signal} /> },
        ]}
      />
    </>
  );
}
