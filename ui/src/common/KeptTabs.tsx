import "@mantine/core/styles/Tabs.css";
import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";
import { useKept } from "./search";

type Tab = { value: string; label: string; show: () => ReactNode };

/** Tabs of which the address keeps the one that is open; the first is open without. */
export function KeptTabs({ tabs }: { tabs: readonly [Tab, ...Tab[]] }) {
  const [kept, keep] = useKept();
  const first = tabs[0].value;
  const open = tabs.find((each) => each.value === kept.tab)?.value ?? first;
  return (
    <Tabs
      value={open}
      onChange={(next) => keep({ tab: next === first ? undefined : (next ?? undefined) })}
      keepMounted={false}
    >
      <Tabs.List mb="md">
        {tabs.map((each) => (
          <Tabs.Tab key={each.value} value={each.value} px="sm">
            {each.label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {tabs.map((each) => (
        <Tabs.Panel key={each.value} value={each.value}>
          {each.show()}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
