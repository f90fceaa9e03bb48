"""Pictures of a run with matplotlib, which is imported in this room alone."""
