#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""bench-table.py DIR: make bench.md, bench.rst, bench.json and the chart's data of DIR/results.

A line of results is: round, kernel, key, functions, threads, value.  Values of one round that
have all but the last in common are taken together: their median, or mean for a single function.
A ratio is that of the two kernels in one round; the table shows the median of all rounds with
minimum and maximum.
"""

import json
import sys
from collections import defaultdict
from statistics import mean, median

# Work, unit, key, functions, threads, bar. The number of functions is that of the bar. If stock
# was measured with fewer, the row has that number.
COMPARED = (
    ("enable {n} functions of a module", "s", "enable_module", 1000, 0, 1 / 25),
    ("disable {n} functions of a module", "s", "disable_module", 1000, 0, 1 / 300),
    ("enable {n} functions of vmlinux", "s", "enable_vmlinux", 1000, 0, 1 / 25),
    ("disable {n} functions of vmlinux", "s", "disable_vmlinux", 1000, 0, 1 / 300),
    ("enable {n} functions, {t} sleeping threads", "s", "enable_module", 1000, 5000, 1 / 50),
    ("enable {n} functions, {t} sleeping threads", "s", "enable_module", 1000, 20000, 1 / 100),
    ("one function, idle system: insmod to transition = 0", "s", "insmod_one", 1, 0, 1 / 20),
    ("one function, idle system: disable", "s", "disable_one", 1, 0, 1 / 5),
    ("longest delay of a fork, transition over {t} threads", "s", "fork_delay", 1, 20000, 1 / 10),
    ("longest delay of another module's load while {n} functions are disabled", "s",
     "load_delay", 1000, 0, 1 / 300),
    ("disable a patch with {n} module that came after it", "s", "disable_late", 1, 0, 1 / 5),
    ("disable a patch with {n} modules that came after it", "s", "disable_late", 30, 0, 1 / 50),
    ("replace {n} functions by a patch of none of them", "s", "replace_none", 1000, 0, 1 / 100),
    ("replace {n} functions by a patch of all of them", "s", "replace_all", 1000, 0, 1 / 10),
    ("call, {n} function patched", "instructions", "call_patched", 1, 0, 0.8),
    ("call, {n} functions patched", "instructions", "call_patched", 1000, 0, 0.95),
    ("call during a transition, caller not switched, {n} function", "instructions",
     "call_unswitched", 1, 0, 1.1),
    ("call during a transition, caller switched, {n} function", "instructions",
     "call_switched", 1, 0, 1.1),
    ("call during a transition, caller not switched, {n} functions", "instructions",
     "call_unswitched", 1000, 0, 1.1),
    ("call during a transition, caller switched, {n} functions", "instructions",
     "call_switched", 1000, 0, 1.1),
    ("load of a module that none of 16 patches of 64 objects names", "instructions",
     "other_many", 0, 0, 0.7),
    ("memory per patched function, {n} functions", "bytes", "memory", 2000, 0, 1 / 6),
)

# Ratios within one kernel: work, the two (key, functions, threads), bar for our kernel.
GROWTH = (
    ("load of a module: under 16 patches of 64 objects, against none", ("other_many", 0, 0),
     ("other_none", 0, 0), 1.1),
    ("enable: 2,000 functions against 100", ("enable_module", 2000, 0),
     ("enable_module", 100, 0), 3),
    ("insmod to transition = 0: 2,000 functions against 100", ("insmod_module", 2000, 0),
     ("insmod_module", 100, 0), 3),
    ("disable: 2,000 functions against 100", ("disable_module", 2000, 0),
     ("disable_module", 100, 0), 3),
    ("disable: 30 modules that came after the patch against 1", ("disable_late", 30, 0),
     ("disable_late", 1, 0), None),
    ("load of another module while a patch with 1 such module is disabled, against before",
     ("late_load_with", 1, 0), ("late_load_without", 1, 0), 2),
    ("load of another module while a patch with 30 such modules is disabled, against before",
     ("late_load_with", 30, 0), ("late_load_without", 30, 0), 2),
    ("the same beside a kernel thread that spins in cond_resched()",
     ("late_load_spin_with", 30, 0), ("late_load_spin_without", 30, 0), 2),
    ("transition over 5,000 threads: 1,000 functions against 1", ("pass_module", 1000, 5000),
     ("pass_one", 1, 5000), None),
    ("transition of 1 function: 20,000 threads against 5,000", ("pass_one", 1, 20000),
     ("pass_one", 1, 5000), None),
)

# Rows without a ratio to the other kernel.
BESIDE = (
    ("fork, worst: without a transition", "fork_without", 20000),
    ("fork, worst: with", "fork_with", 20000),
    ("module load, worst: without a disable", "load_without", 0),
    ("module load, worst: with", "load_with", 0),
    ("insmod to transition = 0 of a patch for {n} modules, beside a kernel thread that spins",
     "insmod_late_spin", 0),
    ("disable with these modules, beside that thread", "disable_late_spin", 0),
    ("check of {n} functions against {n} functions of a patch of another set",
     "conflict_check", 0),
    ("from the end of a transition to the end of klpctl load", "klpctl_returns", 0),
)


def read_results(path):
    """{(key, functions, threads): {kernel: {round: value}}}"""
    samples = defaultdict(list)
    with open(path, encoding="ascii") as lines:
        for line in lines:
            turn, kernel, key, functions, threads, value = line.split()
            where = (key, int(functions), int(threads)), kernel, int(turn)
            samples[where].append(float(value))
    results = defaultdict(lambda: defaultdict(dict))
    for (where, kernel, turn), values in samples.items():
        # Stock either ends in its first pass or takes another second.
        of = mean if where[0].endswith("_one") else median
        results[where][kernel][turn] = of(values)
    return results


def show(value, unit):
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"
    if unit == "x":
        return f"x {value:.3g}"
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def show_ratio(value):
    if 0 < value < 0.001:
        return f"1/{round(1 / value, -1):,.0f}"
    if 0 < value <= 0.2:
        return f"1/{1 / value:.3g}"
    return f"{value:.3g}"


def make_row(work, unit, stock, ours, ratios, bar):
    row = {"work": work, "unit": unit, "stock": median(stock), "ours": median(ours),
           "ratios": ratios, "ratio": median(ratios), "min": min(ratios), "max": max(ratios),
           "bar": bar}
    if bar is not None:
        row["met"] = row["ratio"] <= bar
    return row


class Missing(Exception):
    """There are no results of a row."""


def compare(results, work, unit, key, wanted, threads, bar):
    common = [n for k, n, t in results if k == key and t == threads and n <= wanted
              and len(results[k, n, t]) == 2]
    if not common:
        raise Missing(f"{work} ({key})")
    number = max(common)
    stock, ours = (results[key, number, threads][kernel] for kernel in ("stock", "ours"))
    work = work.format(n=f"{number:,}", t=f"{threads:,}")
    if number != wanted:
        work += f" (the bar is for {wanted:,})"
    # 0 against 0 is a ratio of 1. A value against 0 has no ratio.
    ratios = [ours[turn] / stock[turn] if stock[turn] else float(ours[turn] > 0) or 1.0
              for turn in sorted(stock)]
    row = make_row(work, unit, stock.values(), ours.values(), ratios, bar)
    row.update(key=key, functions=number, threads=threads, wanted=wanted,
               stock_rounds=list(stock.values()), ours_rounds=list(ours.values()))
    return row


def growth(results, work, above, below, bar):
    quotient = {}
    for kernel in ("stock", "ours"):
        over, under = results[above].get(kernel, {}), results[below].get(kernel, {})
        quotient[kernel] = [over[turn] / under[turn] for turn in sorted(over) if turn in under]
    if not quotient["ours"]:
        raise Missing(work)
    row = make_row(work, "x", quotient["stock"] or [0], quotient["ours"], quotient["ours"], bar)
    if not quotient["stock"]:
        row["stock"] = None
    return row


TITLES = ("work", "stock", "ours", "ratio (min to max)", "at most", "")


def cells(row):
    stock = "not measured" if row["stock"] is None else show(row["stock"], row["unit"])
    ours = show(row["ours"], row["unit"])
    ratio = f"{show_ratio(row['ratio'])} ({show_ratio(row['min'])} to {show_ratio(row['max'])})"
    bar = "" if row["bar"] is None else show_ratio(row["bar"])
    met = "" if row["bar"] is None else "met" if row["met"] else "NOT met"
    return row["work"], stock, ours, ratio, bar, met


def after_table(beside, about):
    yield ""
    for work, values in beside:
        yield f"- {work}: " + ", ".join(f"{kernel} {show(v, 's')}" for kernel, v in values.items())
    yield ""
    yield (f"Linux {about['release']}, {about['commit']}, {about['date']}; QEMU {about['qemu']}, "
           f"{about['accelerator']}, on {about['processor']}; rounds: {about['rounds']}"
           + (", QUICK" if about["quick"] else "") + f"; {int(about['seconds']) // 60} minutes.")


def markdown(rows):
    yield f"| {' | '.join(TITLES)} |"
    yield "| --- | ---: | ---: | --- | --- | --- |"
    for row in rows:
        yield f"| {' | '.join(cells(row))} |"


def restructured_text(rows):
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield ""
    for line in (TITLES, *(cells(row) for row in rows)):
        for number, cell in enumerate(line):
            yield f"   {' ' if number else '*'} - {cell}".rstrip()


def write_curve(results, path, key, of_threads):
    """x is the number of threads, or of functions without sleeping threads"""
    for kernel in ("stock", "ours"):
        with open(f"{path}.{kernel}", "w", encoding="ascii") as out:
            for (name, functions, threads), values in sorted(results.items()):
                if name != key or kernel not in values or bool(threads) != of_threads:
                    continue
                y = values[kernel].values()
                print(threads if of_threads else functions, median(y), min(y), max(y), file=out)


def main():
    folder = sys.argv[1]
    results = read_results(f"{folder}/results")
    with open(f"{folder}/about", encoding="utf-8") as lines:
        about = dict(line.rstrip("\n").split("=", 1) for line in lines)

    rows = []
    for make, table in ((compare, COMPARED), (growth, GROWTH)):
        for row in table:
            try:
                rows.append(make(results, *row))
            except Missing as missing:
                if not about["only"]:
                    sys.exit(f"no results for: {missing}")
    beside = []
    for work, key, threads in BESIDE:
        for (name, functions, beside_threads), values in results.items():
            if name == key and beside_threads == threads:
                beside.append((work.format(n=functions), {k: median(v.values()) for k, v in values.items()}))

    for name, form in (("bench.md", markdown), ("bench.rst", restructured_text)):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as out:
            print(*form(rows), *after_table(beside, about), sep="\n", file=out)
    with open(f"{folder}/bench.json", "w", encoding="utf-8") as out:
        everything = [{"key": key, "functions": functions, "threads": threads, **values}
                      for (key, functions, threads), values in sorted(results.items())]
        json.dump({"about": about, "rows": rows, "results": everything}, out, indent=1)
        print(file=out)
    write_curve(results, f"{folder}/enable", "enable_module", False)
    write_curve(results, f"{folder}/disable", "disable_module", False)
    write_curve(results, f"{folder}/threads", "pass_one", True)


main()
