#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Bring one livepatch of a host into a state."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: livepatch
short_description: Install, enable, disable or remove a livepatch
description:
  - Brings one livepatch of the host into a state, by klpctl. Nothing is done if the livepatch is
    in the state already.
  - A transition that runs already, such as that of an interrupted run, is waited for and not
    requested again.
options:
  name:
    description: Name of the livepatch, which is that of its module.
    type: str
    required: true
  state:
    description:
      - V(present) installs the module for the next boot, and changes nothing in the running kernel.
      - V(enabled) loads the module, waits until all tasks run the new functions, and installs
        the module if O(file) is set. A module that could not be enabled is not installed.
      - V(disabled) disables the livepatch. An installed module stays installed.
      - V(absent) disables the livepatch, unloads its module and uninstalls it.
    type: str
    choices: [present, absent, enabled, disabled]
    default: enabled
  file:
    description:
      - Path of the module on the host. V(present) requires it. Without it, V(enabled) loads the
        installed module, or the one in /lib/modules.
    type: path
  wait:
    description: Wait for the end of the transition.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for the end of a transition. 0 is without a limit.
    type: int
    default: 60
  on_timeout:
    description:
      - What to do with a transition that does not complete in time. V(keep) lets it continue,
        V(reverse) reverses it and unloads the module. The module fails in both cases.
    type: str
    choices: [keep, reverse]
    default: keep
  klpctl:
    description: Name or path of klpctl.
    type: str
    default: klpctl
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author:
  - The authors of this livepatch core
"""

EXAMPLES = r"""
- name: Enable a livepatch, and give up after two minutes
  linux.livepatch.livepatch:
    name: livepatch_fix_2
    file: /run/livepatch-fix-2.ko
    state: enabled
    timeout: 120
    on_timeout: reverse
"""

RETURN = r"""
patch:
  description: The livepatch, as in the output of klpctl status --json. null if it is not loaded.
  type: dict
  returned: always
blockers:
  description:
    - The tasks that held up the transition when the time was over, as in the output of klpctl
      blockers --json.
  type: list
  elements: dict
  returned: always
check:
  description: The output of klpctl check --json for a module that was to be loaded.
  type: dict
  returned: always
seconds:
  description: Time from the request until all tasks were switched.
  type: float
  returned: when this run has enabled or disabled the livepatch
reason:
  description:
    - The cause of a failure in a word. no_klpctl, no_livepatch, no_root, no_file, wrong_kernel,
      check_failed, other_build, timed_out, refused, reversed, failed.
  type: str
  returned: on failure
"""

import filecmp
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.linux.livepatch.plugins.module_utils.klpctl import (
    DONE, REFUSED, REVERSED, TIMED_OUT, Clock, Klpctl, in_force, is_moving, normalize, word)


class Livepatch:
    """One livepatch of this host."""

    def __init__(self, module):
        self.module = module
        self.options = module.params
        self.name = normalize(module.params["name"])
        self.klpctl = Klpctl(module, module.params["klpctl"])
        self.changed = False
        self.blockers = []
        self.check = None
        self.seconds = None
        self.read()
        self.before = self.summary()

    def read(self):
        self.patch = self.klpctl.patch(self.name)
        self.store = self.klpctl.installed(self.name)

    def summary(self):
        return {"name": self.name, "state": word(self.patch), "installed": bool(self.store)}

    def results(self, after):
        results = {"changed": self.changed, "patch": self.patch, "blockers": self.blockers,
                   "check": self.check, "diff": {"before": self.before, "after": after}}
        if self.seconds is not None:
            results["seconds"] = self.seconds
        return results

    def fail(self, reason, message):
        """End the module. What has been undone counts as unchanged."""
        self.read()
        after = self.summary()
        self.changed = after != self.before
        self.klpctl.fail(reason, message, **self.results(after))

    def may_change(self):
        """Mark the result as changed. Return False in check mode, and fail without root."""
        if self.module.check_mode:
            self.changed = True
            return False
        if os.geteuid() != 0:
            self.fail("no_root", "root is required to change livepatches: set become")
        self.changed = True
        return True

    def request(self, *args):
        """Run a command of klpctl that may not fail in this place."""
        code, out, err = self.klpctl.run(*args)
        if code != DONE:
            reason = {REFUSED: "refused", REVERSED: "reversed"}.get(code, "failed")
            self.fail(reason, err.strip() or out.strip())

    def timeout(self):
        return ["--timeout", self.options["timeout"]]

    def give_up(self, message):
        """Reverse a transition that took too long. Return if it has completed meanwhile."""
        self.klpctl.run("reverse", self.name, *self.timeout())
        self.read()
        if in_force(self.patch):
            return
        # The core may still be about to drop its references: klpctl tries again for a while.
        if self.patch and not self.patch["transition"]:
            self.klpctl.run("unload", self.name)
        self.read()
        if self.patch:
            self.fail("timed_out", "%s\nthe reversal is not complete either" % message)
        self.fail("reversed", "%s\nthe transition has been reversed" % message)

    def wait_or_fail(self, code, err, may_reverse):
        """Handle the exit code of a command that waits for a transition."""
        if code == DONE:
            return
        if code != TIMED_OUT:
            reason = {REFUSED: "refused", REVERSED: "reversed"}.get(code, "failed")
            self.fail(reason, err.strip())
        self.blockers = self.klpctl.query("blockers")["blockers"]
        if not may_reverse or self.options["on_timeout"] == "keep":
            self.fail("timed_out", err.strip())
        self.give_up(err.strip())

    def settle(self):
        """Wait for a transition of this patch or of another one, which would refuse requests."""
        target = self.options["state"] == "enabled"
        own = is_moving(self.patch) and self.patch["in_sysfs"]
        if self.module.check_mode or not any(map(is_moving, self.klpctl.status()["patches"])):
            return
        if own and bool(self.patch["enabled"]) != target and self.may_change():
            self.change("reverse", self.name)
            self.read()
            return
        if own and not self.options["wait"]:
            return
        clock = Clock()
        code, dummy, err = self.klpctl.run("wait", *self.timeout())
        # The transition of another patch is not given up.
        self.wait_or_fail(code, err, own and target)
        self.read()
        if own:
            self.seconds = clock.seconds()

    def change(self, *args):
        """Run a command that starts a transition, and wait for its end."""
        clock = Clock()
        waiting = self.timeout() if self.options["wait"] else ["--no-wait"]
        code, dummy, err = self.klpctl.run(*(list(args) + waiting))
        self.wait_or_fail(code, err, args[0] in ("load", "enable"))
        if self.options["wait"]:
            self.seconds = clock.seconds()

    def check_file(self):
        """Fail if klpctl or the kernel would refuse to load the file."""
        path = self.options["file"] or self.store
        if not path:
            return
        if not os.path.exists(path):
            # In check mode the file has not been copied.
            if not self.module.check_mode:
                self.fail("no_file", "there is no file '%s'" % path)
            return
        self.check = self.klpctl.query("check", path)
        failed = {check["name"]: check["text"] for check in self.check["checks"]
                  if check["result"] == "failed" and check["name"] not in ("loaded", "transition")}
        if "vermagic" in failed:
            self.fail("wrong_kernel", "'%s' is not for the kernel of this host: %s"
                      % (path, failed["vermagic"]))
        if failed:
            self.fail("check_failed", "'%s' would be refused: %s"
                      % (path, "; ".join("%s: %s" % item for item in sorted(failed.items()))))
        if self.check["name"] != self.name:
            self.fail("check_failed", "'%s' is the livepatch '%s', not '%s'"
                      % (path, self.check["name"], self.name))

    def check_build(self):
        """Fail if a module of this name is loaded that is not the file."""
        note = "/sys/module/%s/notes/.note.gnu.build-id" % self.name
        path = self.options["file"]
        if not path or not path.endswith(".ko") or not os.path.exists(path):
            return
        try:
            with open(note, "rb") as stream:
                build = stream.read()
        except OSError:
            return
        with open(path, "rb") as stream:
            if build not in stream.read():
                self.fail("other_build", "another build of '%s' is loaded: give each version a "
                          "name of its own" % self.name)

    def install(self):
        path = self.options["file"]
        if not path or (self.module.check_mode and not os.path.exists(path)):
            return
        if not os.path.exists(path):
            self.fail("no_file", "there is no file '%s'" % path)
        if self.store and filecmp.cmp(path, self.store, shallow=False):
            return
        if self.may_change():
            self.request("install", path)

    def uninstall(self):
        if self.store and self.may_change():
            self.request("uninstall", self.name)

    def unload(self):
        """Disable the patch and unload its module."""
        if self.patch and self.may_change():
            self.change("unload", self.name)

    def load(self):
        if self.patch and self.patch["in_sysfs"]:
            # A persistent patch, which keeps its directory.
            self.change("enable", self.name)
            return
        if self.patch:
            # The patch has been disabled or replaced. Only a load enables it again.
            self.request("unload", self.name)
        self.change("load", self.options["file"] or self.name)

    def present(self):
        if not self.options["file"] and not self.store:
            self.fail("no_file", "'file' is required to install '%s'" % self.name)
        self.install()

    def absent(self):
        self.settle()
        # First the store: a host that boots in between must not load the livepatch again.
        self.uninstall()
        self.unload()

    def enabled(self):
        self.settle()
        if in_force(self.patch):
            self.check_build()
        elif not is_moving(self.patch):
            self.check_file()
            if self.may_change():
                self.load()
        self.install()

    def disabled(self):
        self.settle()
        if in_force(self.patch) and self.may_change():
            self.change("disable", self.name)

    def planned(self):
        """Return what the summary will be: in check mode nothing has been changed."""
        if not self.module.check_mode:
            self.read()
            return self.summary()
        after = dict(self.before)
        state = self.options["state"]
        if state == "absent":
            after.update(state="not loaded", installed=False)
        elif state == "disabled" and in_force(self.patch):
            after["state"] = "disabled"
        elif state == "enabled":
            after["state"] = "enabled"
        if self.options["file"] and state in ("present", "enabled"):
            after["installed"] = True
        return after


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "default": "enabled",
                      "choices": ["present", "absent", "enabled", "disabled"]},
            "file": {"type": "path"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
            "on_timeout": {"type": "str", "default": "keep", "choices": ["keep", "reverse"]},
            "klpctl": {"type": "str", "default": "klpctl"},
        },
        supports_check_mode=True,
    )
    livepatch = Livepatch(module)
    getattr(livepatch, module.params["state"])()
    after = livepatch.planned()
    module.exit_json(**livepatch.results(after))


if __name__ == "__main__":
    main()
