"""Ten decisive lines, each broken in a copy of the tree: a test must fail.

`python -m tests.mutations` takes a minute or two; `python -m tests.mutations 1 4` breaks only those. Whoever changes
one of these lines changes it here too; `test_mutations` fails until then.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A line, in which `{this → becomes that}`, the file that it is in, and the tests of its room."""

    path: str
    line: str
    tests: str

    def change(self) -> tuple[str, str]:
        """The line as it stands, and broken."""
        before, this, that, after = re.split(r"\{(.*) → (.*)\}", self.line)
        return f"{before}{this}{after}", f"{before}{that}{after}"


MUTATIONS = {
    "a score that reaches the threshold is unsafe": Mutation(
        path="guardcli/judging/decision.py",
        line="        return self.calibrate(score) {>= → >} self.threshold\n",
        tests="tests/judging/test_decision.py",
    ),
    "an answer with half of its mass on the verdicts is one": Mutation(
        path="guardcli/judging/assembly.py",
        line="            low_mass=outcome.mass {< → <=} LOW_MASS,\n",
        tests="tests/judging/test_assembly.py",
    ),
    "a turn of which a part was not judged is never safe": Mutation(
        path="guardcli/judging/decision.py",
        line="    if {scores.error is not None → False}:\n",
        tests="tests/judging/test_decision.py",
    ),
    "a score as far from the threshold as the tolerance is near it": Mutation(
        path="guardcli/judging/decision.py",
        line="        return abs(rule.margin(scores.score, rule.threshold)) {<= → <} tolerance\n",
        tests="tests/judging/test_decision.py",
    ),
    "no text of a record controls the terminal": Mutation(
        path="guardcli/text/escaping.py",
        line='    "\\x00-\\x08\\x0b-\\x1f\\x7f{-\\x9f → }',
        tests="tests/text/test_escaping.py",
    ),
    "no text of a record is markup in a page": Mutation(
        path="guardcli/report/html_page.py",
        line="        autoescape={True → False},\n",
        tests="tests/report/test_html_page.py",
    ),
    "an audit goes on behind the last line that it judged": Mutation(
        path="guardcli/audit/run.py",
        line="  line = {checkpoint.line if number == checkpoint.unit else unit.first_line → unit.first_line}\n",
        tests="tests/audit/test_audit.py",
    ),
    "a journal that was changed is refused": Mutation(
        path="guardcli/audit/journal/entries.py",
        line=" or {digest != → not} self._advance(body):\n",
        tests="tests/audit/test_journal.py",
    ),
    "truncation keeps the message that is judged": Mutation(
        path="guardcli/judging/truncation.py",
        line="        said = [*beside, *(turns[i] for i in range(start, at)), turns.judged({at → start})]\n",
        tests="tests/judging/test_truncation.py",
    ),
    "a record with speech that no format reads is an error": Mutation(
        path="guardcli/formats/unread_text.py",
        line="        if status is TextStatus.{ERROR → JUDGED}:\n            raise ",
        tests="tests/formats/test_unread_text.py",
    ),
}


def first_failure(mutation: Mutation, tree: Path) -> str | None:
    """The test that fails when a line of the tree is broken; None if none does. The line is whole again afterwards."""
    path = tree / mutation.path
    whole = path.read_text("utf-8")
    path.write_text(whole.replace(*mutation.change()), "utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "--tb=no", "-rf", "-m", "not perf", mutation.tests]
    done = subprocess.run(command, cwd=tree, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    path.write_text(whole, "utf-8")
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return failed[0].removeprefix("FAILED ").split(" - ")[0] if failed else None


def main(numbers: list[int]) -> int:
    """Break the lines with these numbers, or all. The exit code is how many no test caught."""
    missed = 0
    with tempfile.TemporaryDirectory() as tree:
        shutil.copytree(ROOT, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*", "shared", "__pycache__"))
        for number, (what, mutation) in enumerate(MUTATIONS.items(), start=1):
            if not numbers or number in numbers:
                caught = first_failure(mutation, Path(tree))
                missed += caught is None
                print(f"{number:2} {what}: {caught or 'NO TEST FAILS'}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]]))
