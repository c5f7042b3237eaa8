"""Training: from failures to an adapter, in steps that survive being killed."""
