import { KeptTabs } from "@/common/KeptTabs";
import { Page } from "@/common/Page";
import { AboutTab } from "./AboutTab";
import { AuditTab } from "./AuditTab";
import { ErasuresTab } from "./ErasuresTab";
import { KeysTab } from "./KeysTab";
import { WorkspaceTab } from "./WorkspaceTab";

/** Who may do what in the workspace, how it joins people, and who changed what. */
export function SettingsPage() {
  return (
    <Page title="Settings" about="Keys, the workspace, and who changed what.">
      <KeptTabs
        tabs={[
          { value: "keys", label: "Keys", show: () => <KeysTab /> },
          { value: "workspace", label: "Workspace", show: () => <WorkspaceTab /> },
          { value: "audit", label: "Audit log", show: () => <AuditTab /> },
          { value: "erasures", label: "Erasures", show: () => <ErasuresTab /> },
          { value: "about", label: "About", show: () => <AboutTab /> },
        ]}
      />
    </Page>
  );
}
