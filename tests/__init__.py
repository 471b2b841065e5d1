"""The tests. What the libraries read from the environment as they are loaded is set before any is, as a command does.

Otherwise threads of llama.cpp spin while they wait for each other: on two busy cores a test takes ten times as long.
"""

from guardcli import environment

environment.prepare()
