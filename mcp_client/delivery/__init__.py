"""How a buffered message reaches the model: one module a hop.

piggyback  any result of our tools says that mail waits
check      the model asks, and has what is buffered at once
waiting    the model waits, and has it the moment it comes

A hop takes from the inbox under the claim of the request it answers; the claim is settled when the answer went out.
"""
