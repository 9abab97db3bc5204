#!/usr/bin/env python3
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
"""Checks what a compiler says of a program that is composed wrongly.

usage: run.py FILE COMPILER [FLAG...]

FILE says in comments at its head what is to happen:

    // expect: compiles                as it is, it is fine
    // expect: REGEX                   as it is, the first error line matches
    // expect MACRO: REGEX             with MACRO defined, the first error line matches

The first line with "error:" in it is the one a user reads, so it has to tell what is wrong.
"""

import os
import re
import subprocess
import sys

EXPECTATION = re.compile(r"// expect(?: (\w+))?: (.+)")


def first_error(compiler, flags, macro, path):
    """The first error line, or None when it compiles."""
    command = [compiler, "-std=c++20", "-fsyntax-only", *flags]
    if macro:
        command.append(f"-D{macro}")
    english = {**os.environ, "LC_ALL": "C"}
    result = subprocess.run([*command, path], capture_output=True, text=True, env=english, check=False)
    if result.returncode == 0:
        return None
    lines = result.stderr.splitlines()
    return next((line for line in lines if "error:" in line), result.stderr)


def main():
    path, compiler, *flags = sys.argv[1:]
    with open(path, encoding="utf-8") as source:
        expectations = [m.groups() for m in map(EXPECTATION.match, source) if m]
    if not expectations:
        sys.exit(f"{path}: nothing is expected of it")
    failures = 0
    for macro, expected in expectations:
        error = first_error(compiler, flags, macro, path)
        if expected == "compiles":
            good = error is None
        else:
            good = error is not None and re.search(expected, error)
        print(f"{'ok  ' if good else 'FAIL'} {macro or 'as it is'}: {error or 'compiles'}")
        if not good:
            print(f"     expected: {expected}")
            failures += 1
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
