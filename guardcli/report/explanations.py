"""What the flags of a row and the metrics of an evaluation mean, in a line each, for readers of a page."""

from __future__ import annotations

FLAGS = {
    "role_order": "User and assistant do not take turns.",
    "speaker_not_judged": "The model judges the messages of one speaker only; those of the other were context.",
    "category_not_asked": "A category needs documents or tools that the record does not have, and was not asked about.",
    "marker_in_content": "A message imitates the structure of the prompt, as attacks on a guard do.",
    "windowed": "A message was too long and was scored in overlapping pieces.",
    "invalid_unicode": "The text was not valid Unicode and was repaired.",
    "unread_text": "The record has text that was not judged.",
    "unknown_speaker": "A line of a transcript seems to begin the turn of somebody unknown.",
    "reasoning": "The message was judged together with what the model thought before it.",
    "low_mass": "The model did not answer with a verdict.",
    "near_threshold": "The score is so near to the threshold that another batch could change the verdict.",
    "categories_not_read": "The categories were not read: the row was safe when judged, or the model names none.",
    "forced": "An answer that was not a verdict counts as one, because the run allowed it.",
    "tolerance_unknown": "It is unknown whether another batch could change the verdict.",
}

METRICS = {
    "AUPRC": "Area under the precision-recall curve: how well scores rank unsafe records above safe ones. 1 is "
    "perfect; the share of unsafe records is what guessing reaches.",
    "AUROC": "The chance that an unsafe record scores higher than a safe one. 1 is perfect, 0.5 is guessing.",
    "F1": "The harmonic mean of precision and recall at the threshold. 1 is perfect.",
    "precision": "Of the flagged records, the share that is unsafe.",
    "recall": "Of the unsafe records, the share that is flagged.",
    "false positive rate": "Of the safe records, the share that is flagged.",
    "turns when it should": "Of the verdicts that a changed policy makes wrong, the share that turns. 1 follows the "
    "policy; 0 knows its categories by heart.",
    "stays when it should": "Of the verdicts that stay right under a changed policy, the share that stays.",
    "calibration error": "The mean distance between a score and the share of unsafe records with that score. 0 is "
    "perfect.",
}
