"""Positions of a log of many partitions: a partition's own positions, told apart by their remainder."""

MOST_PARTITIONS = 1024


def spread(partition: int, position: int) -> int:
    """A partition's own position as one that no other partition has. Keeps the order within the partition."""
    return position * MOST_PARTITIONS + partition


def partition_of(position: int) -> int:
    return position % MOST_PARTITIONS


def own(position: int) -> int:
    """What it is to its own partition."""
    return position // MOST_PARTITIONS
