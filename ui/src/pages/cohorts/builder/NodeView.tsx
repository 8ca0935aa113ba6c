import { NativeSelect, Text } from "@mantine/core";
import { Actions } from "./Actions";
import { AddMenu } from "./AddMenu";
import classes from "./builder.module.css";
import { missing } from "./complete";
import { useSite } from "./context";
import { Faulty, useIsFaulty } from "./Faulty";
import { AttributeFields, MetricFields, PerformedFields, SequenceFields, StateFields } from "./leaves";
import { type Group, isGroup, type Leaf, type Node } from "./model";
import { Words } from "./Words";
import { met } from "./words";

/** A condition, or a group with all that is in it. */
export function NodeView({ node, root = false }: { node: Node; root?: boolean }) {
  const { body } = node;
  return isGroup(body) ? <GroupView node={node} body={body} root={root} /> : <LeafView node={node} body={body} />;
}

function LeafView({ node, body }: { node: Node; body: Leaf }) {
  const needs = missing(node);
  const faulty = useIsFaulty(node.id);
  return (
    <fieldset
      className={classes.leaf}
      data-node={node.id}
      data-faulty={faulty || undefined}
      aria-label={`Condition: ${node.nots > 0 ? "not " : ""}${met(body)}`}
      style={{ margin: 0, minInlineSize: 0 }}
    >
      <div className={classes.head}>
        <div className={`${classes.body} ${classes.parts}`}>
          <Fields node={node} body={body} />
        </div>
        <Actions node={node} />
      </div>
      {needs && (
        <Text size="xs" c="dimmed" mt={2}>
          Not complete: {needs.text.charAt(0).toLowerCase() + needs.text.slice(1)}.
        </Text>
      )}
      <Faulty id={node.id} />
    </fieldset>
  );
}

function Fields({ node, body }: { node: Node; body: Leaf }) {
  switch (body.kind) {
    case "performed":
      return <PerformedFields node={node} body={body} />;
    case "sequence":
      return <SequenceFields node={node} body={body} />;
    case "state":
      return <StateFields node={node} body={body} />;
    case "attribute":
      return <AttributeFields node={node} body={body} />;
    case "metric":
      return <MetricFields node={node} body={body} />;
  }
}

const HOW = { "all 0": "all of", "any 0": "any of", "any 1": "none of", "all 1": "not all of" } as const;

function GroupView({ node, body, root }: { node: Node; body: Group; root: boolean }) {
  const { builder } = useSite();
  const faulty = useIsFaulty(node.id);
  const how = `${body.kind} ${node.nots}`;
  const data = Object.entries(HOW).map(([value, label]) => ({ value, label: String(label) }));
  if (!(how in HOW)) data.push({ value: how, label: `${"not ".repeat(node.nots)}${body.kind} of` });
  return (
    <fieldset
      className={classes.group}
      data-node={node.id}
      data-kind={body.kind}
      data-faulty={faulty || undefined}
      aria-label={`Group: ${data.find((each) => each.value === how)?.label}`}
      style={{ margin: 0, minInlineSize: 0 }}
    >
      <div className={classes.head} style={{ marginBottom: 6 }}>
        <div className={`${classes.body} ${classes.line}`}>
          <NativeSelect
            size="xs"
            aria-label="How many of these must hold"
            data={data}
            value={how}
            data-first
            onChange={(event) => {
              const [kind, nots] = event.currentTarget.value.split(" ");
              const parts = { kind: kind === "any" ? "any" : "all", parts: body.parts } as const;
              builder.replace(node.id, { ...node, nots: Number(nots), body: parts });
            }}
          />
          <Words>{body.parts.length === 1 ? "this" : "these"}</Words>
        </div>
        {!root && <Actions node={node} />}
      </div>
      <ul className={classes.parts}>
        {body.parts.map((part, place) => (
          <li key={part.id} className={classes.parts}>
            {place > 0 && <span className={classes.join}>{body.kind === "all" ? "and" : "or"}</span>}
            <NodeView node={part} />
          </li>
        ))}
        <li>
          <AddMenu group={node.id} />
        </li>
      </ul>
      <Faulty id={node.id} />
    </fieldset>
  );
}
