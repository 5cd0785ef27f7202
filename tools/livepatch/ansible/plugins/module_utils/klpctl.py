# SPDX-License-Identifier: GPL-2.0
"""Calls of klpctl, and what the modules of this collection have in common."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import time

# Exit codes of klpctl, see klpctl(8).
DONE = 0
TIMED_OUT = 3
REFUSED = 4
REVERSED = 5


def normalize(name):
    """Return the name of a module as the kernel has it."""
    return name.replace("-", "_")


class Klpctl:
    """The klpctl of this host. A query that fails ends the module."""

    def __init__(self, module, program):
        self.module = module
        self.path = module.get_bin_path(program, opt_dirs=["/usr/local/sbin"])
        if not self.path:
            self.fail("no_klpctl", "there is no program '%s' on this host: install klpctl"
                      % program)

    def fail(self, reason, message, **results):
        """End the module. reason is a word for programs, message is for people."""
        self.module.fail_json(msg=message, reason=reason, **results)

    def run(self, *args):
        """Run klpctl and return its exit code, its output and its messages."""
        return self.module.run_command([self.path] + [str(arg) for arg in args])

    def query(self, *args):
        """Return the JSON of a query."""
        code, out, err = self.run(*args, "--json")
        try:
            return json.loads(out)
        except ValueError:
            text = "no livepatch support" in err
            return self.fail("no_livepatch" if text else "failed",
                             "klpctl %s has failed with %d: %s" % (args[0], code, err.strip()))

    def status(self):
        return self.query("status")

    def patch(self, name):
        """Return the JSON of a loaded patch, or None."""
        for patch in self.status()["patches"]:
            if patch["name"] == name:
                return patch
        return None

    def installed(self, name):
        """Return the path of an installed patch, or None."""
        store = self.query("list-installed")
        for entry in store["installed"]:
            if entry["name"] == name:
                return os.path.join(store["directory"], entry["file"])
        return None


def in_force(patch):
    """Return True if all tasks run the functions of the patch."""
    return bool(patch and patch["in_sysfs"] and patch["enabled"] and not patch["transition"])


def is_moving(patch):
    """Return True if a transition has to end before the patch can be changed."""
    return bool(patch and (patch["transition"] or patch["state"] == "leaving"))


def word(patch):
    """Return the state of the patch in a word, also for a module that is not loaded."""
    return patch["state"] if patch else "not loaded"


class Clock:
    """Seconds since the creation of the object."""

    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return round(time.monotonic() - self.start, 3)
