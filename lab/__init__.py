"""A real Kubernetes control plane in a network namespace of this machine, for the tests and the demo.

`lab.cluster.Lab` is the door for Python, `python -m lab` the one for a shell; README.md tells how it works.
"""
