"""A scripted conversation between agents, over the real hub: `hubbub demo`."""
