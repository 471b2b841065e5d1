"""What a record costs to judge, in tokens, known before anything of it is evaluated."""

from __future__ import annotations

from guardcli.engine.token_arrays import common_prefix_len
from guardcli.judging.truncation import EncodedPrompt, PromptWindows


class RecordCost:
    """Counts the tokens that the prompts of one record add to what the model must evaluate.

    The prompt's prefix, the taxonomy mostly, is not counted: it is evaluated once for many records. Where prompts share
    (`shares`), neither are the turns that a prompt has in common with the one before it that has the same prefix: that
    asks the same, and in most families about the same speaker. Windows of one message count in full. The engine may
    find more in common, so the count is an upper bound. The tokens of answers are not counted.

    prompt 1   prefix | turn 1 | suffix                      turn 1, suffix
    prompt 2   prefix | turn 1 | turn 2 | turn 3 | suffix    turn 2, turn 3, suffix
    """

    def __init__(self, *, shares: bool) -> None:
        self.tokens = 0
        self._shares = shares
        self._last: dict[bytes, EncodedPrompt] = {}  # by the prefix

    def add(self, windows: PromptWindows) -> None:
        """Count the prompts that judge a turn."""
        if windows.windowed:
            self.tokens += sum(len(prompt.tokens) - prompt.prefix_len for prompt in windows.prompts)
            return
        for prompt in windows.prompts:
            prefix = prompt.tokens[: prompt.prefix_len].tobytes()
            self.tokens += self._new(prompt, self._last.get(prefix))
            self._last[prefix] = prompt

    def _new(self, prompt: EncodedPrompt, before: EncodedPrompt | None) -> int:
        known = prompt.prefix_len
        if before is not None and self._shares:
            known = max(known, common_prefix_len(before.tokens, prompt.tokens))
        return len(prompt.tokens) - min(known, len(prompt.tokens) - 1)  # the last one is always evaluated
