"""The direct deployment: the very same program, on the lab, without the Pulumi engine.

Some machines cannot get the Pulumi CLI. There the program's monitor is this package: it applies
each object to the lab's API server, waits as Pulumi would and returns the live object. Nothing is
remembered outside the cluster. It shows the program on any machine; it is no second engine, and
proves nothing about `pulumi up`.
"""
