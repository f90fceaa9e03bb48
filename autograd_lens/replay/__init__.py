"""From a trace back to live torch: recorded tapes executed again."""
