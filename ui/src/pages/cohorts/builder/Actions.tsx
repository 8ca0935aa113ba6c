import { ActionIcon, Tooltip } from "@mantine/core";
import {
  IconArrowDown,
  IconArrowUp,
  IconCopyPlus,
  IconFold,
  IconParentheses,
  IconTrash,
  type Icon as TablerIcon,
} from "@tabler/icons-react";
import classes from "./builder.module.css";
import { useSite } from "./context";
import { canUnwrap, moved } from "./edit";
import { isGroup, type Node } from "./model";

/** What can be done with one condition or group. */
export function Actions({ node }: { node: Node }) {
  const { builder } = useSite();
  const { where } = builder.model;
  const apart = isGroup(node.body) && canUnwrap(where, node.id);
  return (
    <div className={classes.actions}>
      <Act
        act="up"
        of={node.id}
        label="Move up"
        icon={IconArrowUp}
        off={!moved(where, node.id, -1)}
        run={() => builder.move(node.id, -1)}
      />
      <Act
        act="down"
        of={node.id}
        label="Move down"
        icon={IconArrowDown}
        off={!moved(where, node.id, 1)}
        run={() => builder.move(node.id, 1)}
      />
      <Act act="copy" of={node.id} label="Duplicate" icon={IconCopyPlus} run={() => builder.duplicate(node.id)} />
      {apart ? (
        <Act
          act="unwrap"
          of={node.id}
          label="Take the group apart"
          icon={IconFold}
          run={() => builder.unwrap(node.id)}
        />
      ) : (
        <Act
          act="wrap"
          of={node.id}
          label="Put into a group"
          icon={IconParentheses}
          run={() => builder.wrap(node.id)}
        />
      )}
      <Act act="remove" of={node.id} label="Remove" icon={IconTrash} run={() => builder.remove(node.id)} />
    </div>
  );
}

type Props = { act: string; of: string; label: string; icon: TablerIcon; run: () => void; off?: boolean };

const OFF = { opacity: 0.35, cursor: "default", background: "none" };

/** One that cannot be used stays reachable, so that the focus is not lost at an edge. */
function Act({ act, of, label, icon: Icon, run, off = false }: Props) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        size={30}
        variant="subtle"
        color="gray"
        aria-label={label}
        aria-disabled={off || undefined}
        style={off ? OFF : undefined}
        data-act={act}
        data-of={of}
        onClick={() => !off && run()}
      >
        <Icon size={16} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
