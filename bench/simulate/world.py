"""An installation that runs, and what can happen to it."""

import math
from random import Random

from simulate.clock import Clock, Server
from simulate.parts import Engine, Gateway, Partition, Tally
from simulate.settings import Setup


class World:
    def __init__(self, setup: Setup) -> None:
        self.setup, self.clock, self.tally = setup, Clock(), Tally()
        self._random = Random(setup.seed)
        self.partitions = [Partition(number % setup.brokers) for number in range(setup.partitions)]
        self.shards = [Server(self.clock) for _ in range(setup.shards)]
        self.gateways = [
            Gateway(self.clock, setup, self.partitions, self.tally, self._random) for _ in range(setup.gateways)
        ]
        self.engines = [Engine(self.clock, setup, n, self.shards, self.tally) for n in range(setup.engines)]
        self._running, self._in_group = [True] * setup.engines, [True] * setup.engines
        self._brokers = [True] * setup.brokers
        self._leader: Engine | None = self.engines[0]
        self._leads_from = 0.0
        self._unfollowed = 0
        for engine in self.engines:
            engine.told = self._stored
        self._assign()
        for number, gateway in enumerate(self.gateways):
            offset = setup.parcel * number / setup.gateways
            self.clock.at(offset, lambda gateway=gateway: self.clock.every(setup.parcel, lambda: self._arrive(gateway)))
        self.clock.at(0.25, lambda: self.clock.every(1.0, self._sample))
        self.clock.every(0.05, self._follow)

    def run(self, seconds: float) -> Tally:
        self.clock.run(seconds)
        return self.tally

    def waiting(self) -> int:
        """Events that were acknowledged and are not committed."""
        return self.tally.acknowledged - self.tally.stored

    # --- what happens ------------------------------------------------------------------------------------------------

    def kill_broker(self, number: int) -> None:
        """Its partitions have no leader until the others notice."""
        self._brokers[number] = False
        for partition in self.partitions:
            if partition.broker == number:
                partition.led = False
        if self._lack_replicas():
            for partition in self.partitions:
                partition.led = False
        times = self.setup.times
        self.clock.after(times.broker_session + times.election, self._elect)

    def start_broker(self, number: int) -> None:
        self._brokers[number] = True
        self.clock.after(self.setup.times.election, self._elect)

    def kill_engine(self, number: int) -> None:
        """kill -9: the group hears of it by its silence."""
        self.engines[number].alive = False
        self._end(number)

    def stop_engine(self, number: int) -> None:
        """It ends its blocks, and says that it goes."""
        for partition in [*self.engines[number].owned]:
            self.engines[number].disown(partition)
        self._end(number)

    def start_engine(self, number: int) -> None:
        old = self.engines[number]
        self.engines[number] = new = Engine(self.clock, self.setup, number, self.shards, self.tally)
        new.may_store, new.told = old.may_store, self._stored
        self._running[number] = self._in_group[number] = True
        self.clock.after(self.setup.times.rebalance, self._assign)
        self._elect_leader()

    def stop_database(self) -> None:
        """PostgreSQL is gone: nothing is committed, and gateways know of nothing new."""
        for engine in self.engines:
            engine.may_store = False
        self.clock.after(self.setup.times.lease, self._end_leases)

    def start_database(self) -> None:
        for engine in self.engines:
            engine.may_store = True
        for gateway in self.gateways:
            gateway.catalog = True

    # --- how it goes on ----------------------------------------------------------------------------------------------

    def _arrive(self, gateway: Gateway) -> None:
        setup = self.setup
        batches = self._poisson(setup.rate / setup.batch_events / setup.gateways * setup.parcel)
        if batches:
            gateway.arrive(batches)

    def _poisson(self, mean: float) -> int:
        if mean > 50:
            return max(0, round(self._random.gauss(mean, math.sqrt(mean))))
        left, found = math.exp(-mean), -1
        product = 1.0
        while product > left:
            product *= self._random.random()
            found += 1
        return found

    def _elect(self) -> None:
        if self._lack_replicas():
            return
        alive = [number for number, is_alive in enumerate(self._brokers) if is_alive]
        for partition in self.partitions:
            if not self._brokers[partition.broker]:
                partition.broker = self._random.choice(alive)
            partition.led = True
            pending, partition.pending = partition.pending, []
            for _, send in pending:
                send()

    def _lack_replicas(self) -> bool:
        """Three replicas, of which two must be in sync."""
        return sum(self._brokers) < min(2, len(self._brokers))

    def _end(self, number: int) -> None:
        engine, times = self.engines[number], self.setup.times
        self._running[number] = False
        if self._leader is engine:
            self._leader = None
            self.clock.after(times.lead_look, self._elect_leader)
        self.clock.after(0 if engine.alive else times.engine_session, lambda: self._leave(number))

    def _leave(self, number: int) -> None:
        if not self._running[number]:
            self._in_group[number] = False
            self.clock.after(self.setup.times.rebalance, self._assign)

    def _elect_leader(self) -> None:
        """Whoever asks first, and then takes its time."""
        alive = [engine for number, engine in enumerate(self.engines) if self._running[number]]
        if self._leader is not None or not alive:
            return
        chosen = self._random.choice(alive)
        self._leader = chosen
        self._leads_from = self.clock.now + self.setup.times.lead_begin

    def _assign(self) -> None:
        """As even as can be, moving as little as can be; what moves is missed for one look."""
        members = [engine for number, engine in enumerate(self.engines) if self._in_group[number]]
        if not members:
            return
        share = math.ceil(len(self.partitions) / len(members))
        homeless = []
        for partition in self.partitions:
            owner = next((engine for engine in members if partition in engine.owned), None)
            if owner is None or not owner.alive or len(owner.owned) > share:
                if owner:
                    owner.disown(partition)
                homeless.append(partition)
        for partition in homeless:
            taker = min(members, key=lambda engine: len(engine.owned))
            taker.owned[partition] = 0  # counted, and not begun
            delay = self._random.uniform(0, self.setup.times.look)
            self.clock.after(delay, lambda taker=taker, partition=partition: self._begin(taker, partition))

    def _begin(self, taker: Engine, partition: Partition) -> None:
        """Not while another ends its last block there."""
        if not taker.alive or taker.owned.get(partition) != 0:
            return
        if partition.under_way and partition.holder is not None and partition.holder.alive:
            self.clock.after(self.setup.times.look, lambda: self._begin(taker, partition))
        else:
            taker.own(partition)

    def _end_leases(self) -> None:
        if not self.engines[0].may_store:
            for gateway in self.gateways:
                gateway.catalog = False

    # --- who leads ----------------------------------------------------------------------------------------------------

    def _stored(self, events: int) -> None:
        self._unfollowed += events

    def _follow(self) -> None:
        leader, costs = self._leader, self.setup.costs
        if leader is None or self._leads_from > self.clock.now or not self._unfollowed:
            return
        if leader.core.waits() > 0.1:  # its own partitions want the same core
            return
        events = min(self._unfollowed, self._piece())
        self._unfollowed -= events
        leader.core.do(events * (costs.event_follow + self.setup.live * costs.event_live), lambda: None)

    def _piece(self) -> int:
        """Events that it follows at once, each twentieth of a second: twice as many as come."""
        return max(1_000, self.setup.rate // 10)

    def _sample(self) -> None:
        now = self.clock.now
        oldest = min((since for each in self.partitions if (since := each.oldest()) is not None), default=now)
        behind = self._unfollowed / max(1, self.setup.rate)
        self.tally.samples.append((now, self.waiting(), now - oldest, behind))
