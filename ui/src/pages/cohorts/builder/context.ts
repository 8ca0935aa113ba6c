import { createContext, useContext } from "react";
import type { Schemas } from "@/api/client";
import type { Misplaced } from "./Faulty";
import type { Builder } from "./useBuilder";

export type Signal = Schemas["SignalAnswer"];
export type Site = {
  builder: Builder;
  signals: readonly Signal[];
  /** What the server refused, at the part that it is about. */
  fault: Misplaced | null;
};

export const SiteContext = createContext<Site | null>(null);

export function useSite(): Site {
  const site = useContext(SiteContext);
  if (!site) throw new Error("there is no builder around this");
  return site;
}
