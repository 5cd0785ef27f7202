#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Simulate the rollout of a livepatch over a fleet, with measured transition times.

The model follows the playbook rollout of the collection linux.livepatch: canary hosts, batches, a
gate after each batch, and a limit of failures in percent of the batch. Batches have one size, or
grow by a factor from the size of the canary up to it. The engine works on as many hosts at once as
it has workers, and has as many processors as are given. A host fails for a reason of its own, or
its transition is held up until the time is over and is reversed. A batch with more failures than
the limit is reversed. Then an operator looks at it, excludes the failed hosts, and starts the
rollout again, which repeats the batch. The failed hosts are tried once more at the end.

Writes DIR/protection.RATE and DIR/reach.RATE for the chart: the hours until 99 % of the hosts are
protected, and the hosts that a bad version reaches at most in 99 % of the rollouts. Writes
simulation.json with all figures and simulation.rst with a table. The same seed gives the same
figures.
"""

import argparse
import heapq
import json
import os
import random
import statistics

HOUR = 3600


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("times", help="file with a measured transition time in seconds per line")
    parser.add_argument("dir", help="directory for the results")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5, help="simulated rollouts of each kind")
    parser.add_argument("--hosts", type=int, default=100000)
    parser.add_argument("--canary", type=int, default=10, help="hosts of the canary")
    parser.add_argument("--batches", type=int, nargs="+", help="sizes of the batches",
                        default=[10, 30, 100, 300, 1000, 3000, 10000, 30000])
    parser.add_argument("--grow", type=int, default=3, help="factor of growing batches")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.001, 0.01, 0.03],
                        help="shares of hosts that fail")
    parser.add_argument("--bad", type=float, nargs="+", default=[0.1, 0.3],
                        help="shares of hosts on which a bad version fails the gate")
    parser.add_argument("--held", type=float, default=0.002,
                        help="share of the hosts whose transition is held up")
    parser.add_argument("--limit", type=float, default=5, help="failures of a batch, in percent")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for a transition")
    parser.add_argument("--soak", type=float, default=60, help="seconds between batch and gate")
    parser.add_argument("--workers", type=int, default=200, help="forks of the engine")
    parser.add_argument("--processors", type=int, default=16, help="processors of the engine")
    parser.add_argument("--host-cpu", type=float, default=3,
                        help="seconds of a processor of the engine for each host")
    parser.add_argument("--host-wait", type=float, default=10,
                        help="seconds that a host spends in the other steps")
    parser.add_argument("--operator", type=float, default=1800,
                        help="seconds until an operator starts a stopped rollout again")
    return parser.parse_args()


class Rollout:
    """One simulated rollout."""

    def __init__(self, options, times, rate, dice):
        self.options = options
        self.times = times
        self.rate = rate
        self.dice = dice
        self.clock = 0.0
        self.protected = []     # pairs of time and number of hosts
        self.failed = 0
        self.stops = 0
        self.batches = 0

    def host(self):
        """Return the time of one host, and whether it is protected then."""
        if self.dice.random() < self.options.held:
            # The reversal is quick: the pending tasks run the old functions already.
            return self.options.host_wait + self.options.timeout, False
        return (self.options.host_wait + self.dice.choice(self.times),
                self.dice.random() >= self.rate)

    def work(self, durations):
        """Return the time that the engine needs for hosts with these durations."""
        workers = [0.0] * min(self.options.workers, len(durations))
        for duration in durations:
            heapq.heapreplace(workers, workers[0] + duration)
        busy = len(durations) * self.options.host_cpu / self.options.processors
        return max(max(workers), busy)

    def batch(self, size, limit):
        """Run a batch. Return how many of its hosts are left to be tried again with the batch."""
        hosts = [self.host() for _ in range(size)]
        failures = sum(not good for _, good in hosts)
        self.batches += 1
        self.clock += self.work([duration for duration, _ in hosts]) + self.options.soak
        self.failed += failures
        if failures * 100 <= limit * size:
            self.protected.append((self.clock, size - failures))
            return 0
        self.stops += 1
        # The hosts that have not failed are reversed, by as many workers.
        self.clock += self.work([self.options.host_wait] * (size - failures)) \
            if size > failures else 0
        self.clock += self.options.operator
        return size - failures

    def run(self, sizes):
        left = self.options.hosts
        canary = self.options.canary
        while canary:
            canary = self.batch(canary, 0)
        left -= self.options.canary
        for size in sizes:
            this = min(size, left)
            left -= this
            if not this:
                break
            while this:
                this = self.batch(this, self.options.limit)
        # The operator has removed the causes.
        self.rate = 0
        held, self.options.held = self.options.held, 0
        if self.failed:
            self.batch(self.failed, 100)
        self.options.held = held
        return self

    def time_of(self, share):
        """Return when this share of the hosts is protected."""
        wanted, number = share * self.options.hosts, 0
        for when, hosts in self.protected:
            number += hosts
            if number >= wanted:
                return when
        raise ValueError("the rollout does not reach the share")


def sizes_of(options, size, grows):
    """Return the sizes of all batches after the canary, without an end."""
    this = options.canary * options.grow if grows else size
    while True:
        this = min(this, size)
        yield this
        this *= options.grow


def reach(options, sizes, rate, dice):
    """Return how many hosts a bad version reaches before the rollout stops."""
    reached, this, limit = 0, options.canary, 0
    while reached < options.hosts:
        this = min(this, options.hosts - reached)
        reached += this
        failures = sum(dice.random() < rate for _ in range(this))
        if failures * 100 > limit * this:
            break
        this, limit = next(sizes), options.limit
    return reached


def kinds(options, rates):
    """Return all combinations of a size, growing or not, and a rate."""
    return [(size, grows, rate) for grows in (False, True) for size in options.batches
            for rate in rates if not grows or size >= options.canary * options.grow ** 2]


def dice_of(options, *kind):
    """Return dice for one kind of rollouts, so that another kind does not change the figures."""
    return random.Random(" ".join(str(part) for part in (options.seed,) + kind))


def simulate(options, times):
    """Return a row for each kind of batches and each rate."""
    rows = []
    for size, grows, rate in kinds(options, options.rates):
        runs = [Rollout(options, times, rate, dice_of(options, size, grows, rate, run))
                .run(sizes_of(options, size, grows)) for run in range(options.runs)]
        rows.append({
            "batch": size, "grows": grows, "rate": rate,
            "hours_99": [run.time_of(0.99) / HOUR for run in runs],
            "hours_all": [run.clock / HOUR for run in runs],
            "batches": statistics.median(run.batches for run in runs),
            "stops": [run.stops for run in runs],
        })
    return rows


def simulate_bad(options):
    """Return a row for each kind of batches and each rate of a bad version."""
    rows = []
    for size, grows, rate in kinds(options, options.bad):
        dice = dice_of(options, size, grows, rate, "bad")
        reached = sorted(reach(options, sizes_of(options, size, grows), rate, dice)
                         for _ in range(500))
        rows.append({"batch": size, "grows": grows, "rate": rate,
                     "median": statistics.median(reached), "in_99": reached[-6]})
    return rows


def write_curves(folder, rows, bad):
    """Write x and y for the chart."""
    for row in rows + bad:
        row["name"] = "%s/%s%s.%g" % (folder, "reach" if "in_99" in row else "protection",
                                      "-grows" if row["grows"] else "", row["rate"])
    for name in {row["name"] for row in rows + bad}:
        with open(name, "w", encoding="ascii") as out:
            for row in rows + bad:
                if row["name"] == name:
                    print(row["batch"], row["in_99"] if "in_99" in row
                          else statistics.median(row["hours_99"]), file=out)
    for row in rows + bad:
        del row["name"]


def percent(rate):
    return "%g %%" % (100 * rate)


def table_lines(options, rows, bad):
    """Return the table of the page."""
    yield ".. list-table::"
    yield "   :header-rows: 1"
    titles = ["batch"]
    titles += ["hours to 99 %%, %s fail" % percent(rate) for rate in options.rates]
    titles += ["stops, %s fail" % percent(options.rates[-1])]
    titles += ["hosts with a bad version, %s fail" % percent(rate) for rate in options.bad]
    lines = [titles]
    for size, grows, dummy in kinds(options, [0]):
        good = {row["rate"]: row for row in rows if (row["batch"], row["grows"]) == (size, grows)}
        worse = {row["rate"]: row for row in bad if (row["batch"], row["grows"]) == (size, grows)}
        cells = ["grows to {:,}".format(size) if grows else "{:,}".format(size)]
        cells += ["%.1f" % statistics.median(good[rate]["hours_99"]) for rate in options.rates]
        cells += ["{:,.0f}".format(statistics.median(good[options.rates[-1]]["stops"]))]
        cells += ["{:,.0f}".format(worse[rate]["in_99"]) for rate in options.bad]
        lines.append(cells)
    for cells in lines:
        yield ""
        for number, cell in enumerate(cells):
            yield "   %s - %s" % (" " if number else "*", cell)


def main():
    options = parse_arguments()
    with open(options.times, encoding="ascii") as stream:
        times = sorted(float(line) for line in stream)
    if not times or times[0] < 0:
        raise SystemExit("%s: no transition times" % options.times)
    os.makedirs(options.dir, exist_ok=True)
    rows, bad = simulate(options, times), simulate_bad(options)
    write_curves(options.dir, rows, bad)
    measured = {"number": len(times), "median": statistics.median(times), "longest": times[-1]}
    with open(options.dir + "/simulation.json", "w", encoding="utf-8") as out:
        json.dump({"options": vars(options), "times": measured, "rows": rows, "bad": bad}, out,
                  indent=1)
        print(file=out)
    with open(options.dir + "/simulation.rst", "w", encoding="utf-8") as out:
        print(*table_lines(options, rows, bad), sep="\n", file=out)
    print("%d transitions: median %.3f s, longest %.3f s" % (
        measured["number"], measured["median"], measured["longest"]))


if __name__ == "__main__":
    main()
