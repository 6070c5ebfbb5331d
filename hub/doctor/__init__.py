"""`hubbub doctor`: each thing that has to hold, looked at in the order in which they depend on each other.

    finding        what was found, what to type about it, and what --fix may do about it
    examination    the order
    installation   the version, its packages, and what `hubbub` on PATH is
    predecessor    what is left of claude-ipc-mcp: folders, processes, entries, messages
    settings       what is set, and where each value comes from
    home           HUBBUB_HOME: whose it is, who may read it, what a killed process left there
    token          the token file, and what the environment says instead
    database       the file, the disk under it, who holds a lock on it, and whether it is sound
    attachments    the files that messages carry
    running        the hub: whether it runs, answers, takes the token, and is well
    bridge         the door for old scripts, and the shared secret on both sides
    clock          this clock against the hub's and against the log
    clients        what the configuration of each agent's client says

It looks, and changes nothing. What --fix does is safe to do while a hub and agents run: modes of our own files, notes
of processes that are gone, and entries of ours in clients' configurations. docs/doctor.md has every finding.
"""
