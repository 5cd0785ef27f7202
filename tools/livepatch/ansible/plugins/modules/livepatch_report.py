#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Write the report of a rollout."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: livepatch_report
short_description: Write the report of a rollout as JSON and text
description:
  - Writes PATH.json and PATH.txt on the controller. The rollout playbook calls it after each batch,
    so that an interrupted run leaves the report of the batches before.
  - The time to protection of a host that an earlier run has updated is taken from the report
    of that run, if it was about the same livepatch.
options:
  path:
    description: Path of the report without its suffix.
    type: path
    required: true
  name:
    description: Name of the livepatch that is rolled out.
    type: str
    required: true
  hosts:
    description:
      - The outcome of each host. Its keys are outcome, which is pending, protected or failed,
        reason, message, in_force, seconds, blockers, reversed.
    type: dict
    required: true
  stopped:
    description: Why the rollout has stopped. Empty if it has not.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
author:
  - The authors of this livepatch core
"""

EXAMPLES = r"""
- name: Write the report
  linux.livepatch.livepatch_report:
    path: /var/log/livepatch/rollout
    name: livepatch_fix_2
    hosts: "{{ outcomes }}"
  delegate_to: localhost
"""

RETURN = r"""
summary:
  description: Numbers of hosts by outcome, by reason and by version, and times to protection.
  type: dict
  returned: always
text:
  description: The lines of the text report.
  type: list
  elements: str
  returned: always
"""

import json
import os
import statistics
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

OUTCOMES = ("protected", "failed", "pending")


def read_earlier(path, name):
    """Return the hosts of the earlier report about this livepatch."""
    try:
        with open(path, encoding="utf-8") as stream:
            earlier = json.load(stream)
    except (OSError, ValueError):
        return {}
    return earlier.get("hosts", {}) if earlier.get("name") == name else {}


def clean(entry):
    """Return the outcome of a host with the types that templates have changed to strings."""
    entry = dict(entry)
    if not isinstance(entry.get("in_force"), list):
        entry["in_force"] = None
    try:
        entry["seconds"] = float(entry.get("seconds"))
    except (TypeError, ValueError):
        entry["seconds"] = None
    return entry


def count(values):
    """Return how often each value occurs."""
    numbers = {}
    for value in values:
        numbers[value] = numbers.get(value, 0) + 1
    return numbers


def version(host):
    """Return the livepatches of a host as one word."""
    if host.get("in_force") is None:
        return "unknown"
    return "+".join(host["in_force"]) or "none"


def held_by(blocker):
    """Return a task that holds up a transition as text."""
    where = " in %s" % blocker["function"] if blocker.get("function") else ""
    return "%s[%s] %s%s" % (blocker["comm"], blocker["tid"], blocker["reason"], where)


def summarize(hosts):
    times = {name: host["seconds"] for name, host in hosts.items()
             if host["outcome"] == "protected" and host.get("seconds") is not None}
    slowest = max(times, key=times.get) if times else None
    return {
        "hosts": len(hosts),
        "outcomes": {outcome: sum(host["outcome"] == outcome for host in hosts.values())
                     for outcome in OUTCOMES},
        "versions": count(version(host) for host in hosts.values()),
        "reasons": count(host["reason"] for host in hosts.values() if host.get("reason")),
        "seconds": {
            "measured": len(times),
            "median": round(statistics.median(times.values()), 3) if times else None,
            "longest": times[slowest] if times else None,
            "longest_host": slowest,
        },
    }


def text_lines(name, stopped, summary, hosts):
    """Return the report as text."""
    lines = ["rollout of %s: %d hosts, %s" % (
        name, summary["hosts"],
        ", ".join("%d %s" % (summary["outcomes"][outcome], outcome) for outcome in OUTCOMES))]
    if stopped:
        lines.append("stopped: %s" % stopped)
    lines.append("versions: %s" % ", ".join(
        "%s on %d" % item for item in sorted(summary["versions"].items())))
    seconds = summary["seconds"]
    if seconds["measured"]:
        lines.append("time to protection: median %.2f s, longest %.2f s on %s" % (
            seconds["median"], seconds["longest"], seconds["longest_host"]))
    width = max(len(host) for host in hosts) if hosts else 0
    for host in sorted(hosts):
        entry = hosts[host]
        words = [entry["outcome"], version(entry)]
        if entry.get("reason"):
            words.append("%s: %s" % (entry["reason"], entry.get("message", "").split("\n")[0]))
        if entry.get("reversed"):
            words.append("(reversed)")
        lines.append("  %-*s  %s" % (width, host, "  ".join(words)))
        for blocker in entry.get("blockers") or []:
            lines.append("  %-*s    held up by %s" % (width, "", held_by(blocker)))
    return lines


def replace_file(path, text):
    """Write to a temporary file and rename it: a reader never sees a part."""
    new = tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path) or ".", delete=False,
                                      encoding="utf-8")
    with new:
        new.write(text)
        os.fchmod(new.fileno(), 0o644)
    os.rename(new.name, path)


def main():
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "hosts": {"type": "dict", "required": True},
            "stopped": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    options = module.params
    hosts = {host: clean(entry) for host, entry in options["hosts"].items()}
    earlier = read_earlier(options["path"] + ".json", options["name"])
    for host, entry in hosts.items():
        # Also for hosts of later batches, whose outcome is still pending.
        if entry["seconds"] is None:
            entry["seconds"] = earlier.get(host, {}).get("seconds")

    summary = summarize(hosts)
    lines = text_lines(options["name"], options["stopped"], summary, hosts)
    report = {"report": "livepatch-rollout", "version": 1, "name": options["name"],
              "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
              "stopped": options["stopped"], "summary": summary, "hosts": hosts}
    if not module.check_mode:
        try:
            replace_file(options["path"] + ".json",
                         json.dumps(report, indent=1, sort_keys=True) + "\n")
            replace_file(options["path"] + ".txt", "\n".join(lines) + "\n")
        except OSError as error:
            module.fail_json(msg="the report cannot be written: %s" % error)
    module.exit_json(changed=not module.check_mode, summary=summary, text=lines)


if __name__ == "__main__":
    main()
