"""What is simulated: how much there is of everything, and what things cost."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Costs:
    """Seconds of one core, unless it says otherwise. Where each comes from: docs/scale.md, "The simulation"."""

    batch: float = 1.2e-3
    """A gateway, to take a batch of 100 events: measured embedded (450 µs, BIK), times what one on Kafka took beside
    that on the same machine (2.6)."""
    replicate: float = 0.004
    """Waiting, not CPU: from handing a batch in until two brokers have it."""
    event_read: float = 5.0e-6
    """An engine, to read an event and make its row and its links: with `event_follow` what one engine took that did
    both (9.1 µs), in small blocks."""
    block_begin: float = 0.020
    """Waiting: to write a block down before it is inserted."""
    block_commit: float = 0.040
    """Waiting: to commit it, in PostgreSQL."""
    insert_begin: float = 0.080
    """A core of the store, for an insert of any size."""
    event_insert: float = 7.0e-6
    """For an event more, merges included: what the embedded pipeline takes (8.8 µs) without our Python."""
    event_follow: float = 4.0e-6
    """The engine that leads, for an event of any partition: it reads what all have stored, and whom it links."""
    event_live: float = 50e-6
    """And for an event of a workspace that has fifty live cohorts: measured embedded, at 10,000 events/s."""


@dataclass(frozen=True)
class Times:
    """Seconds that headwater or what it runs on waits before it believes something."""

    broker_session: float = 9.0
    """Kafka, until a broker that says nothing is dead."""
    election: float = 0.5
    engine_session: float = 10.0
    """Kafka, until an engine that says nothing has left the group."""
    rebalance: float = 1.5
    look: float = 0.5
    """Of an engine for what it is assigned."""
    doubt: float = 5.0
    """Until a block that was planned by somebody else can be counted."""
    lead_look: float = 1.0
    lead_begin: float = 10.0
    """Until a new leader has read what it needs; grows with people and cohorts."""
    stalled: float = 1.0
    """No batch goes to a partition that has confirmed nothing for so long."""
    lease: float = 5.0
    """How long gateways go on without PostgreSQL."""
    linger: float = 0.1


@dataclass(frozen=True)
class Setup:
    """One installation and its load."""

    rate: int
    """Events a second."""
    gateways: int = 2
    partitions: int = 12
    engines: int = 2
    shards: int = 1
    """Cores of ClickHouse that insert, on however many servers."""
    brokers: int = 3
    batch_events: int = 100
    block_events: int = 50_000
    live: float = 0.0
    """The share of events that are of workspaces with cohorts."""
    most_in_flight: int = 1_000
    """Requests of a gateway, before it answers 503."""
    parcel: float = 0.005
    """Seconds of a gateway's arrivals that are simulated as one."""
    costs: Costs = field(default_factory=Costs)
    times: Times = field(default_factory=Times)
    seed: int = 1
