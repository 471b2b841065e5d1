"""Guard families: their prompt templates, rendered from a taxonomy and the turns of a conversation."""

from guardcli.prompts.policy_warnings import policy_warnings, policy_warnings_without_model
from guardcli.prompts.renderer import Prompt, Renderer
from guardcli.prompts.template import AnswerFormat, EarlierAnswer, Template
from guardcli.prompts.templates import TEMPLATES, detect_template
from guardcli.text.markers import contains_marker

__all__ = [
    "TEMPLATES",
    "AnswerFormat",
    "EarlierAnswer",
    "Prompt",
    "Renderer",
    "Template",
    "contains_marker",
    "detect_template",
    "policy_warnings",
    "policy_warnings_without_model",
]
