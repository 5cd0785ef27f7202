#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Read the livepatches of a host, and check them after a change."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: livepatch_info
short_description: Read the livepatches of a host, and check them
description:
  - Returns what klpctl knows of the livepatches of the host, and what the kernel has logged.
    Changes nothing.
  - With O(expect), the module fails if the host is not in the state that is expected after a
    livepatch has been enabled.
options:
  expect:
    description: The expected state of the host.
    type: dict
    suboptions:
      name:
        description: Livepatch that must be in force, with no livepatch in transition.
        type: str
        required: true
      boot_id:
        description: The RV(boot_id) from before the change. Another one means that the host has
          been booted meanwhile.
        type: str
      log_position:
        description: The RV(log_position) from before the change. No message after it may be a
          warning, bug, oops or stall of the kernel.
        type: int
  need_root:
    description: Fail without root, which a change needs.
    type: bool
    default: false
  need_extended:
    description: Fail if the core of the running kernel is that of Linux 6.12.
    type: bool
    default: false
  klpctl:
    description: Name or path of klpctl.
    type: str
    default: klpctl
attributes:
  check_mode:
    support: full
author:
  - The authors of this livepatch core
"""

EXAMPLES = r"""
- name: Read the livepatches
  linux.livepatch.livepatch_info:
  register: before

- name: Check the host after a livepatch has been enabled
  linux.livepatch.livepatch_info:
    expect:
      name: livepatch_fix_2
      boot_id: "{{ before.boot_id }}"
      log_position: "{{ before.log_position }}"
"""

RETURN = r"""
kernel:
  description: Release of the running kernel and kind of its livepatch core.
  type: dict
  returned: always
patches:
  description: The livepatches, as in the output of klpctl status --json.
  type: list
  elements: dict
  returned: always
in_force:
  description: Names of the livepatches that all tasks run.
  type: list
  elements: str
  returned: always
installed:
  description: Names of the livepatches that are loaded at boot.
  type: list
  elements: str
  returned: always
boot_id:
  description: Random number of this boot.
  type: str
  returned: always
log_position:
  description: Number of the next message of the kernel, null if the log cannot be read.
  type: int
  returned: always
reports:
  description: Warnings, bugs, oopses and stalls that the kernel has logged since
    O(expect.log_position).
  type: list
  elements: str
  returned: always
reason:
  description:
    - The cause of a failure in a word. no_klpctl, no_livepatch, no_root, stock_core, rebooted,
      in_transition, not_in_force, kernel_report, failed.
  type: str
  returned: on failure
"""

import errno
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.linux.livepatch.plugins.module_utils.klpctl import (
    Klpctl, in_force, is_moving, normalize, word)

REPORT = re.compile(
    r"^([A-Za-z_0-9]+: )?((WARNING|BUG|Oops|KASAN|KCSAN|UBSAN|KFENCE)[: ]|kernel BUG at|"
    r"Kernel panic|general protection fault|[Uu]nable to handle|"
    r"INFO: .*(stall|blocked for more than))")


def read_log():
    """Return the messages of the kernel as pairs of number and text, None if it is not allowed."""
    messages = []
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    while True:
        try:
            record = os.read(log, 16384)
        except OSError as error:
            # The record has been overwritten. The next read returns the oldest one.
            if error.errno == errno.EPIPE:
                continue
            # EAGAIN is the end.
            break
        if not record:
            break
        head, dummy, text = record.decode("utf-8", "replace").partition(";")
        messages.append((int(head.split(",")[1]), text.split("\n")[0]))
    os.close(log)
    return messages


def read_line(path):
    with open(path, encoding="ascii") as stream:
        return stream.read().strip()


class Host:
    """The livepatches of this host."""

    def __init__(self, module):
        self.options = module.params
        self.klpctl = Klpctl(module, module.params["klpctl"])
        self.status = self.klpctl.status()
        store = self.klpctl.query("list-installed")
        messages = read_log()
        self.results = {
            "kernel": self.status["kernel"],
            "patches": self.status["patches"],
            "in_force": [patch["name"] for patch in self.status["patches"] if in_force(patch)],
            "installed": [entry["name"] for entry in store["installed"]],
            "boot_id": read_line("/proc/sys/kernel/random/boot_id"),
            "log_position": None,
            "reports": [],
        }
        if messages is not None:
            self.results["log_position"] = messages[-1][0] + 1 if messages else 0
            expected = module.params["expect"] or {}
            since = expected.get("log_position")
            self.results["reports"] = [text for number, text in messages
                                       if since is not None and number >= since
                                       and REPORT.match(text)]

    def fail(self, reason, message):
        self.klpctl.fail(reason, message, **self.results)

    def check_needs(self):
        if self.options["need_root"] and os.geteuid() != 0:
            self.fail("no_root", "root is required to change livepatches: set become")
        core = self.results["kernel"]["core"]
        if self.options["need_extended"] and core != "extended":
            self.fail("stock_core", "kernel %s has the livepatch core of stock, or tracefs is not "
                      "mounted" % self.results["kernel"]["release"])

    def check_expected(self, expect):
        name = normalize(expect["name"])
        if expect["boot_id"] and expect["boot_id"] != self.results["boot_id"]:
            self.fail("rebooted", "the host has been booted since the livepatch was requested")
        moving = [patch["name"] for patch in self.results["patches"] if is_moving(patch)]
        if moving:
            self.fail("in_transition", "'%s' is in transition" % moving[0])
        if name not in self.results["in_force"]:
            found = [word(patch) for patch in self.results["patches"] if patch["name"] == name]
            self.fail("not_in_force", "'%s' is %s" % (name, found[0] if found else "not loaded"))
        if self.results["reports"]:
            self.fail("kernel_report", "the kernel has reported: %s" % self.results["reports"][0])


def main():
    module = AnsibleModule(
        argument_spec={
            "expect": {"type": "dict", "options": {
                "name": {"type": "str", "required": True},
                "boot_id": {"type": "str"},
                "log_position": {"type": "int"},
            }},
            "need_root": {"type": "bool", "default": False},
            "need_extended": {"type": "bool", "default": False},
            "klpctl": {"type": "str", "default": "klpctl"},
        },
        supports_check_mode=True,
    )
    host = Host(module)
    host.check_needs()
    if module.params["expect"]:
        host.check_expected(module.params["expect"])
    module.exit_json(changed=False, **host.results)


if __name__ == "__main__":
    main()
