#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of the modules with a klpctl that needs no kernel. Runs without root.

The modules run as Ansible runs them, but in this process: the arguments are JSON, and the results
are caught where the modules print them.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile
import types
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True


def import_collection():
    """Let the collection be imported by its name from this directory."""
    name = ""
    for part, path in (("ansible_collections", None), ("linux", None),
                       ("livepatch", os.path.dirname(HERE)),
                       ("plugins", os.path.join(HERE, "..", "plugins")),
                       ("modules", os.path.join(HERE, "..", "plugins", "modules")),
                       ("module_utils", os.path.join(HERE, "..", "plugins", "module_utils"))):
        parent = name if part != "module_utils" else "ansible_collections.linux.livepatch.plugins"
        name = parent + "." + part if parent else part
        package = types.ModuleType(name)
        package.__path__ = [path] if path else []
        sys.modules[name] = package


import_collection()
basic = importlib.import_module("ansible.module_utils.basic")
PLUGINS = "ansible_collections.linux.livepatch.plugins."
MODULES = {name: importlib.import_module(PLUGINS + "modules." + name)
           for name in ("livepatch", "livepatch_info", "livepatch_report")}


class Ended(Exception):
    """A module has ended."""


class Case(unittest.TestCase):
    """A host with one installed and enabled livepatch, fix_1, and the file of fix_2."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.klpctl = os.path.join(self.dir, "klpctl")
        shutil.copy(os.path.join(HERE, "fake_klpctl.py"), self.klpctl)
        os.chmod(self.klpctl, 0o755)
        os.mkdir(os.path.join(self.dir, "store"))
        self.set_host(loaded={"fix_1": "enabled"})
        self.write_module("store/fix_1.ko", "fix_1")
        self.file = self.write_module("fix-2.ko", "fix_2", replaces=["fix_1"])
        self.root = True

    def write_module(self, path, name, kernel="6.12.0-test", **more):
        path = os.path.join(self.dir, path)
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(dict(name=name, kernel=kernel, **more), stream)
        return path

    def set_host(self, **host):
        with open(os.path.join(self.dir, "host.json"), "w", encoding="utf-8") as stream:
            json.dump(host, stream)

    def host(self):
        with open(os.path.join(self.dir, "host.json"), encoding="utf-8") as stream:
            return json.load(stream)

    def installed(self):
        return sorted(os.listdir(os.path.join(self.dir, "store")))

    def run_module(self, which, **arguments):
        """Run a module and return its results, with failed set."""
        results = {}
        check = arguments.pop("check_mode", False)
        basic._ANSIBLE_ARGS = json.dumps(
            {"ANSIBLE_MODULE_ARGS": dict(arguments, _ansible_check_mode=check)}).encode()

        def end(failed):
            def catch(module, **kwargs):
                results.update(kwargs, failed=failed)
                raise Ended()
            return catch

        with mock.patch.object(basic.AnsibleModule, "exit_json", end(False)), \
             mock.patch.object(basic.AnsibleModule, "fail_json", end(True)), \
             mock.patch("os.geteuid", lambda: 0 if self.root else 1000):
            with self.assertRaises(Ended):
                MODULES[which].main()
        return results

    def livepatch(self, **arguments):
        arguments.setdefault("name", "fix-2")
        arguments.setdefault("klpctl", self.klpctl)
        return self.run_module("livepatch", **arguments)

    def info(self, **arguments):
        return self.run_module("livepatch_info", klpctl=self.klpctl, **arguments)

    def assert_failed(self, results, reason):
        self.assertTrue(results["failed"])
        self.assertEqual(results["reason"], reason, results["msg"])

    def assert_calls(self, *calls):
        self.assertEqual(self.host().get("calls", []), list(calls))


class Enabled(Case):
    def test_enable_and_again(self):
        results = self.livepatch(file=self.file)
        self.assertTrue(results["changed"])
        self.assertIn("seconds", results)
        self.assertEqual(results["diff"]["before"]["state"], "not loaded")
        self.assertEqual(results["diff"]["after"],
                         {"name": "fix_2", "state": "enabled", "installed": True})
        self.assert_calls("load", "install")
        results = self.livepatch(file=self.file)
        self.assertFalse(results["changed"])
        self.assertNotIn("seconds", results)
        self.assertEqual(results["diff"]["before"], results["diff"]["after"])
        self.assert_calls("load", "install")

    def test_check_mode_changes_nothing(self):
        results = self.livepatch(file=self.file, check_mode=True)
        self.assertTrue(results["changed"])
        self.assertEqual(results["diff"]["after"]["state"], "enabled")
        self.assert_calls()
        self.assertFalse(self.livepatch(name="fix_1", check_mode=True)["changed"])

    def test_without_file_loads_the_installed_one(self):
        self.set_host(loaded={})
        self.assertTrue(self.livepatch(name="fix_1")["changed"])
        self.assert_calls("load")

    def test_replaced_module_is_loaded_again(self):
        self.set_host(loaded={"fix_1": "replaced"})
        self.livepatch(name="fix_1")
        self.assert_calls("unload", "load")

    def test_interrupted_between_load_and_install(self):
        self.set_host(loaded={"fix_2": "enabled"})
        self.assertTrue(self.livepatch(file=self.file)["changed"])
        self.assert_calls("install")

    def test_interrupted_transition_is_waited_for(self):
        self.set_host(loaded={"fix_2": "transition"})
        results = self.livepatch(file=self.file)
        self.assert_calls("install")
        self.assertIn("seconds", results)

    def test_no_wait(self):
        self.set_host(loaded={"fix_2": "transition"}, hold=True)
        self.write_module("store/fix_2.ko", "fix_2", replaces=["fix_1"])
        self.assertFalse(self.livepatch(file=self.file, wait=False)["changed"])
        self.assert_calls()

    def test_timeout_keeps(self):
        self.set_host(loaded={"fix_1": "enabled"}, hold=True)
        results = self.livepatch(file=self.file, timeout=1)
        self.assert_failed(results, "timed_out")
        self.assertEqual(results["blockers"][0]["comm"], "cat")
        self.assertTrue(results["changed"])
        self.assertEqual(self.host()["loaded"]["fix_2"], "transition")
        self.assertEqual(self.installed(), ["fix_1.ko"])

    def test_timeout_reverses(self):
        self.set_host(loaded={"fix_1": "enabled"}, hold=True)
        results = self.livepatch(file=self.file, timeout=1, on_timeout="reverse")
        self.assert_failed(results, "reversed")
        self.assertEqual(results["blockers"][0]["function"], "show")
        self.assertFalse(results["changed"])
        self.assertEqual(self.host()["loaded"], {"fix_1": "enabled"})
        self.assertEqual(self.installed(), ["fix_1.ko"])

    def test_reversal_that_is_held_too(self):
        self.set_host(loaded={}, hold=True, stuck=True)
        results = self.livepatch(file=self.file, timeout=1, on_timeout="reverse")
        self.assert_failed(results, "timed_out")
        self.assertTrue(results["changed"])

    def test_veto(self):
        self.set_host(loaded={"fix_1": "enabled"}, veto=True)
        results = self.livepatch(file=self.file)
        self.assert_failed(results, "refused")
        self.assertIn("EBUSY", results["msg"])
        self.assertFalse(results["changed"])
        self.assertEqual(self.installed(), ["fix_1.ko"])

    def test_module_for_another_kernel(self):
        path = self.write_module("other.ko", "fix_2", kernel="6.1.0")
        for check in (False, True):
            results = self.livepatch(file=path, check_mode=check)
            self.assert_failed(results, "wrong_kernel")
            self.assertIn("6.1.0", results["msg"])
        self.assert_calls()

    def test_module_of_another_name(self):
        self.assert_failed(self.livepatch(name="fix_3", file=self.file), "check_failed")

    def test_no_root(self):
        self.root = False
        self.assert_failed(self.livepatch(file=self.file), "no_root")
        self.assert_calls()
        self.assertFalse(self.livepatch(name="fix_1")["failed"])

    def test_no_klpctl(self):
        self.assert_failed(self.livepatch(klpctl="klpctl-missing"), "no_klpctl")

    def test_no_file(self):
        self.assert_failed(self.livepatch(file=self.file + "x"), "no_file")


class OtherStates(Case):
    def test_present(self):
        self.assertTrue(self.livepatch(file=self.file, state="present")["changed"])
        self.assertFalse(self.livepatch(file=self.file, state="present")["changed"])
        self.assert_calls("install")
        self.assert_failed(self.livepatch(name="fix_3", state="present"), "no_file")

    def test_absent(self):
        self.assertTrue(self.livepatch(name="fix_1", state="absent")["changed"])
        self.assertFalse(self.livepatch(name="fix_1", state="absent")["changed"])
        self.assert_calls("uninstall", "unload")

    def test_absent_reverses_a_transition(self):
        self.set_host(loaded={"fix_2": "transition"}, hold=True)
        self.assertTrue(self.livepatch(state="absent")["changed"])
        self.assert_calls("reverse")

    def test_disabled(self):
        results = self.livepatch(name="fix_1", state="disabled", check_mode=True)
        self.assertEqual(results["diff"]["after"]["state"], "disabled")
        self.assertTrue(self.livepatch(name="fix_1", state="disabled")["changed"])
        self.assertFalse(self.livepatch(name="fix_1", state="disabled")["changed"])
        self.assert_calls("disable")
        self.assertEqual(self.installed(), ["fix_1.ko"])


class Info(Case):
    def test_state_of_the_host(self):
        results = self.info()
        self.assertEqual(results["in_force"], ["fix_1"])
        self.assertEqual(results["installed"], ["fix_1"])
        self.assertFalse(results["changed"])

    def test_needs(self):
        self.set_host(loaded={}, core=None)
        self.assert_failed(self.info(need_extended=True), "stock_core")
        self.root = False
        self.assert_failed(self.info(need_root=True), "no_root")

    def test_gate(self):
        boot = self.info()["boot_id"]
        self.assertFalse(self.info(expect={"name": "fix-1", "boot_id": boot})["failed"])
        self.assert_failed(self.info(expect={"name": "fix_1", "boot_id": "x"}), "rebooted")
        self.assert_failed(self.info(expect={"name": "fix_2"}), "not_in_force")
        self.set_host(loaded={"fix_1": "enabled", "fix_2": "transition"})
        self.assert_failed(self.info(expect={"name": "fix_1"}), "in_transition")

    def test_reports_of_the_kernel(self):
        log = [(1, "WARNING: CPU: 0 PID: 1 at old"), (2, "livepatch: enabling patch 'fix_1'"),
               (3, "BUG: unable to handle page fault"), (4, "a test prints BUG: in a sentence")]
        with mock.patch.object(MODULES["livepatch_info"], "read_log", lambda: log):
            self.assertFalse(self.info(expect={"name": "fix_1", "log_position": 4})["failed"])
            results = self.info(expect={"name": "fix_1", "log_position": 2})
        self.assert_failed(results, "kernel_report")
        self.assertEqual(results["reports"], ["BUG: unable to handle page fault"])
        self.assertEqual(results["log_position"], 5)


class Report(Case):
    def report(self, **hosts):
        return self.run_module("livepatch_report", path=os.path.join(self.dir, "report"),
                               name="fix_2", hosts=hosts)

    def test_numbers(self):
        results = self.report(
            a={"outcome": "protected", "in_force": ["fix_2"], "seconds": "1.5"},
            b={"outcome": "protected", "in_force": ["fix_2"], "seconds": 3},
            c={"outcome": "protected", "in_force": ["fix_2"], "seconds": 2},
            d={"outcome": "failed", "in_force": ["fix_1"], "reason": "reversed", "reversed": True,
               "message": "late", "seconds": "",
               "blockers": [{"comm": "cat", "tid": 7, "reason": "sleeping", "function": "show"}]},
            e={"outcome": "pending", "in_force": ""})
        summary = results["summary"]
        self.assertEqual(summary["outcomes"], {"protected": 3, "failed": 1, "pending": 1})
        self.assertEqual(summary["versions"], {"fix_2": 3, "fix_1": 1, "unknown": 1})
        self.assertEqual(summary["seconds"], {"measured": 3, "median": 2, "longest": 3,
                                              "longest_host": "b"})
        with open(os.path.join(self.dir, "report.txt"), encoding="utf-8") as stream:
            text = stream.read()
        self.assertIn("held up by cat[7] sleeping in show", text)
        self.assertIn("5 hosts, 3 protected, 1 failed, 1 pending", text)

    def test_times_of_an_earlier_run_stay(self):
        self.report(a={"outcome": "protected", "in_force": ["fix_2"], "seconds": 1.5})
        # The report after a batch in which the host is not.
        results = self.report(a={"outcome": "pending", "in_force": ["fix_2"]})
        self.assertEqual(results["summary"]["seconds"]["measured"], 0)
        results = self.report(a={"outcome": "protected", "in_force": ["fix_2"], "seconds": ""})
        self.assertEqual(results["summary"]["seconds"]["median"], 1.5)


if __name__ == "__main__":
    unittest.main()
