"""What `hubbub bench` and `make bench` measure with: a load generator in a process of its own, and clocks.

`load` is that process. It keeps any number of connections, publishes with so many messages in flight, and checks
every byte that each subscriber is sent. How a server is spoken to is a `Dialect`; the hub's own is `speech`, those of
other servers are in the checkout's `benchmarks/`.
"""
