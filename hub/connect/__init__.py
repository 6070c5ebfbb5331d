"""Telling agents' clients of Hubbub: their configuration files, edited in place and restored byte for byte.

    edit      what is to stand where in a document, and how that is taken back
    jsonc     the same on the text of a JSON file, whose comments and layout stay; toml: on TOML's
    entry     what all clients are told: the command, its environment, the hooks
    clients/  one module a client: where its files lie, and what belongs into them
    plan      files as they are -> files as they should be, and back
    files     reading and replacing a file of somebody else's
    record    what was done, so that it can be undone
    here      whose files, which hub, and how this very installation is called

`edit`, `jsonc`, `toml`, `entry` and `clients` are pure: text, environment and paths come in as arguments.
"""
