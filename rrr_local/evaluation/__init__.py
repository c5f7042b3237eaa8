"""Before and after, with intervals: the protocol, the statistics, comparison and report."""
