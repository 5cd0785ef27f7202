#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# coverage.py COUNTS TREE REASONS: print the shares of executed lines and branches from gcovr, and
# each line that was not executed with its reason. Fails if a share is below its bar, a line has
# no reason, or a reason has no line.

import collections
import json
import pathlib
import re
import sys

LINES, BRANCHES = 95, 85        # percent, at the least


def read_reasons(path):
    """(file, function, text of the line) -> the reasons given for it, one for each such line.

    Return these, and the keys of lines that some runs execute: a "?" follows the function.
    """
    reasons = collections.defaultdict(list)
    optional = set()
    said, ended = [], True
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith('#'):
            continue
        if not line[0].isspace():
            said = [] if ended else said
            said.append(line)
            ended = False
            continue
        ended = True
        place, colon, text = line.strip().partition(': ')
        if not colon or len(place.split()) != 2:
            sys.exit(f'{path}:{number}: not FILE FUNCTION: TEXT')
        key = (*place.rstrip('?').split(), text)
        reasons[key].append(' '.join(said))
        if place.endswith('?'):
            optional.add(key)
    return reasons, optional


def functions_of(source):
    """Map each line to its function. gcov has no inlined functions."""
    name = '-'
    for line in source:
        begin = re.match(r'[A-Za-z][^(=;]*?(\w+)\(', line)
        if begin and not line.rstrip().endswith(';'):
            name = begin[1]
        yield name


def share(part, whole):
    return f'{part:5} of {whole:5}  {100 * part / whole if whole else 100:5.1f} %'


class Tally:
    def __init__(self):
        self.lines = self.run = self.branches = self.taken = 0

    def add(self, other):
        self.lines += other.lines
        self.run += other.run
        self.branches += other.branches
        self.taken += other.taken

    def show(self, name):
        print(f'{name:20} {share(self.run, self.lines)}    {share(self.taken, self.branches)}')


def main():
    counts, tree, reasons_file = (pathlib.Path(arg) for arg in sys.argv[1:])
    reasons, optional = read_reasons(reasons_file)
    total = Tally()
    missed = collections.defaultdict(list)
    bare = []

    print(f'{"":20} {"lines":22}    branches')
    for file in sorted(json.loads(counts.read_text())['files'], key=lambda file: file['file']):
        path = pathlib.Path(file['file'])
        source = (tree / path).read_text().splitlines()
        functions = list(functions_of(source))
        tally = Tally()
        for line in file['lines']:
            if line['gcovr/noncode'] or line['gcovr/excluded']:
                continue
            number = line['line_number']
            tally.lines += 1
            tally.branches += len(line['branches'])
            tally.taken += sum(branch['count'] > 0 for branch in line['branches'])
            if line['count']:
                tally.run += 1
                continue
            text = source[number - 1].strip()
            function = functions[number - 1]
            given = reasons.get((path.name, function, text))
            if given:
                missed[given.pop()].append(f'{path.name}:{number} {function}: {text}')
            else:
                bare.append(f'{path.name} {function}: {text}')
        tally.show(path.name)
        total.add(tally)
    total.show('all')

    print('\nWhat has not run:')
    for reason, lines in missed.items():
        print(f'\n  {reason}')
        for line in lines:
            print(f'    {line}')

    wrong = []
    wrong += [f'no reason is given for: {line}' for line in bare]
    wrong += [f'it has run, or is not there: {" ".join(key[:2])}: {key[2]}'
              for key, given in reasons.items() if key not in optional for _ in given]
    if 100 * total.run < LINES * total.lines:
        wrong.append(f'less than {LINES} % of the lines')
    if 100 * total.taken < BRANCHES * total.branches:
        wrong.append(f'less than {BRANCHES} % of the branches')
    print()
    for line in wrong:
        print(f'coverage: {line}')
    if wrong:
        sys.exit('coverage: FAILED')
    print(f'coverage: {100 * total.run / total.lines:.1f} % of the lines, '
          f'{100 * total.taken / total.branches:.1f} % of the branches')


main()
