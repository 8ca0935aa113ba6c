"""The engine's state held against itself, the log and the store."""

from collections.abc import Mapping, Sequence

from headwater.catalog.examined import Contents
from headwater.doctor.report import Check, fault, ok, some, unchecked, warning
from headwater.errors import CorruptionError
from headwater.events import Lane
from headwater.log.base import Reader
from headwater.pipeline import missing, months_of
from headwater.state.base import Account, Link, Plan
from headwater.store.base import Examined

_RESTORE = (
    "do not start headwater; keep a copy of the data directory as it is; state.db can only be restored together with "
    "the log and the store of the same moment: all of the data directory from one backup"
)
_ALL = 1 << 62


def file(faults: Sequence[str]) -> Check:
    """What SQLite says of its own file."""
    if faults:
        return fault("state.file", f"SQLite finds: {some(faults)}", _RESTORE, faults=list(faults))
    return ok("state.file", "SQLite finds its file whole")


def blocks(ledger: Mapping[Lane, Account]) -> Check:
    """Each lane's committed blocks, and that the one under way is the next."""
    figures = {lane.value: account.cursor.block for lane, account in ledger.items()}
    said = ", ".join(f"{lane} committed {block} blocks" for lane, block in figures.items())
    wrong = [
        f"{lane} block {account.plan.block} is under way after block {account.cursor.block}"
        for lane, account in ledger.items()
        if account.plan and account.plan.block != account.cursor.block + 1
    ]
    if wrong:
        return fault("state.blocks", f"{said}; {some(wrong)}", _RESTORE, **figures)
    return ok("state.blocks", said, **figures)


def doubts(ledger: Mapping[Lane, Account], reader: Reader, store: Examined | None, running: bool) -> Check:
    """Blocks that were planned and not committed, and what the next start would make of each."""
    name = "state.doubt"
    plans = [account.plan for account in ledger.values() if account.plan]
    if running:
        return ok(name, f"{len(plans)} blocks under way; the engine runs and decides over them", planned=len(plans))
    if not plans:
        return ok(name, "no block is in doubt", planned=0)
    if store is None:
        return unchecked(name, f"{len(plans)} blocks are in doubt, and the store cannot be read")
    said, figures = [], {}
    for plan in plans:
        try:
            absent = settle(plan, reader, store)
        except CorruptionError as error:
            return fault(name, f"the next start will stop here: {error}", _RESTORE, planned=len(plans))
        figures[plan.lane.value] = {"block": plan.block, "months": plan.months, "missing": sorted(absent)}
        there = "none" if absent == plan.months.keys() else "part" if absent else "all"
        said.append(f"of {plan.lane} block {plan.block}, {sum(plan.months.values())} events, the store has {there}")
    return warning(name, "; ".join(said), "start headwater: it stores what is missing and goes on", **figures)


def settle(plan: Plan, reader: Reader, store: Examined) -> set[int]:
    """The months of a block in doubt that the pipeline would insert again. Raises CorruptionError as it would."""
    records = reader.read(plan.lane, plan.start, _ALL, plan.end).records
    found = store.rows("block_months", {"lane": plan.lane.value, "block": plan.block})
    return missing(plan, months_of(records), {row["month"]: row["events"] for row in found})


def links(linked: Mapping[str, int], contents: Contents | None, asked: int, unknown: Sequence[Link]) -> Check:
    """Whether identities that stored events name together are linked, and every link is of a workspace.

    `asked`: how many pairs of the log were looked for, `unknown`: those that are not there.
    """
    if contents is None:
        return unchecked("state.links", "the catalog cannot be read")
    strange = sorted(linked.keys() - {each.id for each in contents.workspaces})
    said = f"{sum(linked.values())} links of identities in {len(linked)} workspaces"
    figures = {"links": sum(linked.values()), "asked": asked, "missing": len(unknown)}
    if unknown:
        pairs = [f"{each.a} and {each.b} in {each.workspace}" for each in unknown]
        said = f"{said}; {len(unknown)} of {asked} pairs in the log are not linked: {some(pairs)}"
        return fault("state.links", said, _RESTORE, **figures)
    if strange:
        said = f"{said}; the catalog does not know {some(strange)}"
        return fault("state.links", said, "restore catalog.db from its newest backup", **figures)
    return ok("state.links", f"{said}; all {asked} pairs that the log still knows are there", **figures)
