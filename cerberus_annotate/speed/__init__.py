"""What a slide costs on this machine, stage by stage, beside what it must cost at least."""
