"""The categories of a taxonomy as text: each by its name, or with `detail: full` by all that defines it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from guardcli.taxonomy import Category, Example, Taxonomy


def category_text(
    taxonomy: Taxonomy,
    title: Callable[[Category], str],
    *,
    definition: Callable[[Category], list[str]] | None = None,
    before_description: str = "",
) -> str:
    """The categories, one after the other, without a line break at the end.

    `title` gives the line that a category begins with, and `definition` those that follow with `detail: full`: its
    description, and its bullets under headings, if None. `before_description` ends the first line where a description
    follows.

    Examples stand behind what else there is of their category, as in the paper (arXiv 2312.06674, few-shot); how one
    reads is our own, for no vendor's wording is public.
    """
    lines = []
    for category in taxonomy.categories:
        lines.append(title(category))
        if taxonomy.detail == "full":
            if category.description:
                lines[-1] = lines[-1].removesuffix(before_description) + before_description
            lines += (definition or _definition)(category)
        if category.examples:
            lines += ["Examples", *map(_example, category.examples)]
    return "\n".join(lines)


def criterion_text(taxonomy: Taxonomy, *, before_small: str = "", without_name: bool = False) -> str:
    """The one category of a taxonomy as a criterion: with `detail: full` all that defines it, else its name.

    A definition that begins with a small letter gets `before_small` before it. `without_name`: "" for a name alone.
    """
    (category, *_) = taxonomy.categories
    definition = "\n".join(_definition(category)) if taxonomy.detail == "full" else ""
    if not definition:
        return "" if without_name else category.name
    return f"{before_small if definition[0].islower() else ''}{definition}"


def headed_bullets(category: Category) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the headings of a category that have bullets, with these."""
    for heading, bullets in (
        ("Should not", category.should_not),
        ("Can", category.can),
        ("Should", category.should),
    ):
        if bullets:
            yield heading, bullets


def headed_lines(category: Category) -> list[str]:
    """The bullets of a category, a line each, and before them a line with their heading."""
    return [line for heading, bullets in headed_bullets(category) for line in (heading, *map("- {}".format, bullets))]


def _definition(category: Category) -> list[str]:
    return [*([category.description] if category.description else []), *headed_lines(category)]


def _example(example: Example) -> str:
    said = [f"- User: {example.user}"] + ([f"  Agent: {example.assistant}"] if example.assistant else [])
    return "\n".join([*said, f"  Assessment: {example.verdict}"])
