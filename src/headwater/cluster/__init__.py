"""Past one machine: many partitions of the log, shared by several engines, followed by the one that leads."""
