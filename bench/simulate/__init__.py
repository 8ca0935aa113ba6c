"""headwater past one machine as a discrete-event simulation: queues, failures, rebalances. `python bench/simulate`."""
