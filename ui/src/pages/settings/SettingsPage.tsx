import "@mantine/core/styles/Tabs.css";
import { Tabs } from "@mantine/core";
import { Page } from "@/common/Page";
import { useKept } from "@/common/search";
import { AboutTab } from "./AboutTab";
import { AuditTab } from "./AuditTab";
import { ErasuresTab } from "./ErasuresTab";
import { KeysTab } from "./KeysTab";
import { WorkspaceTab } from "./WorkspaceTab";

const TABS = [
  { value: "keys", label: "Keys", Tab: KeysTab },
  { value: "workspace", label: "Workspace", Tab: WorkspaceTab },
  { value: "audit", label: "Audit log", Tab: AuditTab },
  { value: "erasures", label: "Erasures", Tab: ErasuresTab },
  { value: "about", label: "About", Tab: AboutTab },
] as const;

/** Who may do what in the workspace, how it joins people, and who changed what. */
export function SettingsPage() {
  const [kept, keep] = useKept();
  const tab = TABS.find((each) => each.value === kept.tab)?.value ?? "keys";
  return (
    <Page title="Settings" about="Keys, the workspace, and who changed what.">
      <Tabs
        value={tab}
        onChange={(next) => keep({ tab: next === "keys" ? undefined : (next ?? undefined) })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {TABS.map((each) => (
            <Tabs.Tab key={each.value} value={each.value}>
              {each.label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map(({ value, Tab }) => (
          <Tabs.Panel key={value} value={value}>
            <Tab />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
