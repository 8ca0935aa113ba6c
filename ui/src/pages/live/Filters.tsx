import { Button, NativeSelect, SimpleGrid, TextInput } from "@mantine/core";
import { IconFilter, IconFilterOff, IconSelector } from "@tabler/icons-react";
import { lazy, memo, Suspense, useEffect, useState } from "react";
import type { Search } from "@/router";

export const OUTCOMES = ["processed", "rejected", "pending", "reverted"];
export const LANES = ["realtime", "migration"];

type Props = { kept: Search; keep: (change: Search) => void; narrow: boolean };

/** Which events are wanted: kept in the address, and asked of the server. */
export const Filters = memo(function Filters({ kept, keep, narrow }: Props) {
  const [opened, setOpened] = useState(false);
  const { signal, status, lane, identity } = kept;
  const some = [signal, status, lane, identity].filter(Boolean).length;
  return (
    <search aria-label="Filters">
      {narrow && (
        <Button
          variant="default"
          size="xs"
          leftSection={<IconFilter size={14} aria-hidden />}
          aria-expanded={opened}
          onClick={() => setOpened(!opened)}
        >
          {some > 0 ? `Filters (${some})` : "Filters"}
        </Button>
      )}
      {(!narrow || opened) && (
        <SimpleGrid mt={narrow ? "xs" : 0} cols={{ base: 2, md: 5 }} spacing="sm" verticalSpacing="xs">
          <SignalFilter value={signal} choose={(slug) => keep({ signal: slug })} />
          <NativeSelect
            label="Outcome"
            data={[{ value: "", label: "Any" }, ...OUTCOMES]}
            value={status ?? ""}
            onChange={(event) => keep({ status: event.currentTarget.value || undefined })}
          />
          <NativeSelect
            label="Lane"
            data={[{ value: "", label: "Both" }, ...LANES]}
            value={lane ?? ""}
            onChange={(event) => keep({ lane: event.currentTarget.value || undefined })}
          />
          <IdentityFilter value={identity ?? ""} choose={(text) => keep({ identity: text || undefined })} />
          <Clear
            shown={some > 0}
            clear={() => keep({ signal: undefined, status: undefined, lane: undefined, identity: undefined })}
          />
        </SimpleGrid>
      )}
    </search>
  );
});

/** Below the height of a label, as the other fields are. */
export function Clear({ shown, clear }: { shown: boolean; clear: () => void }) {
  return (
    <div style={{ paddingTop: "1.4rem", visibility: shown ? "visible" : "hidden" }}>
      <Button variant="subtle" color="gray" leftSection={<IconFilterOff size={16} aria-hidden />} onClick={clear}>
        Clear filters
      </Button>
    </div>
  );
}

export type ChooseSignal = { value: string | undefined; choose: (slug: string | undefined) => void };

const SignalSelect = lazy(async () => ({ default: (await import("./SignalSelect")).SignalSelect }));

/** One of the workspace's signals, to be searched for. The list's code comes when somebody goes near it. */
export function SignalFilter(props: ChooseSignal) {
  const [near, setNear] = useState<"no" | "pointed at" | "focused">("no");
  const room = (
    <TextInput
      label="Signal"
      placeholder="Any"
      value={props.value ?? ""}
      readOnly
      role="combobox"
      aria-expanded={false}
      aria-haspopup="listbox"
      rightSection={<IconSelector size={16} aria-hidden />}
      onFocus={() => setNear("focused")}
      onPointerEnter={() => setNear((known) => (known === "no" ? "pointed at" : known))}
    />
  );
  if (near === "no") return room;
  return (
    <Suspense fallback={room}>
      <SignalSelect {...props} focused={near === "focused"} />
    </Suspense>
  );
}

/** Asked for when it is whole: at Enter, or when one goes on to something else. */
function IdentityFilter({ value, choose }: { value: string; choose: (text: string) => void }) {
  const [text, setText] = useState(value);
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    setText(value);
    setWrong(false);
  }, [value]);
  const done = () => {
    const asked = text.trim();
    const whole = asked === "" || /^[^:]+:./.test(asked);
    setWrong(!whole);
    if (whole && asked !== value) choose(asked);
  };
  return (
    <TextInput
      label="Identity"
      placeholder="email:ada@example.com"
      error={wrong ? "type:id, as in account:42" : undefined}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={done}
      onKeyDown={(event) => event.key === "Enter" && done()}
      autoComplete="off"
      autoCapitalize="none"
      spellCheck={false}
    />
  );
}
