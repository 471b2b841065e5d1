"""Guard families: their prompt templates, rendered from a taxonomy and the turns of a conversation."""

from guardcli.prompts.renderer import Prompt, Renderer
from guardcli.prompts.templates import TEMPLATES, Template, detect_template
from guardcli.text.markers import contains_marker

__all__ = ["TEMPLATES", "Prompt", "Renderer", "Template", "contains_marker", "detect_template"]
