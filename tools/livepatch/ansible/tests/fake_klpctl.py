#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A klpctl without a kernel, for the tests of the modules.

Its state is host.json in the directory of the program: loaded (name: enabled, transition or
replaced), installed (names), and what goes wrong: hold (loads do not complete), veto (loads are
refused), core, calls (the commands that have changed something). A module is a file of JSON with
name, kernel and replaces.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
STATE = os.path.join(HERE, "host.json")
STORE = os.path.join(HERE, "store")


def read():
    with open(STATE, encoding="utf-8") as stream:
        return json.load(stream)


def write(host):
    with open(STATE, "w", encoding="utf-8") as stream:
        json.dump(host, stream)


def patch_json(name, state):
    return {"name": name, "in_sysfs": state != "replaced", "enabled": state != "replaced",
            "transition": state == "transition", "references": 0,
            "state": {"enabled": "enabled", "transition": "enabling"}.get(state, "disabled")}


def stop(code, message=""):
    if message:
        print("klpctl: " + message, file=sys.stderr)
    sys.exit(code)


def module(path):
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def load(host, argument):
    path = argument if "/" in argument else os.path.join(STORE, argument + ".ko")
    if not os.path.exists(path):
        stop(1, "'%s': there is no such module" % argument)
    new = module(path)
    if host.get("veto"):
        stop(4, "'%s': the kernel refuses to load: EBUSY" % new["name"])
    if host.get("hold"):
        host["loaded"][new["name"]] = "transition"
        write(host)
        stop(3, "'%s': the transition is not complete after 1 s" % new["name"])
    for old in new.get("replaces", []):
        if old in host["loaded"]:
            host["loaded"][old] = "replaced"
    host["loaded"][new["name"]] = "enabled"


def query(host, command, arguments):
    if command == "status":
        return {"kernel": {"release": "6.12.0-test", "core": host.get("core", "extended")},
                "patches": [patch_json(*item) for item in host["loaded"].items()]}
    if command == "list-installed":
        return {"directory": STORE, "installed": [
            {"name": name[:-3], "file": name} for name in sorted(os.listdir(STORE))]}
    if command == "blockers":
        return {"blockers": [{"comm": "cat", "tid": 7, "reason": "sleeping", "function": "show"}]}
    new = module(arguments[0])
    fits = new["kernel"] == "6.12.0-test"
    return {"name": new["name"], "checks": [
        {"name": "vermagic", "result": "ok" if fits else "failed", "text": new["kernel"]}]}


def change(host, command, arguments):
    name = arguments[0] if arguments else None
    if command == "load":
        load(host, name)
    elif command == "install":
        with open(name, encoding="utf-8") as source:
            text = source.read()
        with open(os.path.join(STORE, module(name)["name"] + ".ko"), "w", encoding="utf-8") as new:
            new.write(text)
    elif command == "uninstall":
        os.unlink(os.path.join(STORE, name + ".ko"))
    elif command == "unload":
        del host["loaded"][name]
    elif command == "disable":
        host["loaded"][name] = "replaced"
    elif command == "reverse":
        if host.get("stuck"):
            stop(3, "'%s': the transition is not complete after 1 s" % name)
        del host["loaded"][name]
    elif command == "wait":
        if host.get("hold"):
            stop(3, "the transition is not complete after 1 s")
        for moving in [n for n, state in host["loaded"].items() if state == "transition"]:
            host["loaded"][moving] = "enabled"


def main():
    command, *arguments = sys.argv[1:]
    host = read()
    if "--json" in arguments:
        print(json.dumps(query(host, command, arguments)))
        return
    if command != "wait":
        host.setdefault("calls", []).append(command)
    change(host, command, arguments)
    write(host)


main()
