"""A believable shop and the CRM beside it, made from a seed: for `headwater demo`, the tests and the benches.

Pure: the same seed, number of events and end give the same events, whatever machine makes them.
"""
